/**
 * A client of protocol 1 as other programs have it (`internal/control` of the Go program that fleetbox is compatible with),
 * with their limits: it looks at a member's pidfile first and treats a member without one as dead; it dials, writes the
 * request once without a newline, keeps its side open, and reads the reply once, 1,024 bytes. It knows nothing of JSON
 * requests, and never reads a holder's standard output: that goes to a log file.
 */

import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { join } from "../../src/system/path.ts";
import { identify } from "../../src/system/process.ts";
import type { Status } from "../../src/wire.ts";
import { FLEETBOX } from "./command.ts";
import type { Sandbox } from "./sandbox.ts";

/** For a reply, from the dial to the read. */
const REPLY_MS = 2_000;
/** For the pidfile to disappear after `stop` was answered. */
const STOP_MS = 30_000;
/** Between two looks at anything. */
const LOOK_MS = 500;

export class OriginalClient {
  constructor(readonly box: Sandbox) {}

  /** Starts a detached holder, its output in the log; waits for nothing. Resolves with its exit code at its end. */
  spawn(names: string[], options: object = {}): Promise<number | null> {
    Deno.mkdirSync(this.box.home, { recursive: true });
    const log = openSync(join(this.box.home, `runner-${names[0]}.log`), "w");
    const holder = spawn(FLEETBOX, ["--fleetbox-runner", names.join(",")], {
      env: { ...this.box.env, FLEETBOX_OPTS: JSON.stringify(options) },
      detached: true,
      stdio: ["ignore", log, log],
    });
    closeSync(log);
    return new Promise((ended) => holder.once("exit", (code) => ended(code)));
  }

  /** Whether the process in the member's pidfile lives. */
  isRunning(name: string): boolean {
    try {
      return identify(Number(Deno.readTextFileSync(this.box.store.member(name).pid))) !== undefined;
    } catch {
      return false;
    }
  }

  /** One request and one read. @throws when nobody answers within two seconds. */
  async ask(name: string, request: string, bytes = 1024): Promise<string> {
    const conn = await Deno.connect({ transport: "unix", path: this.box.store.memberSocket(name) });
    let late: ReturnType<typeof setTimeout> | undefined;
    try {
      await conn.write(new TextEncoder().encode(request));
      const buffer = new Uint8Array(bytes);
      const limit = new Promise<never>((_, reject) => {
        late = setTimeout(() => reject(new Error(`no reply to ${request} within ${REPLY_MS} ms`)), REPLY_MS);
      });
      const count = await Promise.race([conn.read(buffer), limit]);
      if (count === null) throw new Error(`EOF instead of a reply to ${request}`);
      return new TextDecoder().decode(buffer.subarray(0, count));
    } finally {
      clearTimeout(late);
      conn.close();
    }
  }

  /** @throws when the member has no live holder, or its holder does not answer. */
  async status(name: string): Promise<Status> {
    if (!this.isRunning(name)) throw new Error(`${name} is not running`);
    return JSON.parse(await this.ask(name, "status"));
  }

  /**
   * Looks every half a second until every member runs. The limit begins anew while one is `downloading`.
   * @returns every state that was seen, `a downloading`. @throws `NAME failed: WHY`, or `timeout waiting for: …`.
   */
  async waitMembers(names: string[], limitMs: number): Promise<string[]> {
    const seen = new Set<string>();
    let pending = names;
    for (let end = performance.now() + limitMs; pending.length > 0;) {
      await new Promise((again) => setTimeout(again, LOOK_MS));
      const still: string[] = [];
      for (const name of pending) {
        const status = await this.status(name).catch(() => undefined);
        if (status) seen.add(`${name} ${status.state}`);
        if (status?.state === "error") throw new Error(`${name} failed: ${status.error}`);
        if (status?.state === "downloading") end = performance.now() + limitMs;
        if (status?.state !== "running" || status.ip === "") still.push(name);
      }
      pending = still;
      if (performance.now() > end) break;
    }
    if (pending.length > 0) throw new Error(`timeout waiting for: ${pending.join(", ")}`);
    return [...seen];
  }

  /** @throws when the pidfile is still there after 30 s. For a member without one it does nothing. */
  async stop(name: string): Promise<void> {
    if (!this.isRunning(name)) return;
    await this.ask(name, "stop", 64);
    for (const end = performance.now() + STOP_MS; performance.now() < end;) {
      if (!this.isRunning(name)) return;
      await new Promise((again) => setTimeout(again, LOOK_MS));
    }
    throw new Error("timeout waiting for VM to stop");
  }
}

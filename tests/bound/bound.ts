/**
 * A client in a process of its own, to be killed: starts `client.ts` on a sandbox's store, reads its output, and measures
 * how long it took after its end until nothing of its group was left.
 */

import { fileURLToPath } from "node:url";
import { identify, isAlive, type ProcessIdentity } from "../../src/system/process.ts";
import { exists } from "../../src/system/files.ts";
import { until, within } from "../support/processes.ts";
import type { Sandbox } from "../support/sandbox.ts";
import type { Script } from "./client.ts";

const CLIENT = fileURLToPath(new URL("client.ts", import.meta.url));
/** The limit for a client to print what a test waits for. */
const SAID_MS = 120_000;

/** The moments of a bound group's start, each with the condition by which it is recognised. */
export const START: [moment: string, isThere: (box: Sandbox) => boolean][] = [
  ["when its client is there", () => true],
  ["when its holder is there", (box) => box.processes("holder").length > 0],
  ["when the holder listens for its client", (box) => exists(box.store.controlSocket("a"))],
  ["when a member is claimed", (box) => exists(box.store.memberSocket("a"))],
  ["when its gateway is there", (box) => box.processes("gateway").length > 0],
  ["when a machine is there", (box) => box.processes("machine").length > 0],
];

export interface ClientOptions {
  env?: Record<string, string>;
  /** A process group of its own, which {@link Client.killGroup} kills. */
  group?: boolean;
}

export class Client implements AsyncDisposable {
  readonly pid: number;
  readonly identity: ProcessIdentity;
  readonly ended: Promise<Deno.CommandStatus>;
  #said = "";
  #listeners = new Set<() => void>();
  #isOver = false;

  constructor(readonly box: Sandbox, script: Script, options: ClientOptions = {}) {
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--quiet", "--no-check", CLIENT, JSON.stringify(script)],
      env: { ...box.env, ...options.env },
      clearEnv: true,
      detached: options.group,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.pid = child.pid;
    this.identity = identify(child.pid)!;
    const hear = async (stream: ReadableStream<Uint8Array>) => {
      for await (const text of stream.pipeThrough(new TextDecoderStream())) {
        this.#said += text;
        this.#tell();
      }
    };
    const heard = Promise.all([hear(child.stdout), hear(child.stderr)]);
    this.ended = child.status.then(async (status) => {
      await heard;
      this.#isOver = true;
      this.#tell();
      return status;
    });
  }

  /** Its whole output so far, errors included. */
  get words(): string {
    return this.#said;
  }

  /** Resolves when it has printed this. @throws when it ends before. */
  said(pattern: RegExp): Promise<void> {
    const listen = async () => {
      while (!pattern.test(this.#said)) {
        if (this.#isOver) throw new Error(`the client ended without saying ${pattern}:\n${this.#said}`);
        await new Promise<void>((told) => this.#listeners.add(told));
      }
    };
    const late = () => `the client did not say ${pattern} within ${SAID_MS / 1000} s:\n${this.#said}`;
    return within(listen(), SAID_MS, late);
  }

  /** `kill -9`. */
  kill(): void {
    if (isAlive(this.identity)) Deno.kill(this.pid, "SIGKILL");
  }

  /** `kill -9` of its process group: of everything that a terminal or a CI runner would take with it. */
  killGroup(): void {
    Deno.kill(-this.pid, "SIGKILL");
  }

  #tell(): void {
    const told = [...this.#listeners];
    this.#listeners.clear();
    told.forEach((listener) => listener());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.kill();
    await this.ended;
    const isOurs = (pid: number) => environment(pid).includes(`FLEETBOX_PARENT_PID=${this.pid}`);
    await until("its holder is gone", () => this.box.processes("holder").every(({ pid }) => !isOurs(pid)));
  }
}

function environment(pid: number): string[] {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/environ`).split("\0");
  } catch {
    return [];
  }
}

/** Whether a process has a file open. Linux only. */
export function holdsOpen(pid: number, path: string): boolean {
  const real = Deno.realPathSync(path);
  for (const { name } of Deno.readDirSync(`/proc/${pid}/fd`)) {
    try {
      if (Deno.readLinkSync(`/proc/${pid}/fd/${name}`) === real) return true;
    } catch { /* closed in between */ }
  }
  return false;
}

/** What is left of groups: processes, sockets, pidfiles, records. */
export function left(box: Sandbox): string[] {
  const processes = box.processes().filter(({ kind }) => kind !== "other")
    .map(({ kind, name, pid }) => `${kind} ${name} (${pid})`);
  return [...processes, ...box.debris()];
}

/** Resolves when nothing is left. @returns how long that took, in milliseconds. */
export async function untilNothing(box: Sandbox, limitMs = 20_000): Promise<number> {
  const start = performance.now();
  let last: string[] = [];
  const seen = () => last.join(", ");
  await until("nothing is left", () => (last = left(box)).length === 0, limitMs, seen).catch((thrown) => {
    console.log(thrown.message, box.holderLogs()); // later errors may hide this one
    throw thrown;
  });
  return performance.now() - start;
}

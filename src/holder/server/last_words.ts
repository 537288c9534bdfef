/**
 * A start that failed before there was a group (bad options, a missing directory, a name that is served already), told on
 * the sockets of its members that nobody else serves: their state is `error`, with the cause. That is for clients which
 * do not read the holder's standard output; it ends when one of them was told, and after {@link wire.LAST_WORDS_MS}.
 *
 * Nothing was begun, so nothing is undone: the sockets and pidfiles are all that there is, and go with it.
 */

import { startLimit } from "../../core/deadline.ts";
import { FleetboxError, fromWireError, toWireError, type WireError } from "../../core/errors.ts";
import type { Store } from "../../store.ts";
import { VERSION } from "../../system/program_info.ts";
import * as wire from "../../wire.ts";
import { Claims } from "../group/claims.ts";
import { log } from "../log.ts";
import { Client } from "./client.ts";
import { readRequest } from "./read_request.ts";
import { statusOf } from "./status.ts";

export class LastWords {
  /** Resolved when the members' names are free again, and the replies are written. */
  readonly ended: Promise<void>;
  readonly #end = Promise.withResolvers<void>();
  readonly #claims: Claims;
  readonly #failure: WireError;
  readonly #since = new Date().toISOString();
  readonly #replies = new Set<Promise<void>>();
  #names: string[] = [];

  constructor(private readonly store: Store, private readonly names: readonly string[], failure: unknown) {
    this.#failure = toWireError(failure);
    this.#claims = new Claims(store, (name, conn) => {
      const reply = this.#serve(name, new Client(conn), conn).finally(() => this.#replies.delete(reply));
      this.#replies.add(reply);
    });
    this.ended = this.#end.promise.then(async () => {
      await this.#claims.releaseAll();
      await Promise.allSettled([...this.#replies]);
    });
  }

  /** Claims the members that no holder serves. False when there are none. */
  async claim(): Promise<boolean> {
    await this.#claims.endLastWords(this.names);
    this.#names = await this.#claims.takeFree(this.names);
    if (this.#names.length === 0) return false;
    log(`telling it as ${this.#names.join(", ")}`);
    const endLimit = startLimit(wire.LAST_WORDS_MS, () => this.end());
    void this.#end.promise.then(endLimit);
    return true;
  }

  serves(name: string): boolean {
    return this.#names.includes(name);
  }

  /** Twice is fine. */
  end(): void {
    this.#end.resolve();
  }

  /** Gives the names back at once: this process is about to end. */
  abandon(): void {
    this.#claims.abandon();
  }

  async #serve(name: string, client: Client, conn: Deno.UnixConn): Promise<void> {
    try {
      const text = await Promise.race([readRequest(conn), this.#end.promise]);
      if (text !== undefined) await this.#answer(name, wire.decodeRequest(text), client);
    } catch (thrown) {
      if (thrown instanceof FleetboxError) await client.write(`err: ${thrown.message}`).catch(() => {});
      // anything else: the client left
    } finally {
      client.close();
    }
  }

  async #answer(name: string, request: wire.Request, client: Client): Promise<void> {
    switch (request.kind) {
      case "status":
        await client.write(wire.encodeStatus(statusOf(this.#report(name))));
        return this.end();
      case "stop":
        await client.write("ok");
        return this.end();
      case "addmember":
        return await client.write(wire.addReply(await this.#makeRoom(name)));
      case "bind":
      case "unknown":
      case "bad-json":
        return await client.write(wire.refusalOf(request));
      case "json":
        return await this.#answerJson(name, request.request, client);
      default:
        return request satisfies never;
    }
  }

  async #answerJson(name: string, { op }: wire.JsonRequest, client: Client): Promise<void> {
    const line = (value: object) => client.write(wire.encodeLine(value));
    switch (op) {
      case "report":
        await line(this.#report(name));
        return this.end();
      case "group":
        return await line(this.#group());
      case "watch":
        for (const one of this.#names) await line({ event: "member", member: this.#report(one) });
        await Promise.race([client.left(), this.#end.promise]);
        for (const one of this.#names) await line({ event: "gone", name: one });
        return;
      case "add":
        return await line({ event: "error", ...toWireError(await this.#makeRoom(name)) });
      case "stop":
        await this.#free();
        return await line({ event: "done" });
      default: // all else needs a machine, or changes one
        return await line(wire.VERBS[op].answer === "one" ? this.#failure : { event: "error", ...this.#failure });
    }
  }

  /** Frees the names for a start that comes now. @returns why it cannot be done here. */
  async #makeRoom(name: string): Promise<FleetboxError> {
    await this.#free();
    return new FleetboxError("conflict", `The holder of "${name}" is ending: its start failed`, {
      cause: fromWireError(this.#failure),
      hint: "Try again.",
    });
  }

  async #free(): Promise<void> {
    this.end();
    await this.#claims.releaseAll();
  }

  #group(): wire.GroupReport {
    return {
      group: this.names[0],
      pid: Deno.pid,
      version: VERSION,
      protocol: wire.PROTOCOL_VERSION,
      bound: false,
      egress: "off",
      host_access: false,
      members: this.#names.map((name) => this.#report(name)),
    };
  }

  #report(name: string): wire.MemberReport {
    const { message, causes } = this.#failure;
    const stored = this.store.readMember(name);
    const config = stored && "config" in stored ? stored.config : undefined;
    return {
      name,
      pid: Deno.pid,
      running: false,
      ip: "",
      state: "error",
      error: [message, ...causes].join("\n"),
      failure: this.#failure,
      since: this.#since,
      leaving: true,
      group: this.names[0],
      cpus: config?.cpus ?? 0,
      memory_mb: config?.memory_mb ?? 0,
      image: config?.image ?? "",
    };
  }
}

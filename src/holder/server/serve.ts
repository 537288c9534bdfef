/**
 * The server half of the protocol: one connection, one request, one reply.
 *
 * Every verb is decided here for every state of the group. A connection costs its own buffer and its own time limits,
 * and whatever its client does (silence, garbage, megabytes, leaving in the middle) ends with that connection. Replies
 * are written in one piece; who does not read one within {@link REPLY_TIMEOUT_MS} loses it.
 */

import { FleetboxError, toWireError } from "../../core/errors.ts";
import { startLimit } from "../../core/deadline.ts";
import { checkName } from "../../core/names.ts";
import { checkOptions, checkWish } from "../../core/options.ts";
import { closeQuietly, writeAll } from "../../system/sockets.ts";
import * as wire from "../../wire.ts";
import type { Group } from "../group/group.ts";
import { describe, log } from "../log.ts";

/** How long a guest may take to shut down when the client does not say. */
export const DEFAULT_GRACE_MS = 30_000;
/** A watcher that lets so many bytes of events pile up is dropped. */
const MAX_BACKLOG_BYTES = 4 * 1024 * 1024;

/** Serves one connection to a member's socket. Never rejects. */
export async function serve(group: Group, name: string, conn: Deno.UnixConn): Promise<void> {
  const client = new Client(conn);
  try {
    const text = await readRequest(conn);
    if (text !== undefined) await answer(group, name, wire.decodeRequest(text), client);
  } catch (thrown) {
    if (thrown instanceof FleetboxError) await client.write(`err: ${thrown.message}`).catch(() => {});
    // anything else: the client left
  } finally {
    client.close();
  }
}

async function answer(group: Group, name: string, request: wire.Request, client: Client): Promise<void> {
  switch (request.kind) {
    case "status": {
      // A member that has just left is told of as what it is now.
      const report = group.member(name)?.report();
      const { name: _, ...status } = report ?? { pid: Deno.pid, running: false, ip: "", state: "stopped" as const };
      return await client.write(wire.encodeStatus(statusOf({ name, ...status })));
    }
    case "stop":
      await client.write("ok");
      client.close();
      return await group.stop(name, { force: false, graceMs: DEFAULT_GRACE_MS }).catch((thrown) => {
        log(`${name}: cannot stop it: ${describe(thrown)}`);
      });
    case "addmember":
      try {
        await group.add(checkName(request.name));
        return await client.write(wire.addReply());
      } catch (thrown) {
        return await client.write(wire.addReply(thrown));
      }
    case "bind": // belongs on the control socket
      return await client.write(wire.unknownCommand("bind"));
    case "unknown":
      return await client.write(wire.unknownCommand(request.text));
    case "bad-json":
      return await client.write(wire.encodeLine({ code: "protocol", message: request.reason, causes: [] }));
    case "json":
      return await answerJson(group, name, request.request, client);
    default:
      return request satisfies never;
  }
}

async function answerJson(group: Group, name: string, request: wire.JsonRequest, client: Client): Promise<void> {
  const fail = (thrown: unknown) => client.write(wire.encodeLine({ event: "error", ...toWireError(thrown) }));
  switch (request.op) {
    case "report": {
      const member = group.member(name);
      const report = request.verbose ? member?.fullReport() : member?.report();
      return await client.write(wire.encodeLine(report ?? gone(name)));
    }
    case "group":
      return await client.write(wire.encodeLine(group.report()));
    case "watch":
      return await watch(group, client, request.verbose ?? false);
    case "add": {
      const done = (async () => await group.add(request.name, checkOptions(request.options ?? {})))();
      if (request.wait === false) {
        // Refusals come at once; what comes later is in the member's state.
        const taken = Promise.withResolvers<undefined>();
        const off = group.hub.subscribe((event) => {
          if (event.event === "member" && event.member.name === request.name) taken.resolve(undefined);
        });
        const early = await Promise.race([done.then(() => undefined, (thrown) => thrown), taken.promise]);
        off();
        return early ? await fail(early) : await client.write(wire.encodeLine({ event: "done" }));
      }
      const off = forward(group, client, request.name, request.verbose ? ["member", "detail"] : ["member"]);
      try {
        await done;
      } catch (thrown) {
        return await fail(thrown);
      } finally {
        off();
      }
      return await client.write(wire.encodeLine({ event: "done" }));
    }
    case "console": {
      const member = group.member(name);
      try {
        if (!member) throw new FleetboxError("not-found", `"${name}" has left the group`);
        return await member.attachConsole(client.upgrade());
      } catch (thrown) {
        return await fail(thrown);
      }
    }
    case "forward":
    case "unforward":
      try {
        const member = group.member(name);
        if (!member) return await client.write(wire.encodeLine(gone(name)));
        const done = request.op === "forward"
          ? await member.forward(checkWish(request))
          : await member.unforward(request.host_port);
        return await client.write(wire.encodeLine(done));
      } catch (thrown) {
        return await client.write(wire.encodeLine(toWireError(thrown)));
      }
    case "stop": {
      const off = request.verbose ? forward(group, client, name, ["detail"]) : () => {};
      try {
        await group.stop(name, { force: request.force ?? false, graceMs: request.grace_ms ?? DEFAULT_GRACE_MS });
      } catch (thrown) {
        return await fail(thrown);
      } finally {
        off();
      }
      return await client.write(wire.encodeLine({ event: "done" }));
    }
    default:
      return request satisfies never;
  }
}

function statusOf(status: wire.Status): wire.Status {
  const { name, pid, running, ip, state, error, stage, since, download, ssh, group } = status;
  return { name, pid, running, ip, state, error, stage, since, download, ssh, group };
}

function gone(name: string) {
  return toWireError(new FleetboxError("not-found", `"${name}" has left the group`));
}

/** Tells a client of one member's changes, its steps, or both, until the returned function is called. */
function forward(group: Group, client: Client, name: string, kinds: ("member" | "detail")[]): () => void {
  return group.hub.subscribe((event) => {
    const its = event.event === "member" ? event.member.name : event.event === "detail" ? event.name : undefined;
    if (its === name && kinds.some((kind) => kind === event.event)) client.post(wire.encodeLine(event));
  });
}

/** Tells a client of everything: what is now, then what changes, until the group ends or the client leaves. */
async function watch(group: Group, client: Client, isVerbose: boolean): Promise<void> {
  for (const member of group.members) {
    if (isVerbose) member.details.forEach((detail) => client.post(wire.encodeLine(detail)));
    client.post(wire.encodeLine({ event: "member", member: member.report() }));
  }
  const off = group.hub.subscribe((event) => {
    if (isVerbose || event.event !== "detail") client.post(wire.encodeLine(event));
  });
  await Promise.race([client.left(), group.ended]);
  off();
  await client.drained();
}

/** A connected client: replies with limits, and a queue for streams. */
class Client {
  #queue: Uint8Array[] = [];
  #queued = 0;
  #writing: Promise<void> | undefined;
  #open = true;

  constructor(private readonly conn: Deno.UnixConn) {}

  /** Writes a reply whole. @throws when the client left, or does not read. */
  async write(text: string): Promise<void> {
    await this.drained();
    await this.#writeAll(new TextEncoder().encode(text));
  }

  /** Queues a line of a stream; a client that does not keep up is dropped. */
  post(line: string): void {
    if (!this.#open) return;
    const bytes = new TextEncoder().encode(line);
    this.#queued += bytes.length;
    if (this.#queued > MAX_BACKLOG_BYTES) return this.close();
    this.#queue.push(bytes);
    this.#writing ??= this.#drain();
  }

  async drained(): Promise<void> {
    await this.#writing;
  }

  async #drain(): Promise<void> {
    try {
      for (let next = this.#queue.shift(); next && this.#open; next = this.#queue.shift()) {
        await this.#writeAll(next);
        this.#queued -= next.length;
      }
    } catch {
      this.close(); // it left
    }
    this.#writing = undefined;
  }

  async #writeAll(bytes: Uint8Array): Promise<void> {
    const endLimit = startLimit(wire.REPLY_TIMEOUT_MS, () => this.close());
    try {
      await writeAll(this.conn, bytes);
    } finally {
      endLimit();
    }
  }

  /** Resolves when the client closed its end. What it still sends is read and forgotten. */
  async left(): Promise<void> {
    const scrap = new Uint8Array(1024);
    try {
      while (this.#open && await this.conn.read(scrap) !== null);
    } catch { /* gone */ }
  }

  /** The connection itself, for what is no reply any more. It is closed when its request is served. */
  upgrade(): Deno.UnixConn {
    return this.conn;
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    closeQuietly(this.conn);
  }
}

/**
 * Reads a request's text (see `wire.ts` for where it ends); undefined when the client left without one.
 * @throws {FleetboxError} `protocol`: too long, or not finished in time.
 */
export async function readRequest(conn: Pick<Deno.UnixConn, "read">): Promise<string | undefined> {
  const reader = new wire.RequestReader();
  const deadline = performance.now() + wire.REQUEST_TIMEOUT_MS;
  const buffer = new Uint8Array(2048);
  let pending: Promise<number | null> | undefined;
  let isLate = false;
  for (let verdict: "more" | "quiet" = "more";;) {
    pending ??= conn.read(buffer);
    const left = deadline - performance.now();
    const count = await within(pending, verdict === "quiet" ? Math.min(wire.SILENCE_MS, left) : left);
    if (count === "silence") {
      // After a time in which the whole host stood still everything is late: what came meanwhile is read first.
      if (performance.now() < deadline || !isLate) {
        isLate = performance.now() >= deadline;
        // A JSON request that is not whole yet is not ended by silence: its client has more to say. Looked at once a
        // silence, not once a byte.
        if (verdict === "quiet" && isWhole(reader.text())) return reader.text();
        verdict = "more";
        continue;
      }
      pending.catch(() => {});
      throw new FleetboxError("protocol", `the request was not finished within ${wire.REQUEST_TIMEOUT_MS / 1000} s`);
    }
    pending = undefined;
    if (count === null) return reader.text() === "" ? undefined : reader.text();
    const next = reader.push(buffer.subarray(0, count));
    if (next === "done") return reader.text();
    if (next === "too-long") {
      throw new FleetboxError("protocol", `the request is longer than ${wire.MAX_REQUEST_BYTES} bytes`);
    }
    verdict = next;
  }
}

function isWhole(text: string): boolean {
  if (!text.trimStart().startsWith("{")) return true;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

async function within<T>(promise: Promise<T>, limitMs: number): Promise<T | "silence"> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const silence = new Promise<"silence">((resolve) => {
    timer = setTimeout(() => resolve("silence"), Math.max(0, limitMs));
  });
  try {
    return await Promise.race([promise, silence]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Requests to holders, by verb: one connection each, over the socket of a member.
 *
 * A member that no holder serves is a result (`undefined`, an empty stream), not an error.
 */

import { startLimit } from "../core/deadline.ts";
import { connectMember } from "./places/doors.ts";
import { FleetboxError } from "../core/errors.ts";
import { checkName } from "../core/names.ts";
import { readLines } from "../system/sockets.ts";
import type { Store } from "../store.ts";
import type { Event, FieldsOf, Op, OpOf, ReplyOf } from "../wire.ts";
import { decodeEvent, decodeReply, encodeLine, throwIfError } from "../wire/replies.ts"; // `ls` loads this

/** The events of a verb; ends quietly when no holder serves the member (any more) or the signal fires. */
export async function* stream<O extends OpOf<"events" | "stream">>(
  store: Store,
  name: string,
  op: O,
  fields: FieldsOf<O>,
  signal?: AbortSignal,
): AsyncGenerator<Event> {
  const connection = await connectMember(store, checkName(name));
  if (!connection) return;
  const abort = () => connection.close();
  signal?.addEventListener("abort", abort);
  try {
    if (signal?.aborted) return;
    await connection.write(encodeLine({ op, ...fields }));
    for await (const line of readLines(connection)) {
      yield decoded(() => decodeEvent(line), name);
    }
  } catch (thrown) {
    // An ending holder resets connections that it has not accepted: that is an end like any other.
    const ended = thrown instanceof Deno.errors.ConnectionReset || thrown instanceof Deno.errors.BrokenPipe;
    if (!ended && !signal?.aborted) throw thrown;
  } finally {
    signal?.removeEventListener("abort", abort);
    connection.close();
  }
}

/** The longest reply that is read: the report of the largest group has a tenth of it. */
const MAX_REPLY = 4 * 1024 * 1024;

/** One text request and its whole reply; undefined when no holder serves the member, or the signal fires. */
export async function ask(
  store: Store,
  name: string,
  request: string,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<string | undefined> {
  const connection = await connectMember(store, checkName(name));
  if (!connection) return undefined;
  const abort = () => connection.close();
  signal?.addEventListener("abort", abort);
  if (signal?.aborted) abort();
  let late = false;
  const endLimit = startLimit(timeoutMs, () => {
    late = true;
    connection.close();
  }, { unref: true }); // the connection keeps the program running
  let text = "";
  try {
    await connection.write(request);
    for (let piece = await connection.read(); piece !== ""; piece = await connection.read()) {
      text += piece;
      if (text.length > MAX_REPLY) {
        throw new FleetboxError("protocol", `The holder of "${name}" sent more than ${MAX_REPLY} characters`);
      }
    }
  } catch (cause) {
    if (cause instanceof FleetboxError) throw cause;
    // A holder that ends between our connect and its reply resets the connection: the member is no longer served.
    if (!late && text === "") return undefined;
    if (!late) {
      throw new FleetboxError("protocol", `The holder of "${name}" closed the connection in the middle of its reply`, {
        cause,
      });
    }
  } finally {
    endLimit();
    signal?.removeEventListener("abort", abort);
    connection.close();
  }
  if (late) {
    throw new FleetboxError("timeout", `The holder of "${name}" did not answer within ${timeoutMs / 1000} s`, {
      hint: `Its log: fleetbox logs --holder ${name}`,
    });
  }
  return text === "" ? undefined : text;
}

/** A verb with a reply of one line; undefined when no holder serves the member, or the signal fires. @throws the error in the reply */
export async function request<O extends OpOf<"one">>(
  store: Store,
  name: string,
  op: O,
  fields: FieldsOf<O>,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<ReplyOf<O> | undefined> {
  const text = await ask(store, name, encodeLine({ op, ...fields }), timeoutMs, signal);
  return text === undefined ? undefined : decodedReply(text, name, op);
}

/** A reply of one line. @throws the error in it. */
export function decodedReply<O extends Op>(line: string, name: string, _op: O): ReplyOf<O> {
  return decoded(() => {
    const value = decodeReply(line);
    throwIfError(value);
    return value as ReplyOf<O>;
  }, name);
}

/** A decoder's result. @throws the error in the reply; for a malformed reply one that names the holder. */
function decoded<T>(decode: () => T, name: string): T {
  try {
    return decode();
  } catch (cause) {
    if (cause instanceof FleetboxError) throw cause;
    throw new FleetboxError("protocol", `The holder of "${name}" sent a malformed reply`, { cause });
  }
}

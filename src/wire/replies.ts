/** Replies, encoded, and decoded as far as their reader relies on them (`wire.ts`). */

import { FleetboxError, fromWireError, toWireError, UnknownOption, type WireError } from "../core/errors.ts";
import { byteLength, clip, clipBytes } from "../core/bytes.ts";
import { MAX_ADD_REPLY_BYTES, MAX_STATUS_BYTES } from "./constants.ts";
import type { Event, MemberReport, State, Status } from "./reports.ts";

/** `err: REASON` for `addmember`, within {@link MAX_ADD_REPLY_BYTES}, on one line. */
export function addReply(thrown?: unknown): string {
  if (thrown === undefined) return "ok";
  const { message, causes } = toWireError(thrown);
  return clipBytes(`err: ${[message, ...causes].join(": ").replace(/\s+/g, " ")}`, MAX_ADD_REPLY_BYTES);
}

/** A status within {@link MAX_STATUS_BYTES}: the error is shortened until it fits. */
export function encodeStatus(status: Status): string {
  let text = JSON.stringify(status);
  for (let room = 600; byteLength(text) > MAX_STATUS_BYTES && room >= 0; room -= 100) {
    text = JSON.stringify({ ...status, error: clipBytes(status.error ?? "", room) });
  }
  return text;
}

/** Decodes a status reply. @throws {TypeError} it is not a status. */
export function decodeStatus(text: string): Status {
  const value = JSON.parse(text);
  if (!isReport(value)) {
    throw new TypeError(`not a status: ${clip(text, 80)}`);
  }
  return value;
}

/** One line of a JSON reply. An {@link Event}, a report, or an error. */
export function encodeLine(value: object): string {
  return JSON.stringify(value) + "\n";
}

/**
 * Decodes a line of a streamed reply, as far as its reader relies on it.
 * @throws {FleetboxError} the error that the line reports. @throws {TypeError} the line is malformed.
 */
export function decodeEvent(line: string): Event {
  const value = decodeReply(line);
  throwIfError(value);
  const { event, member, name } = (value ?? {}) as Record<string, unknown>;
  const isEvent = event === "member"
    ? isReport(member)
    : event === "gone"
    ? typeof name === "string"
    : typeof event === "string";
  if (!isEvent) throw new TypeError(`not an event: ${clip(line, 80)}`);
  return value as Event;
}

/** Decodes a JSON reply. @throws {TypeError} when it is not JSON. */
export function decodeReply(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new TypeError(`not JSON: ${clip(text, 80)}`, { cause });
  }
}

function isReport(value: unknown): value is MemberReport {
  const { name, state } = (value ?? {}) as Record<string, unknown>;
  return typeof name === "string" && typeof state === "string" && Object.hasOwn(STATES, state);
}

const STATES: Record<State, true> = { downloading: true, starting: true, running: true, stopped: true, error: true };

/** Whether a JSON reply line is an error. */
export function isError(value: unknown): value is WireError {
  const { code, message } = (value ?? {}) as Partial<WireError>;
  return typeof code === "string" && typeof message === "string";
}

/** Throws if a JSON reply line is an error. */
export function throwIfError(value: unknown): void {
  if (!isError(value)) return;
  const { unknown_op: op, unknown_option: option } = value as { unknown_op?: unknown; unknown_option?: unknown };
  if (typeof option === "string") throw new UnknownOption(option, value.message);
  if (typeof op !== "string") throw fromWireError(value);
  throw new FleetboxError("protocol", `The holder does not know ${op}: it is from an older fleetbox`, {
    cause: new Error(value.message),
    hint: "Its members can be listed, stopped and joined; for the rest, stop the group and start it again: " +
      "fleetbox stop NAMES, fleetbox up NAMES",
  });
}

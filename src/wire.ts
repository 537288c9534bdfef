/**
 * The protocol, version 1: the document and the codec in one. Both halves import it; neither has a literal of its own.
 *
 * A holder listens on one unix socket per member (`run/<h>.sock`), and in bound mode on one control socket
 * (`run/<h>.ctl`). One request per connection; the reply; the end of the connection.
 *
 * | request            | reply                                                                                     |
 * | ------------------ | ----------------------------------------------------------------------------------------- |
 * | `status`           | one JSON object ({@link Status}), at most 1,000 bytes                                     |
 * | `stop`             | `ok` at once; the socket and the pidfile disappear when the machine is down               |
 * | `addmember NAME`   | when NAME runs: `ok`; else `err: REASON`, at most 250 bytes                               |
 * | `{"op": …}`        | {@link JsonRequest}: one JSON object a line; errors as `{code, message, causes, hint?}`   |
 * | `{"op":"console"}` | {@link ConsoleGreeting}, a line; from then on bytes both ways: the guest's serial console  |
 * | anything else      | `err: unknown command "…"`                                                                |
 * | `bind` (control)   | `1`, the version; the client sends `ack` and holds the connection; its end ends the group |
 *
 * A text request may end with a newline or not. Without one, the request is what has arrived when the client closes its
 * write side or falls silent for {@link SILENCE_MS}; a whole `status`, `stop` or `bind` needs no silence. Replies are
 * written in one piece, without a newline for the text requests. A request that is longer than {@link MAX_REQUEST_BYTES}
 * or not finished within {@link REQUEST_TIMEOUT_MS} is refused and its connection closed.
 */

import { FleetboxError, fromWireError, messageOf, toWireError, type WireError } from "./core/errors.ts";
import type { Options, PortForward } from "./core/options.ts";

/** The protocol's version: what a holder answers to `bind`. */
export const PROTOCOL_VERSION = 1;
/** The argument that makes the executable a holder; its value is the members' names, joined by commas. */
export const RUNNER_FLAG = "--fleetbox-runner";
/** The environment variable with the group's options, JSON ({@link Options}). */
export const OPTIONS_VARIABLE = "FLEETBOX_OPTS";
/** The environment variable that makes a holder bound: its client's process id. */
export const PARENT_VARIABLE = "FLEETBOX_PARENT_PID";

export const SILENCE_MS = 20;
export const MAX_REQUEST_BYTES = 64 * 1024;
export const REQUEST_TIMEOUT_MS = 10_000;
export const MAX_STATUS_BYTES = 1_000;
export const MAX_ADD_REPLY_BYTES = 250;
/** How long a holder waits for a client that does not read its reply. */
export const REPLY_TIMEOUT_MS = 10_000;

/**
 * The states of a member, as the protocol names them.
 *
 * @example
 * ```ts
 * import { start, type State } from "fleetbox";
 *
 * await using vm = await start();
 * const state: State | "absent" = await vm.state();
 * if (state !== "running") console.log(await vm.console({ lines: 20 }));
 * ```
 */
export type State = "downloading" | "starting" | "running" | "stopped" | "error";
/**
 * Where a member is within its state, for people: an error of a boot that was too slow says how far it came.
 *
 * @example
 * ```ts
 * import type { Stage } from "fleetbox";
 *
 * const stages: Stage[] = ["image", "disk", "boot", "kernel", "network", "ssh"];
 * console.log(stages.join(", then "));
 * ```
 */
export type Stage =
  | "image"
  | "disk"
  | "boot"
  | "kernel"
  | "network"
  | "ssh"
  | "cloud-init"
  | "ready"
  | "stopping"
  | "paused";

/** How to reach a member over SSH from the host. The key is the store's. */
export interface SshEndpoint {
  host: string;
  port: number;
  user: string;
}

/** The reply to `status`. The first six keys are fixed; the others are ours. */
export interface Status {
  name: string;
  /** The holder's process id. */
  pid: number;
  /** True for `downloading`, `starting` and `running`. */
  running: boolean;
  /** The address on the group's network; "" while the member has none. */
  ip: string;
  state: State;
  error?: string;
  stage?: Stage;
  /** When the state began, ISO 8601. */
  since?: string;
  ssh?: SshEndpoint;
  /** While it is `downloading`: how far. Bytes; `rate` in bytes a second. */
  download?: { bytes: number; total?: number; rate: number };
  /** The group's name: that of its first member. */
  group?: string;
}

/** What the JSON requests tell of a member. */
export interface MemberReport extends Status {
  cpus: number;
  memory_mb: number;
  image: string;
  /** Its group ends with the program that made it. Absent: it does not. */
  bound?: true;
  /** The cause of `error`, whole. */
  failure?: WireError;
  /** The hypervisor's process id, while there is one. */
  hypervisor_pid?: number;
  /** Of a `report` that was asked `verbose`: the hypervisor's program and arguments, when its holder has started it. */
  command?: string[];
  /** Ports of this host that lead to its own. Absent: there are none. */
  forwards?: ForwardReport[];
  /** Frames on the member's port of the switch. */
  network?: PortReport;
}

/** A port of this host's loopback that leads to a member's, or shall. */
export interface ForwardReport extends PortForward {
  /** Whether it can be connected to now. */
  open: boolean;
  /** Why not, although the member runs. */
  problem?: string;
}

/** Counters of one port of the switch, since the port was plugged in. `dropped` counts frames by reason. */
export interface PortReport {
  rx_frames: number;
  rx_bytes: number;
  tx_frames: number;
  tx_bytes: number;
  dropped: Record<string, number>;
}

/** The whole group, the reply to `{"op":"group"}`. */
export interface GroupReport {
  group: string;
  pid: number;
  /** Version of the program that holds the group. */
  version: string;
  protocol: number;
  bound: boolean;
  egress: "on" | "off";
  host_access: boolean;
  accelerator?: { name: string; reason: string };
  members: MemberReport[];
  gateway?: PortReport;
  /** Why the gateway does not stay up, and when it is tried next. */
  gateway_trouble?: string;
}

/**
 * The JSON requests. `report`: one {@link MemberReport}. `group`: one {@link GroupReport}. `watch`: an
 * {@link Event} for each member as it is now, then one for every change, until the group ends or the client leaves.
 * `add`: boots a member onto this network (new, stopped or failed), events while it boots, then `done`. `stop`: `done`
 * when the member is down; `force` does not wait for its guest. `console`: a {@link ConsoleGreeting} and so many bytes of
 * what the guest said before; then the connection is its serial console, until the client leaves or the machine is gone.
 * The client sends nothing before it has the greeting. One that reads too slowly loses bytes, and is told so in their place.
 * `forward`: makes a port of 127.0.0.1 lead to the member's `guest_port`, now and whenever it runs; the reply is the
 * {@link PortForward}, also when there is such a one already. `unforward`: takes it away; the reply is what it was.
 */
export type JsonRequest =
  | { op: "report"; verbose?: boolean }
  | { op: "group" }
  | { op: "watch"; verbose?: boolean }
  | { op: "console" }
  | { op: "forward"; guest_port: number; host_port?: number }
  | { op: "unforward"; host_port: number }
  | { op: "add"; name: string; options?: Options; wait?: boolean; verbose?: boolean }
  | { op: "stop"; force?: boolean; grace_ms?: number; verbose?: boolean };

/**
 * A step of a member's boot or stop, for who wants to know each: `watch`, `add` and `stop` tell them when they are asked
 * `verbose`. Whoever comes to watch later is told those of the latest boot first. `command`: the program and arguments of
 * what is about to be started.
 */
export interface Detail {
  event: "detail";
  name: string;
  message: string;
  command?: string[];
}

/** A line of a streamed reply. */
export type Event =
  | { event: "member"; member: MemberReport }
  | { event: "gone"; name: string }
  | { event: "note"; message: string }
  | Detail
  | { event: "done" }
  | ({ event: "error" } & WireError);

/** The reply to `console`. */
export interface ConsoleGreeting {
  event: "console";
  /** How many bytes of what was said before follow. */
  replay: number;
}

/** A request, decoded. */
export type Request =
  | { kind: "status" }
  | { kind: "stop" }
  | { kind: "addmember"; name: string }
  | { kind: "bind" }
  | { kind: "json"; request: JsonRequest }
  | { kind: "bad-json"; reason: string }
  | { kind: "unknown"; text: string };

/** Decodes a request's text, whatever it holds. Never throws. */
export function decodeRequest(text: string): Request {
  const line = text.trim();
  if (line === "status" || line === "stop" || line === "bind") return { kind: line };
  if (line.startsWith("{")) return decodeJson(line);
  const add = /^addmember(?:\s+(.*))?$/s.exec(line);
  if (add) return { kind: "addmember", name: (add[1] ?? "").trim() };
  return { kind: "unknown", text: line };
}

const OPS: ReadonlySet<string> = new Set([
  "report",
  "group",
  "watch",
  "console",
  "forward",
  "unforward",
  "add",
  "stop",
]);

function decodeJson(line: string): Request {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (thrown) {
    return { kind: "bad-json", reason: `the request is not JSON: ${messageOf(thrown)}` };
  }
  const op = (value as { op?: unknown } | null)?.op;
  if (typeof op !== "string" || !OPS.has(op)) {
    return {
      kind: "bad-json",
      reason: `unknown op ${clip(JSON.stringify(op) ?? "(none)", 80)}; expected one of ${[...OPS].join(", ")}`,
    };
  }
  const wrong = wrongField(value as Record<string, unknown>);
  return wrong ? { kind: "bad-json", reason: wrong } : { kind: "json", request: value as JsonRequest };
}

const FIELDS: Record<string, string> = {
  op: "string",
  name: "string",
  options: "object",
  wait: "boolean",
  force: "boolean",
  grace_ms: "number",
  verbose: "boolean",
  guest_port: "number",
  host_port: "number",
};

function wrongField(value: Record<string, unknown>): string | undefined {
  for (const [key, entry] of Object.entries(value)) {
    const expected = Object.hasOwn(FIELDS, key) ? FIELDS[key] : undefined;
    if (expected && (typeof entry !== expected || entry === null)) return `bad value for ${key}: expected ${expected}`;
  }
  if (value.op === "add" && value.name === undefined) return "add needs a name";
  if (value.op === "forward" && value.guest_port === undefined) return "forward needs a guest_port";
  if (value.op === "unforward" && value.host_port === undefined) return "unforward needs a host_port";
  return undefined;
}

/** The reply to an unknown text request. */
export function unknownCommand(text: string): string {
  return `err: unknown command ${JSON.stringify(clip(text, 80))}`;
}

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

/** Decodes a status reply. @throws {TypeError} when it is not one. */
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
 * @throws {FleetboxError} what it tells, when it is an error. @throws {TypeError} when it is none of ours.
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

/** A JSON reply line that is an error, thrown as one. */
export function throwIfError(value: unknown): void {
  if (!isError(value)) return;
  const op = value.code === "protocol" ? UNKNOWN_OP.exec(value.message)?.[1] : undefined;
  if (op === undefined) throw fromWireError(value);
  throw new FleetboxError("protocol", `The holder does not know ${op}: it is an older fleetbox than this one`, {
    cause: new Error(value.message),
    hint: "Its members can be listed, stopped and joined; for the rest, stop the group and start it again: " +
      "fleetbox stop NAMES, fleetbox up NAMES",
  });
}

/** What a holder says of a request that came into the protocol after it ({@link decodeJson}). */
const UNKNOWN_OP = /^unknown op "(\w+)"; expected one of /;

/**
 * Gathers a request from the pieces in which it arrives; pure, so that every split is tested without a socket. Feed
 * it bytes; it says what to do next: `done` (a whole request), `quiet` (a request if the client stays silent for
 * {@link SILENCE_MS}), `more`, or `too-long`.
 */
export class RequestReader {
  #parts: Uint8Array[] = [];
  #length = 0;

  push(bytes: Uint8Array): "done" | "quiet" | "more" | "too-long" {
    if (bytes.length === 0) return this.#length === 0 ? "more" : "quiet";
    this.#parts.push(bytes.slice());
    this.#length += bytes.length;
    if (bytes.includes(0x0a)) return this.#end() > MAX_REQUEST_BYTES ? "too-long" : "done";
    if (this.#length > MAX_REQUEST_BYTES) return "too-long";
    if (this.#length <= 6 && /^(status|stop|bind)$/.test(this.text())) return "done";
    return "quiet";
  }

  /** What has arrived, up to the first newline. Bytes that are not UTF-8 become U+FFFD. */
  text(): string {
    const all = new Uint8Array(this.#length);
    let at = 0;
    for (const part of this.#parts) {
      all.set(part, at);
      at += part.length;
    }
    const end = all.indexOf(0x0a);
    return new TextDecoder().decode(end < 0 ? all : all.subarray(0, end));
  }

  #end(): number {
    const last = this.#parts[this.#parts.length - 1];
    return this.#length - last.length + last.indexOf(0x0a);
  }
}

const encoder = new TextEncoder();

export function byteLength(text: string): number {
  return encoder.encode(text).length;
}

/** At most `max` characters. */
export function clip(text: string, max: number): string {
  return text.length <= max ? text : text.slice(0, max - 1) + "…";
}

/** At most `max` bytes of UTF-8, whole characters. */
export function clipBytes(text: string, max: number): string {
  if (byteLength(text) <= max) return text;
  const { read } = encoder.encodeInto(text, new Uint8Array(Math.max(0, max - 3)));
  return text.slice(0, read) + "…";
}

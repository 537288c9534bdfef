/** Requests as they arrive, gathered from pieces and decoded (`wire.ts`). */

import { messageOf } from "../core/errors.ts";
import { clip } from "../core/bytes.ts";
import { MAX_REQUEST_BYTES } from "./constants.ts";
import { isVerb, type JsonRequest, VERBS, wrongField } from "./verbs.ts";

/** A request, decoded. */
export type Request =
  | { kind: "status" }
  | { kind: "stop" }
  | { kind: "addmember"; name: string }
  | { kind: "bind" }
  | { kind: "json"; request: JsonRequest }
  | { kind: "bad-json"; reason: string; op?: unknown }
  | { kind: "unknown"; text: string };

/** Decodes a request's text. Never throws. */
export function decodeRequest(text: string): Request {
  const line = text.trim();
  if (line === "status" || line === "stop" || line === "bind") return { kind: line };
  if (line.startsWith("{")) return decodeJson(line);
  const add = /^addmember(?:\s+(.*))?$/s.exec(line);
  if (add) return { kind: "addmember", name: (add[1] ?? "").trim() };
  return { kind: "unknown", text: line };
}

function decodeJson(line: string): Request {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (thrown) {
    return { kind: "bad-json", reason: `the request is not JSON: ${messageOf(thrown)}` };
  }
  const op = (value as { op?: unknown } | null)?.op;
  if (!isVerb(op)) {
    const found = clip(JSON.stringify(op) ?? "(none)", 80);
    return { kind: "bad-json", reason: `unknown op ${found}; expected one of ${Object.keys(VERBS).join(", ")}`, op };
  }
  const wrong = wrongField(op, value as Record<string, unknown>);
  return wrong ? { kind: "bad-json", reason: wrong } : { kind: "json", request: value as JsonRequest };
}

/**
 * Gathers a request from the pieces in which it arrives; pure, so that every split is tested without a socket. Feed it
 * bytes; the result says what to do next: `done` (a whole request), `quiet` (a request if the client stays silent for
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

  /** The text up to the first newline. Bytes that are not UTF-8 become U+FFFD. */
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

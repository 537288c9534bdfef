/** The replies to requests that a member's socket does not take (`wire.ts`): one codec for every server of such a socket. */

import { clip } from "../core/bytes.ts";
import { encodeLine } from "./replies.ts";
import type { Request } from "./requests.ts";

/** A request that no member's socket takes: `bind` belongs on the control socket, the others are malformed. */
export type RefusedRequest = Extract<Request, { kind: "bind" | "unknown" | "bad-json" }>;

/** The reply to a request that is refused: `err: REASON` to text, an error object to JSON. */
export function refusalOf(request: RefusedRequest): string {
  switch (request.kind) {
    case "bind":
      return unknownCommand("bind");
    case "unknown":
      return unknownCommand(request.text);
    case "bad-json":
      return badRequest(request.reason, request.op);
    default:
      return request satisfies never;
  }
}

function unknownCommand(text: string): string {
  return `err: unknown command ${JSON.stringify(clip(text, 80))}`;
}

/**
 * For malformed JSON, a verb with wrong fields, or a verb that this holder does not know. Such a verb is in a field of
 * its own, so that no client has to parse the message.
 */
function badRequest(reason: string, op: unknown): string {
  const named = typeof op === "string" ? { unknown_op: clip(op, 80) } : {};
  return encodeLine({ code: "protocol", message: reason, causes: [], ...named });
}

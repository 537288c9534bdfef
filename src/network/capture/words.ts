/** What became of a frame, in words: the comments of a capture. */

import { Drop, type Verdict, verdictName } from "../counters.ts";

/** What the verdicts mean; their names are those of the counters in `status --json`. */
const MEANINGS: Record<number, string> = {
  [Drop.queueFull]: "the receiver does not read, and its queue is full",
  [Drop.spoofedMac]: "guard: its source MAC is another's, or a group's",
  [Drop.spoofedIp]: "guard: its source address is another's",
  [Drop.spoofedArp]: "guard: it claims another's MAC or address",
  [Drop.gatewayClosed]: "guard: it must not reach the gateway",
  [Drop.egressOff]: "guard: the member has no egress",
  [Drop.malformed]: "guard: it is malformed",
  [Drop.unreachable]: "the receiver is not connected",
  [Drop.dnsRate]: "DNS: too many questions a second",
  [Drop.dnsMalformed]: "DNS: a message that gets no answer",
  [Drop.dnsCutOff]: "DNS: a question about a member that a fault cuts off",
};

/** `egress-off (guard: the member has no egress)` */
export function causeOfVerdict(verdict: Verdict): string {
  return `${verdictName(verdict)} (${MEANINGS[verdict] ?? "dropped"})`;
}

/** `fault f3a9c (partition)` */
export function causeOfFaults(ids: readonly string[], kindOf: (id: string) => string | undefined): string {
  const shown = ids.slice(0, 5).map((id) => {
    const kind = kindOf(id);
    return kind === undefined ? id : `${id} (${kind})`;
  });
  return `fault ${shown.join(", ")}${ids.length > shown.length ? ` and ${ids.length - shown.length} more` : ""}`;
}

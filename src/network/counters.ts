/**
 * What a port of the switch counts, and the numbers by which the fast path names the reasons for a drop.
 *
 * A verdict is a number so that deciding about a frame allocates nothing: {@link PASS}, {@link QUIET}, or the code of a
 * {@link DropReason}. The counters live as long as the name is known to the switch: a member whose hypervisor is started anew
 * goes on counting. `status --json` shows them, so that a frame that vanished can be explained.
 */

/** Why a frame did not go where it was sent. Index + 1 is its code. */
export const DROP_REASONS = [
  "queue-full", // the receiver does not read; counted at the receiver, all others at the sender
  "spoofed-mac", // the source MAC is another's, or a group address
  "spoofed-ip", // the IPv4 source is another's
  "spoofed-arp", // ARP that claims another's MAC or address
  "gateway-closed", // the host's own services, and everything else the gateway must not be handed
  "egress-off", // beyond the group's network, or from there, while the member has no egress
  "malformed", // shorter than its headers, more than two VLAN tags, ARP that is not IPv4 over Ethernet
  "oversize", // a length that no hypervisor sends: the stream is garbage, the port is closed
  "unreachable", // to a member (or gateway) that is not connected now
  "dns-rate", // more questions a second than one guest may ask
  "dns-malformed", // a DNS message that gets no answer
] as const;

export type DropReason = typeof DROP_REASONS[number];

/** What is decided about a frame: {@link PASS}, {@link QUIET} or one of {@link Drop}. */
export type Verdict = number;

export const PASS = 0;
/** Not to be delivered there, and nothing to count: broadcast chatter that does not concern the gateway. */
export const QUIET = -1;
export const Drop = {
  queueFull: 1,
  spoofedMac: 2,
  spoofedIp: 3,
  spoofedArp: 4,
  gatewayClosed: 5,
  egressOff: 6,
  malformed: 7,
  oversize: 8,
  unreachable: 9,
  dnsRate: 10,
  dnsMalformed: 11,
} as const;

/** The name of a verdict, for tests and messages. */
export function verdictName(verdict: Verdict): DropReason | "pass" | "quiet" {
  return verdict === PASS ? "pass" : verdict === QUIET ? "quiet" : DROP_REASONS[verdict - 1];
}

/** A snapshot of one port. `rx` is what the switch got from the port, `tx` what it queued for the port. */
export interface PortCounters {
  rxFrames: number;
  rxBytes: number;
  txFrames: number;
  txBytes: number;
  /** Only the reasons that happened; a missing one is 0. */
  dropped: Partial<Record<DropReason, number>>;
}

/** The live numbers behind {@link PortCounters}. Bytes are of Ethernet frames, without the length in front. */
export class Counters {
  rxFrames = 0;
  rxBytes = 0;
  txFrames = 0;
  txBytes = 0;
  readonly #drops = new Float64Array(DROP_REASONS.length + 1);

  drop(verdict: Verdict, frames = 1): void {
    if (verdict > PASS) this.#drops[verdict] += frames;
  }

  snapshot(): PortCounters {
    const dropped: PortCounters["dropped"] = {};
    DROP_REASONS.forEach((reason, index) => {
      if (this.#drops[index + 1] > 0) dropped[reason] = this.#drops[index + 1];
    });
    const { rxFrames, rxBytes, txFrames, txBytes } = this;
    return { rxFrames, rxBytes, txFrames, txBytes, dropped };
  }
}

/**
 * The counters of a switch's port, and the numeric codes of drop reasons for the fast path.
 *
 * A verdict is a number so that deciding about a frame allocates nothing: {@link PASS}, {@link QUIET}, or the code of a
 * {@link DropReason}. The counters live as long as the name is known to the switch: a member whose hypervisor is
 * started anew continues counting. `status --json` shows them, so that a frame that vanished can be explained.
 */

/** Why a frame was dropped. The code is the index + 1. */
const DROP_REASONS = [
  "queue-full", // the receiver does not read; counted at the receiver, all others at the sender
  "spoofed-mac", // the source MAC is another's, or a group address
  "spoofed-ip", // the IPv4 source is another's
  "spoofed-arp", // ARP that claims another's MAC or address
  "gateway-closed", // the host's own services, and all other traffic that must not reach the gateway
  "egress-off", // beyond the group's network, or from there, while the member has no egress
  "malformed", // shorter than its headers, more than two VLAN tags, ARP that is not IPv4 over Ethernet
  "oversize", // a length that no hypervisor sends: the stream is garbage, the port is closed
  "unreachable", // to a member (or gateway) that is not connected now
  "dns-rate", // more questions a second than one guest may ask
  "dns-malformed", // a DNS message that gets no answer
  "dns-cut-off", // a question about a member that a fault cuts off from who asks: as its own server's, the answer is lost
] as const;

type DropReason = typeof DROP_REASONS[number];

/** The verdict on a frame: {@link PASS}, {@link QUIET} or one of {@link Drop}. */
export type Verdict = number;

export const PASS = 0;
/** Dropped without counting: broadcasts that do not concern the gateway. */
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
  dnsCutOff: 12,
} as const;

/** The name of a verdict, for tests and messages. */
export function verdictName(verdict: Verdict): DropReason | "pass" | "quiet" {
  return verdict === PASS ? "pass" : verdict === QUIET ? "quiet" : DROP_REASONS[verdict - 1];
}

/** A snapshot of one port. `rx`: frames from the port; `tx`: frames queued for the port. */
export interface PortCounters {
  rxFrames: number;
  rxBytes: number;
  txFrames: number;
  txBytes: number;
  /** Reasons with at least one frame. */
  dropped: Partial<Record<DropReason, number>>;
}

/** The live numbers behind {@link PortCounters}. Bytes count Ethernet frames, without the length in front. */
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

/**
 * Filters guests' frames: pure functions from a frame to a verdict, called for every frame from a member.
 *
 * A guest is not trusted. {@link checkSource} drops frames that claim another's MAC or address (Ethernet, IPv4 and ARP,
 * also behind one or two VLAN tags); unassigned addresses may be used and may move. {@link checkGateway} filters frames
 * to the gateway by the IPv4 destination alone, because libslirp uses nothing else: every address in the network that
 * is not a guest's, 255.255.255.255, 0/8 and 127/8 end at services on the host's own loopback (`sotranslate_out`), and
 * only a pure SYN makes a TCP socket (`tcp_input`). So connections of the host to a guest's forwarded port work, whose
 * segments go to .1, while a guest's own attempts fail. Fragments to such addresses could hide their ports and are
 * dropped. By UDP libslirp answers from a forwarded port's socket whatever a guest sends from that port, to any port of
 * the host: a guest may answer those who have asked it alone ({@link ForwardedFlows}). DNS is UDP only: over TCP libslirp would connect a guest directly to the host's resolver, which would also
 * see the names of members. IPv6 never goes to the gateway. No function here allocates or throws.
 */

import { Drop, PASS, QUIET, type Verdict } from "./counters.ts";
import type { ForwardedFlows } from "./forwarded_flows.ts";
import { macHigh, macLow, type MacTable, NOBODY } from "./macs.ts";
import { SUBNET } from "./subnet.ts";

export const TYPE_IPV4 = 0x0800;
export const TYPE_ARP = 0x0806;
const TYPE_IPV6 = 0x86dd;
/** Below this the field is a length (IEEE 802.3), and the type may follow in a SNAP header. */
const FIRST_TYPE = 0x0600;
const MAX_TAGS = 2;

const ICMP = 1, TCP = 6, UDP = 17;
/** Read once: they are compared for every frame. */
const { bits: NETWORK_BITS, mask: MASK } = SUBNET;
const { gatewaySlot: GATEWAY_OCTET, dnsSlot: DNS_OCTET, broadcastSlot: BROADCAST_OCTET } = SUBNET;
const PORT_DNS = 53, PORT_DHCP = 67;
const TCP_SYN = 0x02, TCP_ACK = 0x10;

/** The assigned addresses: MACs in the switch's table, IPv4 by the last octet in the network. */
interface Owners {
  readonly macs: MacTable;
  /** 256 port ids, {@link NOBODY} where the address is unassigned. .1 and .3 are the gateway's. */
  readonly addresses: Uint8Array;
}

/** What a member may use the gateway for. */
export interface GatewayRules {
  /** Whether it may go beyond the group's network. */
  readonly egress: boolean;
  /** Whether it may connect to the host's own services, at the gateway's address. */
  readonly hostAccess: boolean;
  /** What came to it through its port forwards, and may be answered. */
  readonly flows?: ForwardedFlows;
}

/** The minimum for every member: forwarded connections into it, DHCP, and names of the group. */
export const CLOSED: GatewayRules = { egress: false, hostAccess: false };

/** The type field of an untagged frame. */
function etherType(bytes: Uint8Array, at: number): number {
  return (bytes[at + 12] << 8) | bytes[at + 13];
}

/** Whether the frame at `[at, end)`, of at least 14 bytes, may come from the member with this id. */
export function checkSource(bytes: Uint8Array, at: number, end: number, id: number, owners: Owners): Verdict {
  if (!mayUseMac(bytes, at + 6, id, owners)) return Drop.spoofedMac;
  let type = etherType(bytes, at);
  let payload = at + 14;
  if (type === TYPE_IPV4) return checkIpv4Source(bytes, payload, end, id, owners);
  for (let tags = 0; isTag(type); tags++) {
    if (tags === MAX_TAGS || payload + 4 > end) return Drop.malformed;
    type = (bytes[payload + 2] << 8) | bytes[payload + 3];
    payload += 4;
  }
  if (type === TYPE_IPV4) return checkIpv4Source(bytes, payload, end, id, owners);
  if (type === TYPE_ARP) return checkArp(bytes, payload, end, id, owners);
  if (type < FIRST_TYPE && hidesProtocol(bytes, payload, end)) return Drop.malformed;
  return PASS;
}

/** Whether a frame from the gateway has a valid source: not a member's MAC and not a group address. */
export function checkFromGateway(bytes: Uint8Array, at: number, id: number, owners: Owners): Verdict {
  return mayUseMac(bytes, at + 6, id, owners) ? PASS : Drop.spoofedMac;
}

/**
 * Whether a frame from the gateway may go to a member with these rules. Frames from outside answer the member's own
 * connections, and are dropped once the member has no egress. What comes through a port forward is noted, and passes:
 * from .1, or through a forward that others than this host may use from outside.
 */
export function checkToMember(bytes: Uint8Array, at: number, end: number, rules: GatewayRules): Verdict {
  const flows = rules.flows?.isEmpty === false ? rules.flows : undefined;
  if (rules.egress && !flows || etherType(bytes, at) !== TYPE_IPV4 || !isIpv4(bytes, at + 14, end)) return PASS;
  if (flows?.came(bytes, at + 14, end) || rules.egress) return PASS;
  return (uint32(bytes, at + 14 + 12) & MASK) === NETWORK_BITS ? PASS : Drop.egressOff;
}

/** Whether an ARP frame (untagged) is gratuitous: it announces its sender's address (RFC 5227). */
export function isGratuitousArp(bytes: Uint8Array, at: number, end: number): boolean {
  if (etherType(bytes, at) !== TYPE_ARP || end - at < 14 + 28) return false;
  const sender = uint32(bytes, at + 14 + 14);
  return sender !== 0 && sender === uint32(bytes, at + 14 + 24);
}

/**
 * Whether a member's frame may go to the gateway. `QUIET` for harmless frames: IPv6 and multicast that come with
 * flooding.
 */
export function checkGateway(bytes: Uint8Array, at: number, end: number, rules: GatewayRules): Verdict {
  const type = etherType(bytes, at);
  if (type === TYPE_ARP) return PASS;
  const isGroup = (bytes[at] & 1) === 1;
  if (type !== TYPE_IPV4) return isGroup || type === TYPE_IPV6 ? QUIET : Drop.gatewayClosed;
  const ip = at + 14;
  if (!isIpv4(bytes, ip, end)) return Drop.malformed;
  const total = (bytes[ip + 2] << 8) | bytes[ip + 3];
  const headerBytes = (bytes[ip] & 15) * 4;
  if (total < headerBytes || ip + total > end) return Drop.malformed;
  const to = uint32(bytes, ip + 16);
  const first = to >>> 24;
  if ((to & MASK) === NETWORK_BITS || to === -1) {
    // Everything but "don't fragment": libslirp takes the reserved bit for a fragment, too.
    const isFragment = (((bytes[ip + 6] & 0xbf) << 8) | bytes[ip + 7]) !== 0;
    const octet = to === -1 ? BROADCAST_OCTET : to & 255;
    if (isFragment) return Drop.gatewayClosed;
    const verdict = checkLocal(bytes, ip + headerBytes, ip + total, bytes[ip + 9], octet, to === -1, rules);
    if (verdict === Drop.gatewayClosed && rules.flows?.answers(bytes, ip, ip + total)) return PASS;
    return verdict !== PASS && isGroup && octet === BROADCAST_OCTET ? QUIET : verdict;
  }
  if (first >= 224 && first < 240) return QUIET;
  if (first === 0 || first === 127 || first >= 240) return Drop.gatewayClosed;
  return rules.egress || rules.flows?.answers(bytes, ip, ip + total) ? PASS : Drop.egressOff;
}

/** A packet to an address of the network that libslirp treats as the host, DNS, or DHCP. */
function checkLocal(
  bytes: Uint8Array,
  at: number,
  end: number,
  protocol: number,
  octet: number,
  isLimitedBroadcast: boolean,
  rules: GatewayRules,
): Verdict {
  const isHost = octet === GATEWAY_OCTET;
  const isDns = octet === DNS_OCTET;
  if (protocol === ICMP) return isHost || isDns ? PASS : Drop.gatewayClosed;
  if (protocol === UDP) {
    if (end - at < 8) return Drop.malformed;
    const port = (bytes[at + 2] << 8) | bytes[at + 3];
    if (port === PORT_DHCP && (isHost || isLimitedBroadcast)) return PASS;
    if (isDns && port === PORT_DNS) return rules.egress ? PASS : Drop.egressOff;
    return isHost && rules.hostAccess ? PASS : Drop.gatewayClosed;
  }
  if (protocol === TCP) {
    if (end - at < 20) return Drop.malformed;
    const flags = bytes[at + 13];
    const opens = (flags & TCP_SYN) !== 0 && (flags & TCP_ACK) === 0;
    if (isHost) return opens && !rules.hostAccess ? Drop.gatewayClosed : PASS;
  }
  return Drop.gatewayClosed;
}

function checkIpv4Source(bytes: Uint8Array, ip: number, end: number, id: number, owners: Owners): Verdict {
  if (!isIpv4(bytes, ip, end)) return Drop.malformed;
  return mayUseAddress(uint32(bytes, ip + 12), id, owners) ? PASS : Drop.spoofedIp;
}

/** RFC 826 for IPv4 over Ethernet; drops frames that libslirp and guests would read so despite their header. */
function checkArp(bytes: Uint8Array, arp: number, end: number, id: number, owners: Owners): Verdict {
  const isPlain = end - arp >= 28 && bytes[arp] === 0 && bytes[arp + 1] === 1 &&
    bytes[arp + 2] === 8 && bytes[arp + 3] === 0 && bytes[arp + 4] === 6 && bytes[arp + 5] === 4;
  if (!isPlain) return Drop.malformed;
  if (!mayUseMac(bytes, arp + 8, id, owners)) return Drop.spoofedArp;
  return mayUseAddress(uint32(bytes, arp + 14), id, owners) ? PASS : Drop.spoofedArp;
}

function mayUseMac(bytes: Uint8Array, at: number, id: number, owners: Owners): boolean {
  if ((bytes[at] & 1) === 1) return false;
  const owner = owners.macs.ownerOf(macHigh(bytes, at), macLow(bytes, at));
  return owner === id || owner === NOBODY;
}

function mayUseAddress(address: number, id: number, owners: Owners): boolean {
  if ((address & MASK) !== NETWORK_BITS) return true;
  const owner = owners.addresses[address & 255];
  return owner === id || owner === NOBODY;
}

/** A version of 4 and a whole header. */
function isIpv4(bytes: Uint8Array, ip: number, end: number): boolean {
  if (end - ip < 20) return false;
  const first = bytes[ip];
  return first >> 4 === 4 && (first & 15) >= 5 && ip + (first & 15) * 4 <= end;
}

function isTag(type: number): boolean {
  return type === 0x8100 || type === 0x88a8 || type === 0x9100;
}

/** Whether an 802.3 frame carries IPv4, ARP or a tag in a SNAP header, where a lax guest might still find it. */
function hidesProtocol(bytes: Uint8Array, at: number, end: number): boolean {
  if (end - at < 8 || bytes[at] !== 0xaa || bytes[at + 1] !== 0xaa) return false;
  const type = (bytes[at + 6] << 8) | bytes[at + 7];
  return type === TYPE_IPV4 || type === TYPE_ARP || isTag(type);
}

function uint32(bytes: Uint8Array, at: number): number {
  return (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
}

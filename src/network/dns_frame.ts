/**
 * DNS questions as Ethernet frames: recognising them, reading them, and making the answer's frame.
 *
 * The switch asks {@link isDnsQuestion} of each frame for the gateway, which costs a few comparisons and nothing else.
 * Only UDP to port 53 of the network's DNS address in one piece counts; TCP and fragments are not looked at here: the guard drops them.
 * Formats: RFC 894 (Ethernet), RFC 791 (IPv4), RFC 768 (UDP; a checksum of 0 was not computed). The hook in between
 * sees DNS messages only, so it can be tested without frames.
 */

import { encodeFrame } from "./frame.ts";
import { TYPE_ARP, TYPE_IPV4 } from "./guard.ts";
import { parseMac } from "./macs.ts";
import { SUBNET } from "./subnet.ts";

/** An answer; or the question goes on to the gateway, gets none, or is about a member that a fault cuts off from who asks. */
export type DnsAnswer = Uint8Array | "pass" | "drop" | "cut-off";

/**
 * Answers a DNS message: with an answer, `pass` (it goes on to the gateway's DNS) or `drop`. Must not throw. `egress`:
 * whether the member that asks may have a question go outside. `asker`: its name.
 */
export interface DnsHook {
  respond(message: Uint8Array, egress: boolean, asker: string): DnsAnswer;
}

const DNS_ADDRESS = SUBNET.bits | SUBNET.dnsSlot;
const UDP = 17;
const PORT = 53;
const ETHERNET_BYTES = 14, IPV4_BYTES = 20, UDP_BYTES = 8;
/** The longest question that is parsed (RFC 6891 advises 1,232 bytes for whole messages). */
const MAX_QUESTION = 1232;
const DNS_MAC_BYTES = parseMac(SUBNET.dnsMac);

/** Whether the frame at `[at, end)` is an untagged, unfragmented UDP packet to the DNS address, port 53. */
export function isDnsQuestion(bytes: Uint8Array, at: number, end: number): boolean {
  const ip = at + ETHERNET_BYTES;
  if (end - ip < IPV4_BYTES + UDP_BYTES || bytes[ip + 9] !== UDP) return false;
  if (((bytes[at + 12] << 8) | bytes[at + 13]) !== TYPE_IPV4 || uint32(bytes, ip + 16) !== DNS_ADDRESS) return false;
  if ((((bytes[ip + 6] & 0xbf) << 8) | bytes[ip + 7]) !== 0 || bytes[ip] >> 4 !== 4) return false;
  const udp = ip + (bytes[ip] & 15) * 4;
  return udp - ip >= IPV4_BYTES && udp + UDP_BYTES <= end && uint16(bytes, udp + 2) === PORT;
}

/** The message in a frame for which {@link isDnsQuestion} holds; undefined when its lengths or checksum are wrong. */
export function dnsMessage(bytes: Uint8Array, at: number, end: number): Uint8Array | undefined {
  const ip = at + ETHERNET_BYTES;
  const udp = ip + (bytes[ip] & 15) * 4;
  const length = uint16(bytes, udp + 4);
  const total = uint16(bytes, ip + 2);
  if (length < UDP_BYTES || length > MAX_QUESTION + UDP_BYTES) return undefined;
  if (udp + length > ip + total || ip + total > end) return undefined;
  if (uint16(bytes, udp + 6) !== 0 && udpChecksum(bytes, ip, udp, length) !== 0) return undefined;
  return bytes.slice(udp + UDP_BYTES, udp + length);
}

/** The frame, with its length in front, that carries an answer back to the sender of the frame at `at`. */
export function dnsReply(bytes: Uint8Array, at: number, message: Uint8Array): Uint8Array {
  const asked = at + ETHERNET_BYTES;
  const askedUdp = asked + (bytes[asked] & 15) * 4;
  const frame = new Uint8Array(ETHERNET_BYTES + IPV4_BYTES + UDP_BYTES + message.length);
  const view = new DataView(frame.buffer);
  frame.set(bytes.subarray(at + 6, at + 12), 0);
  frame.set(DNS_MAC_BYTES, 6);
  view.setUint16(12, TYPE_IPV4);
  const ip = ETHERNET_BYTES;
  frame[ip] = 0x45;
  view.setUint16(ip + 2, frame.length - ip);
  view.setUint16(ip + 6, 0x4000); // don't fragment, so the identification may be 0 (RFC 6864)
  frame[ip + 8] = 64;
  frame[ip + 9] = UDP;
  view.setInt32(ip + 12, DNS_ADDRESS);
  view.setInt32(ip + 16, uint32(bytes, asked + 12));
  view.setUint16(ip + 10, fold(sum(frame, ip, ip + IPV4_BYTES)));
  const udp = ip + IPV4_BYTES;
  view.setUint16(udp, PORT);
  view.setUint16(udp + 2, uint16(bytes, askedUdp));
  view.setUint16(udp + 4, UDP_BYTES + message.length);
  frame.set(message, udp + UDP_BYTES);
  view.setUint16(udp + 6, udpChecksum(frame, ip, udp, UDP_BYTES + message.length) || 0xffff);
  return encodeFrame(frame);
}

/**
 * The answer to an ARP request for the DNS address; undefined for other frames. Normally the gateway answers; this is
 * for a group whose gateway is down, so that members still find each other by name.
 */
export function dnsArpReply(bytes: Uint8Array, at: number, end: number): Uint8Array | undefined {
  const arp = at + ETHERNET_BYTES;
  if (end - arp < 28 || uint16(bytes, at + 12) !== TYPE_ARP || uint16(bytes, arp + 6) !== 1) return undefined;
  if (uint32(bytes, arp + 24) !== DNS_ADDRESS) return undefined;
  const frame = bytes.slice(at, arp + 28);
  const to = ETHERNET_BYTES;
  frame.set(bytes.subarray(at + 6, at + 12), 0);
  frame.set(DNS_MAC_BYTES, 6);
  frame[to + 7] = 2; // a reply
  frame.set(DNS_MAC_BYTES, to + 8);
  frame.set(bytes.subarray(arp + 24, arp + 28), to + 14);
  frame.set(bytes.subarray(arp + 8, arp + 18), to + 18);
  return encodeFrame(frame);
}

/** The checksum over pseudo header and datagram: 0 when a checksum inside it is right, else what belongs there. */
function udpChecksum(bytes: Uint8Array, ip: number, udp: number, length: number): number {
  return fold(sum(bytes, ip + 12, ip + 20) + UDP + length + sum(bytes, udp, udp + length));
}

/** The sum of the 16-bit words in `[from, to)`; an odd last byte counts as if a 0 followed. */
function sum(bytes: Uint8Array, from: number, to: number): number {
  let total = 0;
  for (let at = from; at + 1 < to; at += 2) total += (bytes[at] << 8) | bytes[at + 1];
  return (to - from) % 2 === 1 ? total + (bytes[to - 1] << 8) : total;
}

/** The one's complement of a sum of words (RFC 1071). */
function fold(total: number): number {
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return ~total & 0xffff;
}

function uint16(bytes: Uint8Array, at: number): number {
  return (bytes[at] << 8) | bytes[at + 1];
}

function uint32(bytes: Uint8Array, at: number): number {
  return (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
}

/**
 * The private network's addresses, the same for every group, because every group is alone on its own network.
 *
 * One place for numbers that the seed, the gateway, the switch and DNS must agree on: 10.88.0.0/24, the gateway at .1,
 * DNS at .3, members from .11 to .199. The gateway's own DHCP pool begins at .200 and is never given to a member, so
 * that a guest that asks for a lease cannot collide with one that was assigned its address. MAC addresses are derived,
 * never stored as a choice: a member's from its name, the gateway's from its IPv4 address the way libslirp makes them
 * (`52:55` and the four octets, `special_ethaddr` in slirp.h). Imports errors and SHA-256; holds no state.
 */

import { FleetboxError } from "../core/errors.ts";
import { sha256 } from "../core/sha256.ts";

/** The network, as it is written in a QEMU option or a route. */
export const NETWORK = "10.88.0.0/24";
export const PREFIX_LENGTH = 24;
export const NETMASK = "255.255.255.0";
export const BROADCAST = "10.88.0.255";
export const GATEWAY = "10.88.0.1";
export const DNS = "10.88.0.3";
/** Where the gateway's DHCP pool begins: guests with foreign images that ask for a lease. */
export const DHCP_START = "10.88.0.200";
/** The domain of member names: `b.fleetbox.internal`. `.internal` is reserved for private use (ICANN, 2024). */
export const DOMAIN = "fleetbox.internal";

/** What {@link GATEWAY} and {@link DNS} answer to ARP with, and where the gateway's frames come from. */
export const GATEWAY_MAC = "52:55:0a:58:00:01";
export const DNS_MAC = "52:55:0a:58:00:03";

/** The first three octets of the network, as text and as the upper 24 bits of an address. */
export const NETWORK_PREFIX = "10.88.0.";
export const NETWORK_BITS = (10 << 24) | (88 << 16);

const FIRST_MEMBER = 11;
const LAST_MEMBER = 199;

/** Whether an address is one that a member can be given: 10.88.0.11 to 10.88.0.199, written canonically. */
export function isMemberAddress(address: string): boolean {
  const octet = lastOctet(address);
  return octet !== undefined && octet >= FIRST_MEMBER && octet <= LAST_MEMBER;
}

/**
 * The lowest address that nobody has.
 * @param taken Addresses in use; strings that are none are passed over.
 * @throws {FleetboxError} `conflict`: all 189 are taken.
 */
export function lowestFree(taken: Iterable<string>): string {
  const used = new Set(taken);
  for (let octet = FIRST_MEMBER; octet <= LAST_MEMBER; octet++) {
    const address = NETWORK_PREFIX + octet;
    if (!used.has(address)) return address;
  }
  const room = LAST_MEMBER - FIRST_MEMBER + 1;
  throw new FleetboxError("conflict", `The network is full: all ${room} addresses of the group are taken`, {
    hint: "Start further members as a group of their own, or remove some: fleetbox rm NAME",
  });
}

/** The MAC of a member: `52:54` (locally administered, unicast, QEMU's) and 32 bits of SHA-256 of its name. */
export function macOf(name: string): string {
  return ["52", "54", ...sha256(name).toHex().slice(0, 8).match(/../g)!].join(":");
}

/** The last octet of an address in the network, or undefined for anything else. */
export function lastOctet(address: string): number | undefined {
  if (!address.startsWith(NETWORK_PREFIX)) return undefined;
  const text = address.slice(NETWORK_PREFIX.length);
  if (!/^(?:0|[1-9][0-9]{0,2})$/.test(text)) return undefined;
  const octet = Number(text);
  return octet <= 255 ? octet : undefined;
}

/**
 * The six octets of a MAC address.
 * @throws {FleetboxError} `misuse`: it is not six hexadecimal octets with colons.
 */
export function parseMac(mac: string): Uint8Array {
  if (!/^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/i.test(mac)) {
    throw new FleetboxError("misuse", `Not a MAC address: ${JSON.stringify(mac)}; expected six octets such as 52:54:…`);
  }
  return Uint8Array.from(mac.split(":"), (octet) => parseInt(octet, 16));
}

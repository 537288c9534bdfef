/**
 * A group's private network as a value: its range, who has which address in it, and which MAC follows from an address.
 *
 * Every group has the same one, {@link SUBNET}, because every group is alone on its own network; what the seed, the gateway,
 * the switch, the guard and DNS must agree on is asked here and written nowhere else. The last octet of an address is its
 * *slot*: the gateway is slot 1, DNS slot 3, members have 11 to 199, and the gateway's own DHCP pool begins at 200, so that a
 * guest that asks for a lease cannot collide with a member. Pure; imports errors and the number of members.
 */

import { FleetboxError } from "../core/errors.ts";
import { MAX_MEMBERS } from "../core/names.ts";

const GATEWAY_SLOT = 1;
const DNS_SLOT = 3;
const FIRST_MEMBER = 11;
const LAST_MEMBER = FIRST_MEMBER + MAX_MEMBERS - 1;
const DHCP_SLOT = 200;
const BROADCAST_SLOT = 255;

/** A network of 256 addresses: its tables have a place for each last octet. */
export class Subnet {
  readonly prefixLength = 24;
  /** Its address and its mask, as 32-bit integers with a sign: `(address & mask) === bits` is true of an address in it. */
  readonly bits: number;
  readonly mask = -1 << (32 - 24);
  readonly gatewaySlot = GATEWAY_SLOT;
  readonly dnsSlot = DNS_SLOT;
  readonly broadcastSlot = BROADCAST_SLOT;
  /** How many members a group may have. */
  readonly capacity = MAX_MEMBERS;
  /** The first three octets: `10.88.0.` */
  readonly #prefix: string;
  readonly #octets: readonly number[];

  /** @param base the network's own address, which ends with `.0`. */
  constructor(base: string) {
    this.#octets = base.split(".").map(Number);
    const [first, second, third] = this.#octets;
    this.#prefix = `${first}.${second}.${third}.`;
    this.bits = (first << 24) | (second << 16) | (third << 8);
  }

  /** As it is written in a QEMU option or a route. */
  get cidr(): string {
    return `${this.#prefix}0/${this.prefixLength}`;
  }
  get gateway(): string {
    return this.address(GATEWAY_SLOT);
  }
  get dns(): string {
    return this.address(DNS_SLOT);
  }
  /** The start of the gateway's DHCP pool, for guests with foreign images that ask for a lease. */
  get dhcpStart(): string {
    return this.address(DHCP_SLOT);
  }
  /** What the gateway and DNS answer to ARP with: libslirp's `52:55` and the four octets (`special_ethaddr` in slirp.h). */
  get gatewayMac(): string {
    return this.#serviceMac(GATEWAY_SLOT);
  }
  get dnsMac(): string {
    return this.#serviceMac(DNS_SLOT);
  }
  /** The reverse zone that DNS keeps to itself, of the 65,536 addresses around this network: `88.10.in-addr.arpa`. */
  get reverseZone(): string {
    return `${this.#octets[1]}.${this.#octets[0]}.in-addr.arpa`;
  }

  address(slot: number): string {
    return this.#prefix + slot;
  }

  /** The last octet of an address in the network, or undefined for anything else. */
  slotOf(address: string): number | undefined {
    if (!address.startsWith(this.#prefix)) return undefined;
    const text = address.slice(this.#prefix.length);
    if (!/^(?:0|[1-9][0-9]{0,2})$/.test(text)) return undefined;
    const slot = Number(text);
    return slot <= BROADCAST_SLOT ? slot : undefined;
  }

  /** Whether an address is one that a member can be given, written canonically. */
  isMemberAddress(address: string): boolean {
    const slot = this.slotOf(address);
    return slot !== undefined && slot >= FIRST_MEMBER && slot <= LAST_MEMBER;
  }

  /** The MAC that follows from a member's address: `52:54` (locally administered, unicast, QEMU's), `00:58:00`, its slot. */
  macOf(address: string): string {
    return `52:54:00:58:00:${octet(this.slotOf(address) ?? 0)}`;
  }

  /**
   * The lowest address that is free.
   * @param isTaken asked of one address after the other.
   * @throws {FleetboxError} `conflict`: all are taken.
   */
  lowestFree(isTaken: (address: string) => boolean): string {
    for (let slot = FIRST_MEMBER; slot <= LAST_MEMBER; slot++) {
      const address = this.address(slot);
      if (!isTaken(address)) return address;
    }
    throw this.full();
  }

  /** That a group has no room for another member. */
  full(): FleetboxError {
    return new FleetboxError("conflict", `The network is full: all ${this.capacity} addresses of the group are taken`, {
      hint: "Start further members as a group of their own, or remove some: fleetbox rm NAME",
    });
  }

  #serviceMac(slot: number): string {
    return ["52", "55", ...[...this.#octets.slice(0, 3), slot].map(octet)].join(":");
  }
}

function octet(value: number): string {
  return value.toString(16).padStart(2, "0");
}

/** The network of every group. */
export const SUBNET = new Subnet("10.88.0.0");
/** The domain of member names: `b.fleetbox.internal`. `.internal` is reserved for private use (ICANN, 2024). */
export const DOMAIN = "fleetbox.internal";

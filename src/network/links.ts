/**
 * The links of a switch: which port is which member's, its id, and the addresses that are its own.
 *
 * A link lives from the first time that its member is added until it is removed, connected or not. Ids are small numbers, which
 * the switch's tables use for their entries; an id is another's as soon as its member is gone.
 */

import { FleetboxError } from "../core/errors.ts";
import { Counters } from "./counters.ts";
import { CLOSED, type GatewayRules } from "./guard.ts";
import { macHigh, macLow, MacTable, NOBODY, parseMac } from "./macs.ts";
import type { LivePort, PortOptions } from "./port.ts";
import { SUBNET } from "./subnet.ts";
import { TokenBucket } from "./token_bucket.ts";

/** The gateway's key among the counters; no member can be called that. */
export const GATEWAY_PORT = "(gateway)";

/** An event for `Switch.onActivity`: a port's first frame, or an announced address. */
export type Activity = "first-frame" | "announcement";
export type ActivityListener = (activity: Activity) => void;

export const GATEWAY_ID = 1;
const FIRST_MEMBER_ID = 2;
/** A port for the gateway, and one for each member that the network has an address for. */
const MAX_ID = GATEWAY_ID + SUBNET.capacity;
const DNS_QUESTIONS_PER_SECOND = 2000;
const ANNOUNCEMENTS_PER_SECOND = 10;

/** A member's link: its addresses are protected and its counters kept, connected or not. */
export interface Link {
  readonly id: number;
  readonly key: string;
  readonly counts: Counters;
  readonly questions: TokenBucket;
  readonly announcements: TokenBucket;
  port: LivePort | undefined;
  listener: ActivityListener | undefined;
  /** What its frames may use the gateway for. */
  rules: GatewayRules;
}

/** Calls a link's listener, outside of the processing of frames, so that its errors do not affect them. */
export function tell(link: Link | undefined, activity: Activity): void {
  const listener = link?.listener;
  if (listener) queueMicrotask(() => listener(activity));
}

export class Links {
  readonly macs = new MacTable();
  readonly owners = { macs: this.macs, addresses: new Uint8Array(256) };
  /** For the fast path. */
  readonly byId: (Link | undefined)[] = new Array(MAX_ID + 1).fill(undefined);
  readonly #byName = new Map<string, Link>();
  /** Listeners, also of names that are not added yet. */
  readonly #listeners = new Map<string, ActivityListener>();

  constructor() {
    this.macs.assign(parseMac(SUBNET.gatewayMac), GATEWAY_ID);
    this.macs.assign(parseMac(SUBNET.dnsMac), GATEWAY_ID);
    for (const slot of [SUBNET.gatewaySlot, SUBNET.dnsSlot]) this.owners.addresses[slot] = GATEWAY_ID;
  }

  get(name: string): Link | undefined {
    return this.#byName.get(name);
  }

  [Symbol.iterator](): IterableIterator<Link> {
    return this.#byName.values();
  }

  listen(name: string, listener: ActivityListener | undefined): void {
    if (listener) this.#listeners.set(name, listener);
    else this.#listeners.delete(name);
    const link = this.#byName.get(name);
    if (link) link.listener = listener;
  }

  /** Forgets a link, its addresses and its listener; its port is the caller's. */
  remove(name: string): Link | undefined {
    this.#listeners.delete(name);
    const link = this.#byName.get(name);
    if (link === undefined) return undefined;
    this.#byName.delete(name);
    this.byId[link.id] = undefined;
    if (link.id !== GATEWAY_ID) this.#release(link.id);
    return link;
  }

  /**
   * The link of a port that is added: a new one, or the one of this name with other addresses.
   * @throws {FleetboxError} `conflict`: an address is another's, or the network has none left; `misuse`: it is none
   */
  require(options: PortOptions): Link {
    const isGateway = options.role === "gateway";
    const key = isGateway ? GATEWAY_PORT : options.name;
    const mac = options.mac === undefined ? undefined : parseMac(options.mac);
    const octet = options.ip === undefined ? undefined : SUBNET.slotOf(options.ip);
    if (octet === undefined && options.ip !== undefined) {
      throw new FleetboxError("misuse", `Cannot add "${key}": ${options.ip} is not in the group's network`);
    }
    const known = this.#byName.get(key);
    const id = known?.id ?? (isGateway ? GATEWAY_ID : this.#freeId());
    this.#checkFree(key, id, mac, octet);
    if (!isGateway) this.#release(id);
    if (mac) this.macs.assign(mac, id);
    if (octet !== undefined) this.owners.addresses[octet] = id;
    if (known) return known;
    const link: Link = {
      id,
      key,
      counts: new Counters(),
      questions: new TokenBucket(DNS_QUESTIONS_PER_SECOND),
      announcements: new TokenBucket(ANNOUNCEMENTS_PER_SECOND),
      port: undefined,
      listener: this.#listeners.get(key),
      rules: CLOSED,
    };
    this.#byName.set(key, link);
    this.byId[id] = link;
    return link;
  }

  /** @throws {FleetboxError} `conflict`: one of these addresses is another member's. */
  #checkFree(key: string, id: number, mac: Uint8Array | undefined, octet: number | undefined): void {
    const macOwner = mac ? this.macs.ownerOf(macHigh(mac, 0), macLow(mac, 0)) : NOBODY;
    const addressOwner = octet === undefined ? NOBODY : this.owners.addresses[octet];
    for (const [owner, what] of [[macOwner, "MAC address"], [addressOwner, "address"]] as const) {
      if (owner === NOBODY || owner === id) continue;
      const other = this.byId[owner]?.key ?? "the gateway";
      throw new FleetboxError("conflict", `Cannot add "${key}" to the network: its ${what} belongs to ${other}`);
    }
  }

  #freeId(): number {
    const id = this.byId.findIndex((link, index) => index >= FIRST_MEMBER_ID && link === undefined);
    if (id < 0) throw SUBNET.full();
    return id;
  }

  #release(id: number): void {
    this.macs.release(id);
    const { addresses } = this.owners;
    for (let octet = 0; octet < addresses.length; octet++) if (addresses[octet] === id) addresses[octet] = NOBODY;
  }
}

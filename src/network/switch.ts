/**
 * The learning Ethernet switch of a group, inside the holder's own event loop.
 *
 * Each port is a stream socket to one hypervisor (or to the gateway). Each chunk is processed synchronously: every
 * frame gets a verdict from `guard.ts` and a destination from the MAC table, and goes into the destination's bounded
 * queue; neighbouring frames for the same port are copied as one run. A frame costs no allocation and no promise. A
 * full queue drops and counts, so a port that does not read slows no other port. The switch knows which member each
 * port is, and protects its addresses from `addPort` to `removePort`, connected or not. It answers DNS for member names
 * through a hook and knows nothing of holders, sockets' paths or processes.
 */

import { FleetboxError } from "../core/errors.ts";
import { Counters, Drop, PASS, type PortCounters, type Verdict } from "./counters.ts";
import { dnsArpReply, type DnsHook, dnsMessage, dnsReply, isDnsQuestion } from "./dns_frame.ts";
import { FRAME, GARBAGE, HEADER_BYTES, MAX_FRAME, MIN_FRAME } from "./frame.ts";
import {
  checkFromGateway,
  checkGateway,
  checkSource,
  checkToMember,
  CLOSED,
  type GatewayRules,
  isGratuitousArp,
} from "./guard.ts";
import { Hold } from "./hold.ts";
import { macHigh, macLow, MacTable, NOBODY, parseMac } from "./macs.ts";
import { type Duplex, LivePort, type Port, type PortOptions, type PortOwner } from "./port.ts";
import { SUBNET } from "./subnet.ts";
import { TokenBucket } from "./token_bucket.ts";

export type { DnsHook } from "./dns_frame.ts";
export type { PortCounters } from "./counters.ts";
export type { Duplex, Port, PortOptions } from "./port.ts";

/** The gateway's key among the counters; no member can be called that. */
export const GATEWAY_PORT = "(gateway)";

/** An event for {@link Switch.onActivity}: a port's first frame, or an announced address. */
type Activity = "first-frame" | "announcement";
type ActivityListener = (activity: Activity) => void;

export interface SwitchOptions {
  /** Answers DNS questions to the network's DNS address. Without it they go to the gateway. */
  dns?: DnsHook;
}

const GATEWAY_ID = 1;
const FIRST_MEMBER_ID = 2;
/** A port for the gateway, and one for each member that the network has an address for. */
const MAX_ID = GATEWAY_ID + SUBNET.capacity;
const DNS_QUESTIONS_PER_SECOND = 2000;
const ANNOUNCEMENTS_PER_SECOND = 10;

/** A member's link: its addresses are protected and its counters kept, connected or not. */
interface Link {
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

export class Switch {
  readonly #options: SwitchOptions;
  readonly #macs = new MacTable();
  readonly #owners = { macs: this.#macs, addresses: new Uint8Array(256) };
  readonly #links = new Map<string, Link>();
  /** Links by id, for the fast path. */
  readonly #byId: (Link | undefined)[] = new Array(MAX_ID + 1).fill(undefined);
  /** Listeners of names that are not added yet. */
  readonly #listeners = new Map<string, ActivityListener>();
  readonly #dirty: LivePort[] = [];
  readonly #portOwner: PortOwner = {
    hold: new Hold(),
    received: (port) => this.#received(port),
    ended: (port) => this.#ended(port),
  };
  /** Seconds and milliseconds since the process began, read once a chunk. */
  #nowSeconds = 0;
  #nowMs = 0;
  /** The run of neighbouring frames in the chunk with the same destination: copied at once. */
  #runTarget: LivePort | undefined;
  #runFrom = 0;
  #runEnd = 0;
  #runFrames = 0;

  constructor(options: SwitchOptions = {}) {
    this.#options = options;
    this.#macs.assign(parseMac(SUBNET.gatewayMac), GATEWAY_ID);
    this.#macs.assign(parseMac(SUBNET.dnsMac), GATEWAY_ID);
    for (const slot of [SUBNET.gatewaySlot, SUBNET.dnsSlot]) this.#owners.addresses[slot] = GATEWAY_ID;
  }

  /**
   * Adds a connection and begins to read it. A port of the same name is replaced: its connection is closed, its
   * counters continue. The addresses stay the member's until {@link removePort}.
   * @throws {FleetboxError} `conflict`: the MAC or address is another's, or the network has no address left; `misuse`: it is none.
   */
  addPort(conn: Duplex, options: PortOptions): Port {
    const link = this.#linkOf(options);
    if (options.rules) link.rules = options.rules;
    link.port?.end({ why: "replaced", message: "another connection took its place" });
    const port = new LivePort(link.id, conn, options, link.counts, this.#portOwner);
    link.port = port;
    return port;
  }

  /** What a member may use the gateway for, from its next frame on. A name that is not there is no error. */
  setRules(name: string, rules: GatewayRules): void {
    const link = this.#links.get(name);
    if (link) link.rules = rules;
  }

  /** Forgets a member: its connection, addresses, counters and listener. The gateway's name is {@link GATEWAY_PORT}. */
  removePort(name: string): void {
    this.#listeners.delete(name);
    const link = this.#links.get(name);
    if (link === undefined) return;
    this.#links.delete(name);
    this.#byId[link.id] = undefined;
    if (link.id !== GATEWAY_ID) this.#release(link.id);
    link.port?.end({ why: "removed", message: "its member left the group" });
  }

  /** The connected port of a member (or {@link GATEWAY_PORT}), if there is one. */
  port(name: string): Port | undefined {
    return this.#links.get(name)?.port;
  }

  /** Counters by member's name, the gateway's under {@link GATEWAY_PORT}. */
  counters(): Map<string, PortCounters> {
    return new Map([...this.#links].map(([key, link]) => [key, link.counts.snapshot()]));
  }

  /**
   * Calls the listener for the first frame that a member sends after it was (re)added, and for each address that it
   * announces (gratuitous ARP; at most 10 a second). One listener for each name; undefined removes it. It may be set
   * before the port is added. It runs after the chunk's frames were forwarded.
   */
  onActivity(name: string, listener: ActivityListener | undefined): void {
    if (listener) this.#listeners.set(name, listener);
    else this.#listeners.delete(name);
    const link = this.#links.get(name);
    if (link) link.listener = listener;
  }

  /**
   * From now on no frame, nor an answer of ours, is delivered to any port, until the returned function is called. What
   * arrives meanwhile waits and is delivered then, in order. A frame that was already being written to a connection may
   * still arrive. Holds count.
   */
  hold(): () => void {
    return this.#portOwner.hold.begin();
  }

  /** Closes every connection. */
  close(): void {
    for (const link of this.#links.values()) link.port?.end({ why: "closed", message: "the switch was closed" });
  }

  #linkOf(options: PortOptions): Link {
    const isGateway = options.role === "gateway";
    const key = isGateway ? GATEWAY_PORT : options.name;
    const mac = options.mac === undefined ? undefined : parseMac(options.mac);
    const octet = options.ip === undefined ? undefined : SUBNET.slotOf(options.ip);
    if (octet === undefined && options.ip !== undefined) {
      throw new FleetboxError("misuse", `Cannot add "${key}": ${options.ip} is not in the group's network`);
    }
    const known = this.#links.get(key);
    const id = known?.id ?? (isGateway ? GATEWAY_ID : this.#freeId());
    this.#checkFree(key, id, mac, octet);
    if (!isGateway) this.#release(id);
    if (mac) this.#macs.assign(mac, id);
    if (octet !== undefined) this.#owners.addresses[octet] = id;
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
    this.#links.set(key, link);
    this.#byId[id] = link;
    return link;
  }

  /** @throws {FleetboxError} `conflict`: one of these addresses is another member's. */
  #checkFree(key: string, id: number, mac: Uint8Array | undefined, octet: number | undefined): void {
    const macOwner = mac ? this.#macs.ownerOf(macHigh(mac, 0), macLow(mac, 0)) : NOBODY;
    const addressOwner = octet === undefined ? NOBODY : this.#owners.addresses[octet];
    for (const [owner, what] of [[macOwner, "MAC address"], [addressOwner, "address"]] as const) {
      if (owner === NOBODY || owner === id) continue;
      const other = this.#byId[owner]?.key ?? "the gateway";
      throw new FleetboxError("conflict", `Cannot add "${key}" to the network: its ${what} belongs to ${other}`);
    }
  }

  #freeId(): number {
    const id = this.#byId.findIndex((link, index) => index >= FIRST_MEMBER_ID && link === undefined);
    if (id < 0) throw SUBNET.full();
    return id;
  }

  #release(id: number): void {
    this.#macs.release(id);
    const { addresses } = this.#owners;
    for (let octet = 0; octet < addresses.length; octet++) if (addresses[octet] === id) addresses[octet] = NOBODY;
  }

  #ended(port: LivePort): void {
    this.#portOwner.hold.letGo(port);
    const link = this.#byId[port.id];
    if (link?.port !== port) return;
    link.port = undefined;
    this.#macs.forget(port.id);
  }

  /** Forwards every whole frame in the port's reader. Returns the reason when the stream is garbage. */
  #received(port: LivePort): string | undefined {
    this.#nowMs = performance.now();
    this.#nowSeconds = (this.#nowMs / 1000) >>> 0;
    this.#macs.sweep(this.#nowSeconds);
    const { reader } = port;
    const { bytes } = reader;
    let found = reader.next();
    for (; found === FRAME; found = reader.next()) {
      const target = this.#destination(port, bytes, reader.from + HEADER_BYTES, reader.end);
      if (target) this.#extendRun(target, bytes, reader.from, reader.end);
    }
    this.#endRun(bytes);
    for (const dirty of this.#dirty) dirty.flush();
    this.#dirty.length = 0;
    if (found !== GARBAGE) return undefined;
    port.counts.drop(Drop.oversize);
    return `a frame of ${reader.announced} bytes was announced, at most ${MAX_FRAME} are possible: the stream is garbage`;
  }

  /** The one port that gets this frame; undefined when this call dropped, answered or flooded it. */
  #destination(port: LivePort, bytes: Uint8Array, at: number, end: number): LivePort | undefined {
    const { counts, id } = port;
    counts.rxFrames++;
    counts.rxBytes += end - at;
    const verdict = end - at < MIN_FRAME
      ? Drop.malformed
      : id === GATEWAY_ID
      ? checkFromGateway(bytes, at, id, this.#owners)
      : checkSource(bytes, at, end, id, this.#owners);
    if (verdict !== PASS) return dropped(counts, verdict);
    this.#macs.learn(macHigh(bytes, at + 6), macLow(bytes, at + 6), id, this.#nowSeconds);
    if (!port.wasHeard) this.#heard(port);
    if ((bytes[at] & 1) === 1) return this.#flood(port, bytes, at, end, true);
    const to = this.#macs.portOf(macHigh(bytes, at), macLow(bytes, at));
    if (to === id) return undefined; // its destination is on the same link, and has it
    if (to === NOBODY) return this.#flood(port, bytes, at, end, false);
    if (to === GATEWAY_ID) return this.#toGateway(port, bytes, at, end);
    if (id === GATEWAY_ID) return this.#toMember(port, to, bytes, at, end);
    return this.#byId[to]?.port ?? dropped(counts, Drop.unreachable);
  }

  /** A member's port, when it may have this frame of the gateway's. */
  #toMember(gateway: LivePort, to: number, bytes: Uint8Array, at: number, end: number): LivePort | undefined {
    const link = this.#byId[to];
    if (!link?.port) return dropped(gateway.counts, Drop.unreachable);
    const verdict = checkToMember(bytes, at, end, link.rules);
    return verdict === PASS ? link.port : dropped(link.counts, verdict);
  }

  /** The gateway's port, if it may get this frame; undefined when the frame was dropped or answered here. */
  #toGateway(port: LivePort, bytes: Uint8Array, at: number, end: number): LivePort | undefined {
    const rules = this.#byId[port.id]?.rules ?? CLOSED;
    if (this.#options.dns && isDnsQuestion(bytes, at, end) && !this.#asked(port, bytes, at, end, rules)) {
      return undefined;
    }
    const verdict = checkGateway(bytes, at, end, rules);
    if (verdict !== PASS) return dropped(port.counts, verdict);
    const gateway = this.#byId[GATEWAY_ID]?.port;
    if (gateway) return gateway;
    const reply = dnsArpReply(bytes, at, end);
    if (reply) this.#reply(port, bytes, reply);
    else if ((bytes[at] & 1) === 0) port.counts.drop(Drop.unreachable);
    return undefined;
  }

  /** Lets the hook answer a question; true when the question goes on to the gateway. */
  #asked(port: LivePort, bytes: Uint8Array, at: number, end: number, rules: GatewayRules): boolean {
    if (!this.#byId[port.id]?.questions.take(this.#nowMs)) {
      port.counts.drop(Drop.dnsRate);
      return false;
    }
    const message = dnsMessage(bytes, at, end);
    const answer = message ? this.#options.dns!.respond(message, rules.egress) : "drop";
    if (answer === "pass") return true;
    if (answer === "drop") port.counts.drop(Drop.dnsMalformed);
    else this.#reply(port, bytes, dnsReply(bytes, at, answer));
    return false;
  }

  /** Queues a frame of ours for the port whose chunk is being processed. */
  #reply(port: LivePort, bytes: Uint8Array, reply: Uint8Array): void {
    this.#endRun(bytes);
    this.#send(port, reply, 0, reply.length, 1);
  }

  /** Sends a frame to every other port; to the gateway only broadcasts, because its addresses are known. */
  #flood(from: LivePort, bytes: Uint8Array, at: number, end: number, isForAll: boolean): undefined {
    this.#endRun(bytes);
    if (isForAll && from.id !== GATEWAY_ID) {
      if (isGratuitousArp(bytes, at, end)) this.#announced(from);
      const gateway = this.#toGateway(from, bytes, at, end);
      if (gateway) this.#send(gateway, bytes, at - HEADER_BYTES, end, 1);
    }
    for (const link of this.#links.values()) {
      if (link.port && link.port !== from && link.id !== GATEWAY_ID) {
        if (from.id === GATEWAY_ID && checkToMember(bytes, at, end, link.rules) !== PASS) continue;
        this.#send(link.port, bytes, at - HEADER_BYTES, end, 1);
      }
    }
    return undefined;
  }

  /** Adds a frame to the run of neighbouring frames with one destination, which is copied at once. */
  #extendRun(target: LivePort, bytes: Uint8Array, from: number, end: number): void {
    if (this.#runTarget !== target || this.#runEnd !== from) {
      this.#endRun(bytes);
      this.#runTarget = target;
      this.#runFrom = from;
    }
    this.#runEnd = end;
    this.#runFrames++;
  }

  #endRun(bytes: Uint8Array): void {
    if (this.#runTarget) this.#send(this.#runTarget, bytes, this.#runFrom, this.#runEnd, this.#runFrames);
    this.#runTarget = undefined;
    this.#runFrames = 0;
  }

  /** Queues as many whole frames, with their lengths, as there is room for. */
  #send(target: LivePort, bytes: Uint8Array, from: number, end: number, frames: number): void {
    const { counts } = target;
    const until = target.queue.append(bytes, from, end);
    const refused = until === end ? 0 : countFrames(bytes, until, end);
    counts.drop(Drop.queueFull, refused);
    counts.txFrames += frames - refused;
    counts.txBytes += until - from - (frames - refused) * HEADER_BYTES;
    if (target.isDirty) return;
    target.isDirty = true;
    this.#dirty.push(target);
  }

  #heard(port: LivePort): void {
    port.wasHeard = true;
    this.#tell(port, "first-frame");
  }

  #announced(port: LivePort): void {
    if (this.#byId[port.id]?.announcements.take(this.#nowMs)) this.#tell(port, "announcement");
  }

  /** Calls the listener outside of the processing of frames, so that its errors do not affect them. */
  #tell(port: LivePort, activity: Activity): void {
    const listener = this.#byId[port.id]?.listener;
    if (listener) queueMicrotask(() => listener(activity));
  }
}

function dropped(counts: Counters, verdict: Verdict): undefined {
  counts.drop(verdict);
}

/** The number of whole frames, lengths in front, in `[from, end)`. */
function countFrames(bytes: Uint8Array, from: number, end: number): number {
  let frames = 0;
  for (let at = from; at < end; frames++) {
    const length = (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
    at += HEADER_BYTES + length;
  }
  return frames;
}

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

import type { Tap } from "./capture/tap.ts";
import { Drop, PASS, type PortCounters, type Verdict } from "./counters.ts";
import { dnsArpReply, type DnsHook, dnsMessage, dnsReply, isDnsQuestion } from "./dns_frame.ts";
import type { FaultCounts, LinkConditions } from "./faults/conditions.ts";
import type { Exit } from "./faults/engine.ts";
import { type Faults, NO_FAULTS } from "./faults/none.ts";
import type { InFlight, Pair } from "./faults/pair.ts";
import type { Row } from "./faults/pairs.ts";
import { FRAME, GARBAGE, HEADER_BYTES, MAX_FRAME, MIN_FRAME } from "./frame.ts";
import * as guard from "./guard.ts";
import { Hold } from "./hold.ts";
import { type ActivityListener, GATEWAY_ID, GATEWAY_PORT, type Link, Links, tell } from "./links.ts";
import { macHigh, macLow, NOBODY } from "./macs.ts";
import { type Duplex, LivePort, type Port, type PortOptions, type PortOwner } from "./port.ts";

export type { DnsHook } from "./dns_frame.ts";
export type { PortCounters } from "./counters.ts";
export type { Duplex, Port, PortOptions } from "./port.ts";
export { GATEWAY_PORT } from "./links.ts";

export interface SwitchOptions {
  /** Answers DNS questions to the network's DNS address. Without it they go to the gateway. */
  dns?: DnsHook;
}

/** Whose frame it is: a port, or its link, when the frame has waited. */
type Sender = Pick<Link, "id" | "counts">;

export class Switch {
  readonly #links = new Links();
  /** What the fast path needs of them. */
  readonly #macs = this.#links.macs;
  readonly #owners = this.#links.owners;
  readonly #byId = this.#links.byId;
  readonly #dirty: LivePort[] = [];
  readonly #portOwner: PortOwner = {
    hold: new Hold(),
    received: (port) => this.#received(port),
    ended: (port) => this.#ended(port),
    drained: () => this.#faults.hasRoom(this.#now()),
  };
  #faults: Faults = NO_FAULTS;
  /** What is told of each frame while somebody captures; and the same, if it wants those of the chunk that is read. */
  #tap: Tap | undefined;
  #chunkTap: Tap | undefined;
  /** What is wrong with the links from the port whose chunk is being processed. */
  #row: Row | undefined;
  /** Seconds and milliseconds since the process began, read once a chunk. */
  #nowSeconds = 0;
  #nowMs = 0;
  /** The run of neighbouring frames in the chunk with the same destination: copied at once. */
  #runTarget: LivePort | undefined;
  #runFrom = 0;
  #runEnd = 0;
  #runFrames = 0;

  constructor(private readonly options: SwitchOptions = {}) {}

  /**
   * Adds a connection and begins to read it. A port of the same name is replaced: its connection is closed, its
   * counters continue. The addresses stay the member's until {@link removePort}.
   * @throws {FleetboxError} `conflict`: the MAC or address is another's, or the network has no address left; `misuse`: it is none.
   */
  addPort(conn: Duplex, options: PortOptions): Port {
    const link = this.#links.require(options);
    this.#faults.added(link.key, link.id);
    if (options.rules) link.rules = options.rules;
    link.port?.end({ why: "replaced", message: "another connection took its place" });
    const port = new LivePort(link.id, conn, options, link.counts, this.#portOwner);
    link.port = port;
    return port;
  }

  /** What a member may use the gateway for, from its next frame on. A name that is not there is no error. */
  setRules(name: string, rules: guard.GatewayRules): void {
    const link = this.#links.get(name);
    if (link) link.rules = rules;
  }

  /** Forgets a member: its connection, addresses, counters and listener. The gateway's name is {@link GATEWAY_PORT}. */
  removePort(name: string): void {
    const link = this.#links.remove(name);
    if (link === undefined) return;
    this.#faults.removed(name, link.id);
    if (link.id === GATEWAY_ID) this.#faults.added(name, link.id); // its id stays its own
    link.port?.end({ why: "removed", message: "its member left the group" });
  }

  /** The connected port of a member (or {@link GATEWAY_PORT}), if there is one. */
  port(name: string): Port | undefined {
    return this.#links.get(name)?.port;
  }

  /** Counters by member's name, the gateway's under {@link GATEWAY_PORT}. */
  counters(): Map<string, PortCounters> {
    return new Map([...this.#links].map((link) => [link.key, link.counts.snapshot()]));
  }

  /**
   * Calls the listener for the first frame that a member sends after it was (re)added, and for each address that it announces
   * (gratuitous ARP; at most 10 a second). One for each name; undefined removes it. It may be set before the port is added.
   */
  onActivity(name: string, listener: ActivityListener | undefined): void {
    this.#links.listen(name, listener);
  }

  /**
   * From now on nothing is delivered to any port, until the returned function is called. What arrives meanwhile waits and is
   * delivered then, in order. A frame that was already being written to a connection may still arrive. Holds count.
   */
  hold(): () => void {
    const { hold } = this.#portOwner;
    const end = hold.begin();
    this.#faults.pause();
    return () => {
      end();
      if (!hold.isOn) this.#faults.resume(this.#now());
    };
  }

  /** From now on there can be faults, which this makes. Once; most switches never need it, and it is a tenth of a holder's code. */
  useFaults(make: (exit: Exit) => Faults): void {
    this.#faults = make({
      deliver: (frame) => this.#deliver(frame),
      awaitRoom: (toId, bytes) => this.#byId[toId]?.port?.awaitRoom(bytes) ?? true,
      flush: () => this.#flushAll(),
      drop: (frame, why, faults) => {
        this.#tap?.resume(frame);
        this.#drop(this.#byId[why === Drop.queueFull || why === PASS ? frame.toId : frame.fromId], why, faults);
        this.#tap?.end();
      },
    });
    this.#faults.added(GATEWAY_PORT, GATEWAY_ID);
    for (const { key, id } of this.#links) this.#faults.added(key, id);
    if (this.#portOwner.hold.isOn) this.#faults.pause();
  }

  /**
   * What is wrong with the link from one port to another, by members' names or {@link GATEWAY_PORT}; undefined: nothing. It may be set
   * before the ports are added, and stays when they go. Faults that were set before, and still are, go on: their random
   * numbers, and the frames that wait. When a hold ends, its frames are delivered; delayed frames are delivered at their time.
   */
  setConditions(from: string, to: string, conditions: LinkConditions | undefined): void {
    this.#faults.setConditions(from, to, conditions, this.#now());
  }

  /** Whether every frame from one port to another is dropped by a fault. `counts`: one would have been sent now. */
  isCut(from: string, to: string, counts = false): boolean {
    return this.#faults.isCut(from, to, counts);
  }

  /** What each fault has done since it was set, by its id. */
  faultCounts(): ReadonlyMap<string, FaultCounts> {
    return this.#faults.counts();
  }

  /** From now on a tap is told of each frame, undefined: none is. `nameOf` gives the name of a port by its id. */
  useTap(make: ((nameOf: (id: number) => string | undefined) => Tap) | undefined): void {
    this.#tap = make?.((id) => id === GATEWAY_ID ? GATEWAY_PORT : this.#byId[id]?.key);
  }

  /** Forgets the counts of a fault that is over. */
  forgetFault(id: string): void {
    this.#faults.forget(id);
  }

  /** Closes every connection. */
  close(): void {
    for (const link of this.#links) link.port?.end({ why: "closed", message: "the switch was closed" });
    this.#faults.close();
  }

  #ended(port: LivePort): void {
    this.#portOwner.hold.letGo(port);
    const link = this.#byId[port.id];
    if (link?.port !== port) return;
    link.port = undefined;
    this.#macs.forget(port.id);
    this.#faults.disconnected(port.id);
  }

  /** Reads the clock. */
  #now(): number {
    this.#nowMs = performance.now();
    this.#nowSeconds = (this.#nowMs / 1000) >>> 0;
    return this.#nowMs;
  }

  /** Forwards every whole frame in the port's reader. Returns the reason when the stream is garbage. */
  #received(port: LivePort): string | undefined {
    this.#now();
    this.#macs.sweep(this.#nowSeconds);
    this.#row = this.#faults.rows[port.id];
    const { reader, reader: { bytes }, counts: { rxFrames } } = port;
    const tap = this.#chunkTap = this.#tap?.beginChunk(port.id, this.#nowMs) ? this.#tap : undefined;
    let found = reader.next();
    for (; found === FRAME; found = reader.next()) {
      const { from, end } = reader;
      tap?.beginFrame(bytes, from + HEADER_BYTES, end);
      const target = this.#destination(port, bytes, from + HEADER_BYTES, end);
      if (target && (tap === undefined || tap.endPlain())) this.#extendRun(target, bytes, from, end);
      else if (tap !== undefined) {
        this.#endRun(bytes);
        if (target) this.#send(target, bytes, from, end);
        tap.end();
      }
    }
    this.#endRun(bytes);
    if (tap !== this.#tap) this.#tap?.skip(port.id, port.counts.rxFrames - rxFrames);
    this.#faults.afterChunk(this.#nowMs);
    this.#flushAll();
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
      ? guard.checkFromGateway(bytes, at, id, this.#owners)
      : guard.checkSource(bytes, at, end, id, this.#owners);
    if (verdict !== PASS) return this.#drop(port, verdict);
    this.#macs.learn(macHigh(bytes, at + 6), macLow(bytes, at + 6), id, this.#nowSeconds);
    if (!port.wasHeard) {
      port.wasHeard = true;
      tell(this.#byId[id], "first-frame");
    }
    if ((bytes[at] & 1) === 1) return this.#flood(port, bytes, at, end, true);
    const to = this.#macs.portOf(macHigh(bytes, at), macLow(bytes, at));
    if (to === id) return undefined; // its destination is on the same link, and has it
    if (to === NOBODY) return this.#flood(port, bytes, at, end, false);
    if (this.#row !== undefined) {
      const pair = this.#row[to];
      if (pair !== undefined && !this.#passes(pair, id, to, bytes, at, end, false)) return undefined;
    }
    if (to === GATEWAY_ID) return this.#toGateway(port, bytes, at, end);
    if (id === GATEWAY_ID) return this.#toMember(port, to, bytes, at, end);
    return this.#byId[to]?.port ?? this.#drop(port, Drop.unreachable);
  }

  /** Whether nothing is wrong that concerns this frame now; else it was dropped, or is delivered by {@link #deliver}. */
  #passes(
    pair: Pair | undefined,
    fromId: number,
    toId: number,
    bytes: Uint8Array,
    at: number,
    end: number,
    isChecked: boolean,
  ): boolean {
    if (pair === undefined) return true;
    this.#endRun(bytes);
    this.#tap?.meets(pair);
    const passes = this.#faults.judge(pair, fromId, toId, bytes, at - HEADER_BYTES, end, this.#nowMs, isChecked);
    this.#tap?.met(pair, toId, passes);
    return passes;
  }

  /** A frame that has waited, or was changed, goes on its way as if it had just come. */
  #deliver(frame: InFlight): void {
    const { fromId, toId, isChecked, bytes, end } = frame;
    this.#tap?.resume(frame);
    const sender = this.#byId[fromId];
    let target = this.#byId[toId]?.port;
    if (!isChecked && sender) {
      if (toId === GATEWAY_ID) {
        this.#now(); // a question may be answered here
        target = this.#toGateway(sender, bytes, HEADER_BYTES, end);
      } else if (fromId === GATEWAY_ID) target = this.#toMember(sender, toId, bytes, HEADER_BYTES, end);
      else if (!target) this.#drop(sender, Drop.unreachable);
    }
    if (target) this.#send(target, bytes, 0, end);
    this.#tap?.end();
  }

  #flushAll(): void {
    for (const dirty of this.#dirty) dirty.flush();
    this.#dirty.length = 0;
  }

  /** A member's port, when it may have this frame of the gateway's. */
  #toMember(gateway: Sender, to: number, bytes: Uint8Array, at: number, end: number): LivePort | undefined {
    const link = this.#byId[to];
    if (!link?.port) return this.#drop(gateway, Drop.unreachable);
    const verdict = guard.checkToMember(bytes, at, end, link.rules);
    return verdict === PASS ? link.port : this.#drop(link, verdict);
  }

  /** The gateway's port, if it may get this frame; undefined when the frame was dropped or answered here. */
  #toGateway(port: Sender, bytes: Uint8Array, at: number, end: number): LivePort | undefined {
    const rules = this.#byId[port.id]?.rules ?? guard.CLOSED;
    if (this.options.dns && isDnsQuestion(bytes, at, end) && !this.#asked(port, bytes, at, end, rules)) {
      return undefined;
    }
    const verdict = guard.checkGateway(bytes, at, end, rules);
    if (verdict !== PASS) return this.#drop(port, verdict);
    const gateway = this.#byId[GATEWAY_ID]?.port;
    if (gateway) return gateway;
    const reply = dnsArpReply(bytes, at, end);
    if (reply) this.#reply(port.id, bytes, reply);
    else if ((bytes[at] & 1) === 0) this.#drop(port, Drop.unreachable);
    return undefined;
  }

  /** Lets the hook answer a question; true when the question goes on to the gateway. */
  #asked(port: Sender, bytes: Uint8Array, at: number, end: number, rules: guard.GatewayRules): boolean | undefined {
    const link = this.#byId[port.id];
    if (!link?.questions.take(this.#nowMs)) return this.#drop(port, Drop.dnsRate);
    const message = dnsMessage(bytes, at, end);
    const answer = message ? this.options.dns!.respond(message, rules.egress, link.key) : "drop";
    if (answer === "pass") return true;
    if (answer === "drop" || answer === "cut-off") {
      this.#drop(port, answer === "drop" ? Drop.dnsMalformed : Drop.dnsCutOff);
    } else this.#reply(port.id, bytes, dnsReply(bytes, at, answer));
    return false;
  }

  /** Sends a frame of ours in place of the gateway's: what is wrong with the gateway's link concerns it, too. */
  #reply(toId: number, bytes: Uint8Array, reply: Uint8Array): void {
    this.#endRun(bytes);
    this.#tap?.begin(GATEWAY_ID, reply);
    const pair = this.#faults.rows[GATEWAY_ID]?.[toId];
    const port = this.#byId[toId]?.port;
    const passes = this.#passes(pair, GATEWAY_ID, toId, reply, HEADER_BYTES, reply.length, true);
    if (passes && port) this.#send(port, reply, 0, reply.length);
    this.#tap?.end();
  }

  /** Sends a frame to every other port; to the gateway only broadcasts, because its addresses are known. */
  #flood(from: LivePort, bytes: Uint8Array, at: number, end: number, isForAll: boolean): undefined {
    this.#endRun(bytes);
    const row = this.#row;
    if (isForAll && from.id !== GATEWAY_ID) {
      const link = this.#byId[from.id];
      if (guard.isGratuitousArp(bytes, at, end) && link?.announcements.take(this.#nowMs)) tell(link, "announcement");
      if (this.#passes(row?.[GATEWAY_ID], from.id, GATEWAY_ID, bytes, at, end, false)) {
        const gateway = this.#toGateway(from, bytes, at, end);
        if (gateway) this.#send(gateway, bytes, at - HEADER_BYTES, end);
      }
    }
    for (const link of this.#links) {
      if (link.port && link.port !== from && link.id !== GATEWAY_ID) {
        if (from.id === GATEWAY_ID && guard.checkToMember(bytes, at, end, link.rules) !== PASS) continue;
        if (!this.#passes(row?.[link.id], from.id, link.id, bytes, at, end, true)) continue;
        this.#send(link.port, bytes, at - HEADER_BYTES, end);
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
    const target = this.#runTarget;
    if (target) {
      const until = target.enqueue(bytes, this.#runFrom, this.#runEnd, this.#runFrames, this.#dirty);
      this.#chunkTap?.ran(target.id, bytes, this.#runFrom, until, this.#runEnd);
    }
    this.#runTarget = undefined;
    this.#runFrames = 0;
  }

  /** Queues one frame, with its length, if there is room. */
  #send(target: LivePort, bytes: Uint8Array, from: number, end: number): void {
    if (target.enqueue(bytes, from, end, 1, this.#dirty) === end) {
      this.#tap?.sent(target.id, bytes, from + HEADER_BYTES, end);
    } else this.#tap?.dropped(target.id, Drop.queueFull);
  }

  #drop(link: Sender | undefined, verdict: Verdict, faults?: readonly string[]): undefined {
    if (!link) return;
    link.counts.drop(verdict, 1);
    this.#tap?.dropped(link.id, verdict, faults);
  }
}

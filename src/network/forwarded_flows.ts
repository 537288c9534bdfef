/**
 * The connections and exchanges that came to one member through its port forwards, where the guard needs to know them:
 * an answer by UDP looks like a question of the guest's own, and one to another host like a way out. A guest may answer
 * those who have asked it, on the port that they asked, and nobody else.
 *
 * The gateway's frames to the member are {@link ForwardedFlows.came | noted}, the member's frames to the gateway are
 * {@link ForwardedFlows.answers | compared}. A peer's address is the gateway's for programs of this host. What a killed
 * holder knew is lost with it: exchanges by UDP go on with the next question, TCP connections of other hosts to a member
 * without egress end.
 */

import { SUBNET } from "./subnet.ts";

/** A member's end of a forward. */
export interface ForwardedPort {
  isUdp: boolean;
  /** The guest's port. */
  port: number;
  /** Whether programs of other hosts may reach it. */
  isPublic: boolean;
}

const TCP = 6, UDP = 17;
const TCP_SYN = 0x02, TCP_ACK = 0x10;
/** Peers for each port; the one that was silent for longest is forgotten. */
const MAX_PEERS = 4096;
/** How long an exchange by UDP lasts after the peer's last datagram: as Linux's connection tracking. */
const UDP_IDLE_MS = 180_000;

interface Tracked {
  isPublic: boolean;
  /** By address and port: when it was last heard. */
  peers: Map<number, number>;
}

export class ForwardedFlows {
  /** By {@link portKey}. */
  #ports = new Map<number, Tracked>();

  readonly #own: number;

  /** @param ip the member's address: what it sends from another one is no answer */
  constructor(ip: string, private readonly now: () => number = performance.now.bind(performance)) {
    this.#own = numberOf(ip);
  }

  get isEmpty(): boolean {
    return this.#ports.size === 0;
  }

  /** The member's forwards from now on. Those that stay keep their peers. */
  set(ports: readonly ForwardedPort[]): void {
    const before = this.#ports;
    this.#ports = new Map();
    for (const { isUdp, port, isPublic } of ports) {
      if (!isUdp && !isPublic) continue; // the guard lets answers to this host pass
      const key = portKey(isUdp ? UDP : TCP, port);
      const isAlsoPublic = isPublic || (this.#ports.get(key)?.isPublic ?? false);
      this.#ports.set(key, { isPublic: isAlsoPublic, peers: before.get(key)?.peers ?? new Map() });
    }
  }

  /** Whether the IPv4 packet at `[ip, end)`, of a whole header, from the gateway to the member, came through a forward. */
  came(bytes: Uint8Array, ip: number, end: number): boolean {
    const at = payloadOf(bytes, ip, end);
    const tracked = at < 0 ? undefined : this.#ports.get(portKey(bytes[ip + 9], uint16(bytes, at + 2)));
    if (!tracked || uint32(bytes, ip + 16) !== this.#own) return false;
    const address = uint32(bytes, ip + 12);
    if (!tracked.isPublic && address !== GATEWAY) return false;
    const peer = address * 65_536 + uint16(bytes, at);
    // A connection begins with a SYN. Others are the guest's own.
    if (bytes[ip + 9] === TCP && !opens(bytes, at) && !tracked.peers.has(peer)) return false;
    tracked.peers.delete(peer); // so that it is the last one
    tracked.peers.set(peer, this.now());
    if (tracked.peers.size > MAX_PEERS) tracked.peers.delete(tracked.peers.keys().next().value!);
    return true;
  }

  /** Whether a packet of the member's to the gateway answers one that came through a forward. */
  answers(bytes: Uint8Array, ip: number, end: number): boolean {
    const at = payloadOf(bytes, ip, end);
    const protocol = bytes[ip + 9];
    const tracked = at < 0 ? undefined : this.#ports.get(portKey(protocol, uint16(bytes, at)));
    const heard = tracked?.peers.get(uint32(bytes, ip + 16) * 65_536 + uint16(bytes, at + 2));
    if (heard === undefined || uint32(bytes, ip + 12) !== this.#own) return false;
    return protocol === UDP ? this.now() - heard <= UDP_IDLE_MS : !opens(bytes, at);
  }
}

function numberOf(ip: string): number {
  return ip.split(".").reduce((sum, octet) => sum * 256 + Number(octet), 0);
}

const GATEWAY = numberOf(SUBNET.gateway);

function portKey(protocol: number, port: number): number {
  return protocol * 65_536 + port;
}

/** Where the ports of an unfragmented TCP or UDP packet are; -1: it has none. */
function payloadOf(bytes: Uint8Array, ip: number, end: number): number {
  const isFragment = (((bytes[ip + 6] & 0xbf) << 8) | bytes[ip + 7]) !== 0;
  const at = ip + (bytes[ip] & 15) * 4;
  const least = bytes[ip + 9] === TCP ? 20 : bytes[ip + 9] === UDP ? 8 : Infinity;
  return isFragment || at + least > end ? -1 : at;
}

function opens(bytes: Uint8Array, at: number): boolean {
  return (bytes[at + 13] & TCP_SYN) !== 0 && (bytes[at + 13] & TCP_ACK) === 0;
}

function uint16(bytes: Uint8Array, at: number): number {
  return (bytes[at] << 8) | bytes[at + 1];
}

function uint32(bytes: Uint8Array, at: number): number {
  return ((bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]) >>> 0;
}

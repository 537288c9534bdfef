/**
 * The switch's table of MAC addresses: assigned ones, and the port behind which others were last seen.
 *
 * An assigned address belongs to one port, connected or not, and never moves. A learned one moves with the frames that
 * come from it and is forgotten after {@link AGE_SECONDS}. Guests cannot grow the table without limit: it holds at most
 * {@link MAX_LEARNED} learned addresses, at most {@link MAX_LEARNED_PER_PORT} a port; frames to an address without a
 * place are flooded. Open addressing in typed arrays, because it is searched twice for every frame and must not
 * allocate. A key is a pair of numbers: the upper 16 bits, and the lower 32 as a signed integer.
 */

import { FleetboxError } from "../core/errors.ts";

export const AGE_SECONDS = 300;
export const MAX_LEARNED = 1024;
export const MAX_LEARNED_PER_PORT = 64;

/** No port: ids are 1 to 255. */
export const NOBODY = 0;

const SLOTS = 4096;
const SWEEP_SECONDS = 10;

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

/** The two halves of the address at an offset. */
export function macHigh(bytes: Uint8Array, at: number): number {
  return (bytes[at] << 8) | bytes[at + 1];
}

export function macLow(bytes: Uint8Array, at: number): number {
  return (bytes[at + 2] << 24) | (bytes[at + 3] << 16) | (bytes[at + 4] << 8) | bytes[at + 5];
}

export class MacTable {
  readonly #high = new Uint16Array(SLOTS);
  readonly #low = new Int32Array(SLOTS);
  /** The port's id; 0 is a free slot. */
  readonly #port = new Uint8Array(SLOTS);
  readonly #assigned = new Uint8Array(SLOTS);
  readonly #seen = new Uint32Array(SLOTS);
  readonly #learnedOf = new Uint16Array(256);
  /** Makes the slots unpredictable for a guest that provokes collisions. */
  readonly #seed = Math.floor(Math.random() * 0x7fffffff);
  #learned = 0;
  #swept = 0;

  get learned(): number {
    return this.#learned;
  }

  /** The port that an address leads to, assigned or learned, or {@link NOBODY}. */
  portOf(high: number, low: number): number {
    return this.#port[this.#find(high, low)];
  }

  /** The port to which this address is assigned, or {@link NOBODY}. */
  ownerOf(high: number, low: number): number {
    const slot = this.#find(high, low);
    return this.#assigned[slot] === 1 ? this.#port[slot] : NOBODY;
  }

  /**
   * Assigns an address to a port until {@link release}.
   * @throws {FleetboxError} `conflict`: it is assigned to another port.
   */
  assign(mac: Uint8Array, port: number): void {
    const high = macHigh(mac, 0), low = macLow(mac, 0);
    const slot = this.#find(high, low);
    const before = this.#port[slot];
    if (before !== NOBODY && this.#assigned[slot] === 1) {
      if (before === port) return;
      throw new FleetboxError("conflict", "Cannot add a port: its MAC address belongs to another member of the group");
    }
    if (before !== NOBODY) this.#countLearned(before, -1);
    this.#write(slot, high, low, port, 1, 0);
  }

  /** Learns that a frame from this address came in by this port. An assigned address does not move. */
  learn(high: number, low: number, port: number, nowSeconds: number): void {
    let slot = this.#find(high, low);
    const before = this.#port[slot];
    if (before !== NOBODY) {
      if (this.#assigned[slot] === 1) return;
      if (before === port) {
        this.#seen[slot] = nowSeconds;
        return;
      }
      // It moved. Even if the new port may not learn it, the old entry is wrong.
      this.#countLearned(before, -1);
      this.#remove(slot);
    }
    if (this.#learned >= MAX_LEARNED || this.#learnedOf[port] >= MAX_LEARNED_PER_PORT) {
      if (!this.sweep(nowSeconds)) return;
      if (this.#learned >= MAX_LEARNED || this.#learnedOf[port] >= MAX_LEARNED_PER_PORT) return;
    }
    slot = this.#find(high, low);
    this.#write(slot, high, low, port, 0, nowSeconds);
    this.#countLearned(port, 1);
  }

  /** Forgets old learned addresses; at most once in 10 seconds, else false. */
  sweep(nowSeconds: number): boolean {
    if (nowSeconds - this.#swept < SWEEP_SECONDS) return false;
    this.#swept = nowSeconds;
    this.#removeWhere((slot) => this.#assigned[slot] === 0 && nowSeconds - this.#seen[slot] > AGE_SECONDS);
    return true;
  }

  /** Forgets addresses learned from a port; its assigned addresses stay. */
  forget(port: number): void {
    if (this.#learnedOf[port] === 0) return;
    this.#removeWhere((slot) => this.#assigned[slot] === 0 && this.#port[slot] === port);
  }

  /** Forgets a port altogether. */
  release(port: number): void {
    this.#removeWhere((slot) => this.#port[slot] === port);
  }

  /** The slot of an address, or the free slot where it would go. The table is never more than a third full. */
  #find(high: number, low: number): number {
    let slot = this.#home(high, low);
    while (this.#port[slot] !== NOBODY && (this.#low[slot] !== low || this.#high[slot] !== high)) {
      slot = (slot + 1) & (SLOTS - 1);
    }
    return slot;
  }

  #home(high: number, low: number): number {
    const mixed = Math.imul(low ^ Math.imul(high ^ this.#seed, 0x9e3779b1), 0x85ebca6b);
    return (mixed ^ (mixed >>> 15)) >>> 20;
  }

  #write(slot: number, high: number, low: number, port: number, assigned: number, seen: number): void {
    this.#high[slot] = high;
    this.#low[slot] = low;
    this.#port[slot] = port;
    this.#assigned[slot] = assigned;
    this.#seen[slot] = seen;
  }

  #countLearned(port: number, by: number): void {
    this.#learned += by;
    this.#learnedOf[port] += by;
  }

  #removeWhere(isGone: (slot: number) => boolean): void {
    for (let slot = 0; slot < SLOTS; slot++) {
      // Removing pulls later entries of the chain into this slot, so look at it again.
      while (this.#port[slot] !== NOBODY && isGone(slot)) {
        if (this.#assigned[slot] === 0) this.#countLearned(this.#port[slot], -1);
        this.#remove(slot);
      }
    }
  }

  /** Frees a slot and closes the gap in its chain, so that no search ends early (Knuth 6.4, algorithm R). */
  #remove(slot: number): void {
    let gap = slot, at = slot;
    for (;;) {
      at = (at + 1) & (SLOTS - 1);
      if (this.#port[at] === NOBODY) break;
      const home = this.#home(this.#high[at], this.#low[at]);
      const reachable = gap <= at ? home > gap && home <= at : home > gap || home <= at;
      if (reachable) continue;
      this.#write(gap, this.#high[at], this.#low[at], this.#port[at], this.#assigned[at], this.#seen[at]);
      gap = at;
    }
    this.#port[gap] = NOBODY;
    this.#assigned[gap] = 0;
  }
}

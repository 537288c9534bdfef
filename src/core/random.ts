/**
 * Random numbers that a seed repeats: for faults, whose course can be had again. Never for secrets.
 *
 * The generator is sfc32, by Chris Doty-Humphrey (PractRand 0.93). Its state is the SHA-256 of what names the stream, so streams
 * with other names are independent, and one that is added shifts nobody's draws.
 */

import { sha256 } from "./sha256.ts";

/** A stream of random numbers. */
export interface Random {
  /** The next one: at least 0, less than 1. */
  next(): number;
  /** A whole one: at least 0, less than `limit`. */
  below(limit: number): number;
}

/** The largest seed that {@link newSeed} gives: short enough to be typed. */
const LARGEST_SEED = 999_999;

/** The stream with this name: a seed, and whatever tells it from others with the same seed. */
export function randomStream(...name: readonly (string | number)[]): Random {
  const digest = sha256(JSON.stringify(name));
  const view = new DataView(digest.buffer, digest.byteOffset);
  let [a, b, c, counter] = [0, 4, 8, 12].map((at) => view.getUint32(at) | 0);
  const next = () => {
    const sum = (a + b | 0) + counter | 0;
    counter = counter + 1 | 0;
    a = b ^ b >>> 9;
    b = c + (c << 3) | 0;
    c = (c << 21 | c >>> 11) + sum | 0;
    return (sum >>> 0) / 2 ** 32;
  };
  return { next, below: (limit) => Math.floor(next() * limit) };
}

/** A seed, where the user gives none. */
export function newSeed(): number {
  return Math.floor(Math.random() * LARGEST_SEED) + 1;
}

/** The same things in an order that the stream decides. */
export function shuffled<T>(random: Random, things: readonly T[]): T[] {
  const order = [...things];
  for (let left = order.length; left > 1; left--) {
    const at = random.below(left);
    [order[left - 1], order[at]] = [order[at], order[left - 1]];
  }
  return order;
}

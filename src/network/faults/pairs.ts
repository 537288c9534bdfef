/**
 * The pairs of ports with conditions: by name, because conditions may come before their ports and outlive them, and by the ids of the
 * ports that are there, for the switch's frames.
 */

import { Pair } from "./pair.ts";

/** More than there are ids, so that no frame reads beyond the end, which would be slow. */
const ROW_LENGTH = 256;

/** The pairs from one port, by the id of the port to which they lead. */
export type Row = readonly (Pair | undefined)[];

export class Pairs {
  /** By the id of the port from which they lead; undefined where there are none: the switch's fast path. */
  readonly rows: (Row | undefined)[] = [];
  readonly #byName = new Map<string, Map<string, Pair>>();
  readonly #ids = new Map<string, number>();

  get(from: string, to: string): Pair | undefined {
    return this.#byName.get(from)?.get(to);
  }

  /** The pair of these names, which is made when it is not there. */
  require(from: string, to: string): Pair {
    const known = this.get(from, to);
    if (known) return known;
    const pair = new Pair(from, to);
    let pairs = this.#byName.get(from);
    if (!pairs) this.#byName.set(from, pairs = new Map());
    pairs.set(to, pair);
    this.#place(pair);
    return pair;
  }

  delete(pair: Pair): void {
    const pairs = this.#byName.get(pair.from);
    if (pairs?.get(pair.to) !== pair) return;
    pairs.delete(pair.to);
    if (pairs.size === 0) this.#byName.delete(pair.from);
    const from = this.#ids.get(pair.from), to = this.#ids.get(pair.to);
    if (from !== undefined && to !== undefined) this.#write(from, to, undefined);
  }

  /** A port with this name has this id from now on. */
  name(name: string, id: number): void {
    if (this.#ids.get(name) === id) return;
    this.#ids.set(name, id);
    for (const pair of this) if (pair.from === name || pair.to === name) this.#place(pair);
  }

  /** The port of this name, and so its id, is gone. Its pairs stay. */
  unname(name: string): void {
    const id = this.#ids.get(name);
    if (id === undefined) return;
    this.#ids.delete(name);
    this.rows[id] = undefined;
    for (let from = 0; from < this.rows.length; from++) this.#write(from, id, undefined);
  }

  *[Symbol.iterator](): IterableIterator<Pair> {
    for (const pairs of this.#byName.values()) yield* pairs.values();
  }

  #place(pair: Pair): void {
    const from = this.#ids.get(pair.from), to = this.#ids.get(pair.to);
    if (from !== undefined && to !== undefined) this.#write(from, to, pair);
  }

  #write(from: number, to: number, pair: Pair | undefined): void {
    const row = this.rows[from];
    if (row?.[to] === pair) return;
    const next = row ? [...row] : new Array(ROW_LENGTH).fill(undefined);
    next[to] = pair;
    this.rows[from] = next.some((one) => one !== undefined) ? next : undefined;
  }
}

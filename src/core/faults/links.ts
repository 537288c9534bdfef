/**
 * Faults of a network, as they are asked for, and their checks.
 *
 * The words and their meaning are the field's: partitions by shape are Jepsen's, shapes of a link tc-netem's. Members are named
 * by their names in the store; `gateway` is the group's way to the host and beyond.
 */

import { bad, flag, MAX_MS, names, numberIn, oneOf, only, record, whole } from "./values.ts";

/**
 * Which members a partition cuts off from which: `one` from the others; a `majority` from a minority; two halves from each
 * other, but for a `bridge` that both reach; in a `majorities-ring` each reaches a majority, and no two the same one; `isolate`:
 * all of them.
 *
 * @example
 * ```ts
 * import { type PartitionShape, startCluster } from "fleetbox";
 *
 * const shapes: PartitionShape[] = ["one", "majorities-ring"];
 * await using cluster = await startCluster(["a", "b", "c"], { egress: "off" });
 * for (const shape of shapes) await (await cluster.partition(shape)).heal();
 * ```
 */
export type PartitionShape = "one" | "majority" | "majorities-ring" | "bridge" | "isolate";

/** All of them. */
export const PARTITION_SHAPES: readonly PartitionShape[] = [
  "one",
  "majority",
  "majorities-ring",
  "bridge",
  "isolate",
];

type Distribution = "uniform" | "normal" | "pareto" | "paretonormal";

/** How the delays of a link can be spread. */
export const DISTRIBUTIONS: readonly Distribution[] = ["uniform", "normal", "pareto", "paretonormal"];

/**
 * What a link does to frames, in tc-netem's words. Probabilities and correlations are from 0 to 1.
 *
 * @example
 * ```ts
 * import { type LinkShape, startCluster } from "fleetbox";
 *
 * const slow: LinkShape = { delayMs: 50, jitterMs: 10, distribution: "normal", loss: 0.01 };
 * await using cluster = await startCluster(["a", "b"], { egress: "off" });
 * await using fault = await cluster.shape({ from: ["a"], ...slow });
 * console.log(fault.what);
 * ```
 */
export interface LinkShape {
  /** Each frame is late by so many milliseconds, to which `jitterMs` adds chance. @default 0 */
  delayMs?: number;
  /** The spread of the delay, in milliseconds. @default 0 */
  jitterMs?: number;
  /** How much a delay depends on the one before. @default 0 */
  correlation?: number;
  /** How delays are spread. @default "uniform" */
  distribution?: "uniform" | "normal" | "pareto" | "paretonormal";
  /** The probability that a frame is lost. @default 0 */
  loss?: number;
  /** How much a loss depends on the one before. @default 0 */
  lossCorrelation?: number;
  /**
   * Loss in bursts, by Gilbert and Elliott: the probability `p` of a turn to bad and `r` of a turn to good, of loss while it is bad
   * (1 - `h`) and while it is good (1 - `k`).
   */
  lossGemodel?: { p: number; r: number; h: number; k: number };
  /** Loss by a Markov chain of four states: 1 received, 2 received in a burst, 3 lost in a burst, 4 lost alone. */
  lossState?: { p13: number; p31: number; p32: number; p23: number; p14: number };
  /** The probability that a frame comes twice. @default 0 */
  duplicate?: number;
  /** How much a duplication depends on the one before. @default 0 */
  duplicateCorrelation?: number;
  /** The probability that a frame is not delayed, and so overtakes others. Needs a delay. @default 0 */
  reorder?: number;
  /** How much that depends on the one before. @default 0 */
  reorderCorrelation?: number;
  /** Only each so many-th frame may overtake. @default 1 */
  gap?: number;
  /** The probability that one bit of a frame's payload is flipped. @default 0 */
  corrupt?: number;
  /** How much that depends on the one before. @default 0 */
  corruptCorrelation?: number;
  /** Bits a second. @default no limit */
  rateBitsPerSecond?: number;
  /** How many frames may wait; further ones are dropped. @default 1000 */
  limit?: number;
}

/** Cuts groups of members off from each other: named sets, or sets that a shape makes of all members. */
export interface PartitionFault {
  kind: "partition";
  /** Members of different sets do not reach each other. */
  sets?: string[][];
  /** Instead of `sets`. */
  shape?: PartitionShape;
  /** Of which members the shape is made. @default all that run */
  of?: string[];
  /** Only frames from an earlier set to a later one are dropped. @default false */
  oneWay?: boolean;
}

/** Drops every frame of these members to those. */
export interface DropFault {
  kind: "drop";
  /** @default all members */
  from?: string[];
  /** @default all members */
  to?: string[];
}

/** Holds frames between members until the fault ends; then they are delivered, in order. */
export interface HoldFault {
  kind: "hold";
  /** Frames between different sets. */
  sets: string[][];
  oneWay?: boolean;
}

/** A partition that comes and goes. It begins with `downMs`. */
export interface FlapFault {
  kind: "flap";
  sets: string[][];
  /** How long the members are cut off, in milliseconds. */
  downMs: number;
  /** How long they are not, in milliseconds. */
  upMs: number;
}

/** Makes links slow, lossy and so on. */
export interface ShapeFault {
  kind: "shape";
  from?: string[];
  to?: string[];
  shape: LinkShape;
}

export type LinkFault = PartitionFault | DropFault | HoldFault | FlapFault | ShapeFault;

/** Waiting frames are kept in the holder's memory. */
const MAX_LIMIT = 100_000;
const MAX_RATE = 1e12;

/** By kind; each throws {FleetboxError} `misuse`. */
export const LINK_CHECKS: Record<LinkFault["kind"], (spec: Record<string, unknown>) => void> = {
  partition(spec) {
    only(spec, ["kind", "sets", "shape", "of", "oneWay"]);
    if ((spec.sets === undefined) === (spec.shape === undefined)) {
      bad("a partition", spec.sets, "sets of members, or else a shape");
    }
    if (spec.sets !== undefined) sets(spec.sets);
    if (spec.shape !== undefined) oneOf("shape", spec.shape, PARTITION_SHAPES);
    if (spec.of !== undefined) names("of", spec.of);
    flag("oneWay", spec.oneWay);
    if (spec.oneWay && spec.shape !== undefined && spec.shape !== "one" && spec.shape !== "majority") {
      bad("shape", spec.shape, "one or majority, when only one way is cut: the others have no sides");
    }
  },
  drop(spec) {
    only(spec, ["kind", "from", "to"]);
    ends(spec);
    if (spec.from === undefined && spec.to === undefined) bad("drop", undefined, "from, to, or both");
  },
  hold(spec) {
    only(spec, ["kind", "sets", "oneWay"]);
    sets(spec.sets);
    flag("oneWay", spec.oneWay);
  },
  flap(spec) {
    only(spec, ["kind", "sets", "downMs", "upMs"]);
    sets(spec.sets);
    for (const key of ["downMs", "upMs"]) numberIn(key, spec[key], 10, MAX_MS);
  },
  shape(spec) {
    only(spec, ["kind", "from", "to", "shape"]);
    ends(spec);
    checkShape(spec.shape);
  },
};

type ShapeCheck = (key: string, value: unknown) => void;
const probability: ShapeCheck = (key, value) => numberIn(key, value, 0, 1);
const probabilities = (...keys: string[]): ShapeCheck => (key, value) => {
  const parts = record(value, key);
  only(parts, keys, key);
  for (const part of keys) probability(`${key}.${part}`, parts[part]);
};

const SHAPE: Record<keyof LinkShape, ShapeCheck> = {
  delayMs: (key, value) => numberIn(key, value, 0, MAX_MS),
  jitterMs: (key, value) => numberIn(key, value, 0, MAX_MS),
  correlation: probability,
  distribution: (key, value) => oneOf(key, value, DISTRIBUTIONS),
  loss: probability,
  lossCorrelation: probability,
  lossGemodel: probabilities("p", "r", "h", "k"),
  lossState: probabilities("p13", "p31", "p32", "p23", "p14"),
  duplicate: probability,
  duplicateCorrelation: probability,
  reorder: probability,
  reorderCorrelation: probability,
  gap: (key, value) => whole(key, value, 1, 1_000_000),
  corrupt: probability,
  corruptCorrelation: probability,
  rateBitsPerSecond: (key, value) => numberIn(key, value, 1, MAX_RATE),
  limit: (key, value) => whole(key, value, 1, MAX_LIMIT),
};

/** What each of these needs beside it, to take effect. */
const NEEDS: [keyof LinkShape, (keyof LinkShape)[]][] = [
  ["correlation", ["jitterMs"]],
  ["distribution", ["jitterMs"]],
  ["lossCorrelation", ["loss"]],
  ["duplicateCorrelation", ["duplicate"]],
  ["reorder", ["delayMs"]],
  ["reorderCorrelation", ["reorder"]],
  ["gap", ["reorder"]],
  ["corruptCorrelation", ["corrupt"]],
  ["limit", ["delayMs", "jitterMs", "rateBitsPerSecond"]],
];

/** @throws {FleetboxError} `misuse`: also a part that would have no effect */
function checkShape(value: unknown): void {
  const shape = record(value, "a shape");
  only(shape, Object.keys(SHAPE), "shape");
  const given = Object.keys(shape).filter((key) => shape[key] !== undefined) as (keyof LinkShape)[];
  if (given.length === 0) bad("shape", shape, "at least one of delayMs, loss, rateBitsPerSecond, …");
  for (const key of given) SHAPE[key](key, shape[key]);
  for (const [key, needs] of NEEDS) {
    if (shape[key] === undefined || needs.some((one) => Number(shape[one] ?? 0) > 0)) continue;
    bad(key, shape[key], `${needs.join(" or ")} beside it: it has no effect alone`);
  }
  const losses = (["loss", "lossGemodel", "lossState"] as const).filter((key) => shape[key] !== undefined);
  if (losses.length > 1) bad(losses[1], shape[losses[1]], `one model of loss: ${losses[0]} is given, too`);
}

/** At least two sets of members, and no member in two of them. */
function sets(value: unknown): void {
  if (!Array.isArray(value) || value.length < 2) bad("sets", value, "at least two sets of members, such as a,b and c");
  for (const set of value) names("sets", set);
  const all = value.flat();
  const twice = all.find((name, index) => all.indexOf(name) !== index);
  if (twice !== undefined) bad("sets", value, `each member in one set: "${twice}" is in two`);
}

function ends({ from, to }: Record<string, unknown>): void {
  if (from !== undefined) names("from", from);
  if (to !== undefined) names("to", to);
}

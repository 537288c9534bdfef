/**
 * What a random plan is made of: packages of faults, and whom they hit.
 *
 * One that is added here can be asked for everywhere: add its name and its maker, and document it in `docs/faults.md`.
 */

import type { FaultSpec, PartitionShape } from "../faults.ts";
import { type Random, shuffled } from "../random.ts";

/**
 * What a random plan may do: `packet` makes links late, lossy or out of order, `fill` a file system full, `disk` a disk slow.
 *
 * @example
 * ```ts
 * import { type FaultPackage, startCluster } from "fleetbox";
 *
 * const faults: FaultPackage[] = ["partition", "packet", "pause"];
 * await using cluster = await startCluster(["a", "b", "c"], { egress: "off" });
 * await using nemesis = cluster.nemesis({ faults, durationMs: 5_000 });
 * await nemesis.done;
 * ```
 */
export type FaultPackage =
  | ("partition" | "one-way" | "packet" | "hold" | "flap")
  | ("pause" | "cpu" | "clock" | "memory" | "fill" | "disk");

/** What a maker draws a fault from. */
export interface Draw {
  random: Random;
  /** All members, in order. */
  members: readonly string[];
  /** Those that it hits. */
  hit: readonly string[];
  /** Whether these are meant, and no others would do as well: a partition then cuts them off. */
  isMeant: boolean;
}

/** By package. None is made when there is nothing to hit. Pure. */
export const MAKERS: Record<FaultPackage, (draw: Draw) => FaultSpec[]> = {
  partition(draw) {
    const { random, members } = draw;
    if (draw.isMeant) return between(draw, 1, (sets) => ({ kind: "partition", sets }));
    const shapes = members.length < 3 ? SHAPES.slice(0, 1) : SHAPES;
    const shape = shapes[random.below(shapes.length)];
    if (shape !== "one" && shape !== "majority") return [{ kind: "partition", shape, of: [...members] }];
    const first = shape === "one" ? 1 : minorityOf(members.length);
    return between(draw, first, (sets) => ({ kind: "partition", sets }));
  },
  "one-way": (draw) => between(draw, 1, (sets) => ({ kind: "partition", sets, oneWay: true })),
  packet({ random, hit }) {
    const shapes = [
      { delayMs: 10 + random.below(300), jitterMs: 1 + random.below(50), distribution: "normal" as const },
      { loss: round(0.02 + 0.3 * random.next()) },
      { delayMs: 5 + random.below(50), reorder: round(0.05 + 0.3 * random.next()), duplicate: 0.05 },
      { lossGemodel: { p: 0.05, r: 0.3, h: 0.3, k: 1 } },
    ];
    const shape = shapes[random.below(shapes.length)];
    return hit.length === 0 ? [] : [{ kind: "shape", from: [...hit], shape }];
  },
  hold: (draw) => between(draw, 1, (sets) => ({ kind: "hold", sets })),
  flap(draw) {
    const [downMs, upMs] = [200 + draw.random.below(2_000), 200 + draw.random.below(2_000)];
    return between(draw, 1, (sets) => ({ kind: "flap", sets, downMs, upMs }));
  },
  pause: ({ hit }) => hit.map((member) => ({ kind: "pause", member })),
  cpu({ random, hit }) {
    const share = round(0.05 + 0.45 * random.next());
    return hit.map((member) => ({ kind: "cpu", member, share }));
  },
  clock({ random, hit }) {
    const changes = [
      { bumpMs: (random.below(2) === 0 ? 1 : -1) * (100 + random.below(60_000)) },
      { rate: round(random.below(2) === 0 ? 0.95 - 0.05 * random.next() : 1.05 + 0.05 * random.next()) },
      { strobeMs: 50 + random.below(2_000), periodMs: 200 + random.below(1_000) },
    ];
    const change = changes[random.below(changes.length)];
    return hit.map((member) => ({ kind: "clock", member, ...change }));
  },
  memory({ random, hit }) {
    const availableMiB = 16 + random.below(64);
    return hit.map((member) => ({ kind: "memory", member, availableMiB }));
  },
  fill({ random, hit }) {
    const share = round(0.9 + 0.1 * random.next());
    return hit.map((member) => ({ kind: "fill", member, share }));
  },
  // It is slow, and does not fail: a file system does not come back from that by itself in the quiet time.
  disk({ random, hit }) {
    const slow = [
      { on: ["flush" as const], latencyMs: 20 + random.below(480) },
      { on: ["write" as const, "flush" as const], latencyMs: 5 + random.below(95) },
      { iops: 20 + random.below(180) },
    ];
    const how = slow[random.below(slow.length)];
    return hit.map((member) => ({ kind: "disk", member, ...how }));
  },
};

/** All of them. */
export const PACKAGES = Object.keys(MAKERS) as readonly FaultPackage[];

const SHAPES: PartitionShape[] = ["one", "majority", "majorities-ring", "bridge", "isolate"];

/**
 * How many members a fault of machines or of packets of a random plan hits; `minority-third`: less than a third. `primaries`: those that
 * lead at its time, which the test tells; every package hits these.
 *
 * @example
 * ```ts
 * import { type FaultTargets, startCluster } from "fleetbox";
 *
 * const targets: FaultTargets[] = ["one", "minority"];
 * await using cluster = await startCluster(["a", "b", "c"], { egress: "off" });
 * await using nemesis = cluster.nemesis({ faults: ["pause"], targets, durationMs: 5_000 });
 * await nemesis.done;
 * ```
 */
export type FaultTargets = "one" | "minority" | "majority" | "minority-third" | "all" | "primaries";

type FixedTargets = Exclude<FaultTargets, "primaries">;

const COUNTS: Record<FixedTargets, (members: number) => number> = {
  "one": () => 1,
  "minority": minorityOf,
  "majority": (members) => Math.floor(members / 2) + 1,
  "minority-third": (members) => Math.max(1, Math.floor((members - 1) / 3)),
  "all": (members) => members,
};

/** Those that are known when the plan is made. */
export const FIXED_TARGETS = Object.keys(COUNTS) as readonly FixedTargets[];

/** All of them. */
export const TARGETS: readonly FaultTargets[] = [...FIXED_TARGETS, "primaries"];

/** Some members, as one of these words means. */
export function chosen(random: Random, members: readonly string[], target: FixedTargets): string[] {
  return shuffled(random, members).slice(0, COUNTS[target](members.length)).sort();
}

function minorityOf(count: number): number {
  return Math.max(1, Math.floor((count - 1) / 2));
}

/** A fault between two sets: those that are meant and the others; else so many, by chance, and the others. */
function between(
  { random, members, hit, isMeant }: Draw,
  first: number,
  fault: (sets: string[][]) => FaultSpec,
): FaultSpec[] {
  const order = isMeant ? [...hit, ...members.filter((one) => !hit.includes(one))] : shuffled(random, members);
  const at = isMeant ? hit.length : first;
  const sets = [order.slice(0, at).sort(), order.slice(at).sort()];
  return sets.every((set) => set.length > 0) ? [fault(sets)] : [];
}

function round(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}

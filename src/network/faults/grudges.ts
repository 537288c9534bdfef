/**
 * Which members a partition cuts off from which, by its shape, in Jepsen's sense (jepsen.nemesis: `partition-random-node`,
 * `bisect`, `majorities-ring`, `bridge`). Pure: the same names and seed give the same pairs, in whatever order the names come.
 */

import type { PartitionShape } from "../../core/faults.ts";
import { randomStream, shuffled } from "../../core/random.ts";

/**
 * The ordered pairs, from whom to whom, of which frames are dropped.
 * - `one`: one member is cut off from the others;
 * - `majority`: less than half of the members are cut off from the others;
 * - `majorities-ring`: each member hears a majority, and no two hear the same one;
 * - `bridge`: two halves are cut off from each other, but for one member that both reach;
 * - `isolate`: each member is alone.
 * @param oneWay only what goes from a first part to a later one is dropped: from the one, from the minority
 */
export function grudgePairs(
  names: readonly string[],
  shape: PartitionShape,
  seed: number,
  oneWay = false,
): [from: string, to: string][] {
  const order = shuffled(randomStream(seed, "partition"), [...names].sort());
  const isCut = SHAPES[shape](order.length);
  return order.flatMap((from, i) =>
    order.flatMap((to, j): [string, string][] => i !== j && !(oneWay && i > j) && isCut(i, j) ? [[from, to]] : [])
  );
}

/** Whether frames from the i-th of so many members to the j-th are dropped. */
const SHAPES: Record<PartitionShape, (count: number) => (i: number, j: number) => boolean> = {
  one: () => (i, j) => (i === 0) !== (j === 0),
  majority: (count) => (i, j) => isFirstHalf(i, count) !== isFirstHalf(j, count),
  "majorities-ring": (count) => {
    const majority = Math.floor(count / 2) + 1;
    const before = Math.floor(majority / 2);
    // A member hears those around it on the ring: so many places before it, and the rest of a majority behind it.
    return (i, j) => (i - j + before + count) % count >= majority;
  },
  bridge: (count) => {
    const bridge = Math.floor(count / 2);
    return (i, j) => i !== bridge && j !== bridge && isFirstHalf(i, count) !== isFirstHalf(j, count);
  },
  isolate: () => () => true,
};

function isFirstHalf(index: number, count: number): boolean {
  return index < Math.floor(count / 2);
}

/**
 * What the faults of a group mean for each ordered pair of its members. Pure.
 *
 * The pairs of a partition are decided once, when it begins, and written down with it: who joins later is no part of it. A drop
 * or a shape without `from` or `to` means all members, also those that join later. The gateway is in a pair only where it is named.
 */

import { type FaultSpec, GATEWAY, isOfMachine, type LinkShape } from "../../core/faults.ts";
import { faultText } from "../../core/faults/text.ts";
import type { FaultCounts, LinkConditions } from "../../network/faults/conditions.ts";
import { grudgePairs } from "../../network/faults/grudges.ts";
import type { StoredFault } from "../../store/records.ts";
import type { FaultEvent } from "../../wire.ts";

/** From whom, to whom. */
export type Pair = [from: string, to: string];

/** A fault, without its times. */
export type Fault = Omit<StoredFault, "began_at" | "ends_at">;

/** A fault as it is now. */
export interface PresentFault extends Fault {
  /** Whether it has an effect at this moment: a flap comes and goes. */
  isOn: boolean;
}

/** The pairs that a fault is about, which stay the same while it lasts; undefined: they follow the group. */
export function fixedPairs(spec: FaultSpec, members: readonly string[], seed: number): Pair[] | undefined {
  switch (spec.kind) {
    case "partition":
      if (spec.sets) return pairsBetween(spec.sets, spec.oneWay);
      return grudgePairs(spec.of ?? members, spec.shape!, seed, spec.oneWay);
    case "hold":
    case "flap":
      return pairsBetween(spec.sets, spec.kind === "hold" && spec.oneWay);
    default:
      return undefined;
  }
}

/** Each member of a set with each member of another one: of a later one first, and unless it is one way, of an earlier one. */
export function pairsBetween(sets: readonly (readonly string[])[], oneWay = false): Pair[] {
  const pairs: Pair[] = [];
  sets.forEach((some, index) => {
    for (const others of sets.slice(index + 1)) {
      for (const a of some) for (const b of others) pairs.push([a, b], ...(oneWay ? [] : [[b, a] as Pair]));
    }
  });
  return pairs;
}

/** The pairs that a fault is about now. */
export function pairsOf({ spec, pairs }: Fault, members: readonly string[]): Pair[] {
  if (pairs) return pairs;
  if (spec.kind !== "drop" && spec.kind !== "shape") return [];
  const { from = members, to = members } = spec;
  return from.flatMap((a) => to.filter((b) => b !== a).map((b): Pair => [a, b]));
}

/** The conditions of a pair, all of them. */
export interface AllConditions extends LinkConditions {
  cuts: string[];
  holds: string[];
  shapes: { id: string; seed: number; shape: LinkShape }[];
}

/** The conditions of every pair that has any, by {@link pairKey}. */
export function conditionsOf(faults: readonly PresentFault[], members: readonly string[]): Map<string, AllConditions> {
  const all = new Map<string, AllConditions>();
  for (const fault of faults) {
    if (!fault.isOn) continue;
    const { id, spec, seed } = fault;
    for (const pair of pairsOf(fault, members)) {
      const key = pairKey(pair);
      const conditions = all.get(key) ?? { cuts: [], holds: [], shapes: [] };
      all.set(key, conditions);
      if (spec.kind === "shape") conditions.shapes.push({ id, seed, shape: spec.shape });
      else if (spec.kind === "hold") conditions.holds.push(id);
      else conditions.cuts.push(id);
    }
  }
  return all;
}

/** Whether the conditions of a pair are of the same faults. */
export function areSame(one: AllConditions | undefined, other: AllConditions | undefined): boolean {
  if (!one || !other) return one === other;
  const isEqual = (some: string[], others: string[]) =>
    some.length === others.length && some.every((id, index) => id === others[index]);
  return isEqual(one.cuts, other.cuts) && isEqual(one.holds, other.holds) &&
    one.shapes.length === other.shapes.length && one.shapes.every(({ id }, index) => id === other.shapes[index].id);
}

export function pairKey([from, to]: Pair): string {
  return `${from} ${to}`;
}

/** The members that a fault touches, for reports. */
export function membersOf(fault: Fault, members: readonly string[]): string[] {
  if (isOfMachine(fault.spec)) return [fault.spec.member];
  return [...new Set(pairsOf(fault, members).flat())].filter((name) => name !== GATEWAY);
}

/** A fault's begin or end, for clients that watch. */
export function faultEvent(event: FaultEvent["event"], fault: Fault, members: readonly string[]): FaultEvent {
  const { id, spec } = fault;
  return { event, id, kind: spec.kind, what: faultText(spec), members: membersOf(fault, members) };
}

/** What a fault has done to links, without what it has not done. */
export function linkCounts({ id }: Fault, counts: ReadonlyMap<string, FaultCounts>): Record<string, number> {
  return Object.fromEntries(Object.entries(counts.get(id) ?? {}).filter(([, count]) => count > 0));
}

/** Whether a fault is one of this member's machine. */
export function isOn(spec: Fault["spec"], name: string): boolean {
  return isOfMachine(spec) && spec.member === name;
}

/**
 * Forks of a checkpoint: new members in a group of their own, which go on where the saved ones were.
 *
 * They have the saved members' host names and addresses, and names of their own in the store: `run1-a` is the fork's `a`.
 */

import { codeOf, FleetboxError } from "../../core/errors.ts";
import { listed, MAX_NAME_LENGTH } from "../../core/names.ts";
import type { Options } from "../../core/options.ts";
import { exists } from "../../system/files.ts";
import type { Store } from "../../store.ts";
import { type CheckpointManifest, isLinkOf, snapshotPaths } from "../../store/snapshots.ts";
import type { GroupFacts, MemberFacts } from "../observe.ts";
import type { Plan } from "../plan.ts";
import { isInStore } from "../remove.ts";

/** A fork's members: the name at the save by the new name, in the order of the checkpoint. */
export type ForkMembers = Record<string, string>;

/** @param as what the new names begin with @throws {FleetboxError} `misuse`: they would be no names */
export function forkMembers({ name, members }: CheckpointManifest, as: string): ForkMembers {
  return Object.fromEntries(
    Object.entries(members).map(([was, { host_name }]) => [checkForkName(`${as}-${host_name}`, name), was]),
  );
}

function checkForkName(name: string, checkpoint: string): string {
  if (name.length <= MAX_NAME_LENGTH) return name; // both parts are names
  const found = `"${name}" has ${name.length} characters, expected at most ${MAX_NAME_LENGTH}`;
  throw new FleetboxError("misuse", `Cannot name the members of a fork of "${checkpoint}": ${found}`, {
    hint: `Choose a shorter beginning: fleetbox fork ${checkpoint} --as run1`,
  });
}

/** The options with which the holder of a fork is started. */
export function forkOptions(checkpoint: string, members: ForkMembers, options: Options): Options {
  return { ...options, snapshot: { checkpoint, members } };
}

/**
 * The next step of a fork: its members are new, or it is refused.
 * @param isUnmade whether a stored member is what a fork left that was killed before its machine went on
 */
export function planFork(
  members: readonly MemberFacts[],
  groups: readonly GroupFacts[],
  { checkpoint, isUnmade }: { checkpoint: string; isUnmade: (member: MemberFacts) => boolean },
): Plan {
  const returning = groups.filter(({ isComingBack }) => isComingBack).flatMap(({ machinesAlive }) => machinesAlive);
  const present = presentMembers(members, groups);
  const left = present.filter((one) => !one.report && !one.silence && !returning.includes(one.name) && isUnmade(one));
  const others = present.filter((one) => !left.includes(one)).map(({ name }) => name);
  if (others.length > 0) return { step: "refuse", error: areThere(others, checkpoint) };
  if (left.length > 0) return { step: "replace", names: left.map(({ name }) => name) };
  return { step: "spawn", names: members.map(({ name }) => name), adopted: [], alsoAdopted: [] };
}

/** Those of whom anything is there: in the store, at a holder, as a machine. */
export function presentMembers(members: readonly MemberFacts[], groups: readonly GroupFacts[]): MemberFacts[] {
  const machines = groups.flatMap(({ machinesAlive }) => machinesAlive);
  return members.filter(({ name, stored, report, silence }) => stored || report || silence || machines.includes(name));
}

/**
 * {@link planFork}'s question, asked of the store: nothing of a user's is in a member that has no console log yet, or that would go
 * on from the checkpoint.
 */
export function isUnmadeFork(store: Store, checkpoint: string, members: ForkMembers): (member: MemberFacts) => boolean {
  const { member: savedAt } = snapshotPaths(store).checkpoint(checkpoint);
  return ({ name, stored }) =>
    stored !== undefined && "config" in stored && stored.config.from_checkpoint === checkpoint &&
    stored.config.disk_file === undefined && // else a restore was killed: beside it is the disk that it had before
    (!exists(store.member(name).serialLog) || isLinkOf(store, name, savedAt(members[name])));
}

function areThere(names: string[], checkpoint: string): FleetboxError {
  const what = names.length > 1 ? "are members" : "is a member";
  return new FleetboxError("conflict", `Cannot fork "${checkpoint}": there ${what} ${listed(names)} already`, {
    hint: `Choose another beginning with --as, or remove it: fleetbox rm ${names.join(" ")}`,
  });
}

/** `seeded-1`, `seeded-2`, …: the first with which none of a fork's members is in the store. */
export function freeBeginning(store: Store, manifest: CheckpointManifest): string {
  for (let number = 1;; number++) {
    const as = `${manifest.name}-${number}`;
    if (!Object.keys(forkMembers(manifest, as)).some((name) => isInStore(store, name))) return as;
  }
}

/** How often another command may take a free name first. */
const MAX_ATTEMPTS = 20;

/** Does a fork under the first free name; under the next one, when another command takes that at the same moment. */
export async function withFreeBeginning<T>(
  store: Store,
  manifest: CheckpointManifest,
  fork: (as: string) => Promise<T>,
): Promise<T> {
  for (let attempt = 1;; attempt++) {
    const as = freeBeginning(store, manifest);
    try {
      return await fork(as);
    } catch (thrown) {
      const wasTaken = codeOf(thrown) === "conflict" && freeBeginning(store, manifest) !== as;
      if (!wasTaken || attempt === MAX_ATTEMPTS) throw thrown;
    }
  }
}

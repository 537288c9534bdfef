/**
 * Decides what a new holder does with the machines of an earlier one: a pure function from facts to a verdict.
 *
 * A killed detached holder's machines run on. A new detached holder for any of them adopts the whole group, with its
 * gateway and its port forwards, and boots its other members. A bound group ends with its holder: its remaining
 * processes are ended, never adopted. A bound holder does not adopt machines either, because they would outlive it.
 * Facts come from the groups' records and from the processes themselves (id and start time); the caller tries the
 * sockets.
 */

import { FleetboxError } from "../../core/errors.ts";
import { cannotBind, fateOf, liveMembers } from "../../store/orphans.ts";
import type { ProcessIdentity } from "../../system/process.ts";
import type { GroupRecord } from "../../store.ts";

interface RecoveryFacts {
  /** The names that the new holder was started for, in order. */
  names: readonly string[];
  /** Whether the new holder is bound. */
  bound: boolean;
  records: readonly GroupRecord[];
  isAlive(process: ProcessIdentity): boolean;
}

export interface Recovery {
  /** Machines to adopt. */
  adopt: { name: string; process: ProcessIdentity; wasRunning: boolean }[];
  /** Names to boot. */
  boot: string[];
  /** The record of the group to adopt. */
  record?: GroupRecord;
  /** Records to delete once the doomed are gone: nothing else of their groups is left. */
  stale: GroupRecord[];
  /** Remaining processes of dead groups: to be ended. */
  doomed: ProcessIdentity[];
}

/**
 * Decides what to adopt, what to boot and what to end.
 * @throws {FleetboxError} `conflict`: the names are in two groups that both still have machines; or the new holder is
 * bound, and a detached holder's machine of that name runs.
 */
export function recover({ names, bound, records, isAlive }: RecoveryFacts): Recovery {
  const running = (record: GroupRecord) => liveMembers(record, isAlive);
  const ended = records.filter((record) => fateOf(record, isAlive) === "sweep");
  const kept = records.filter((record) => fateOf(record, isAlive) === "adopt");
  const doomed = ended.flatMap((
    { hypervisors, gateway },
  ) => [...Object.values(hypervisors), ...(gateway ? [gateway] : [])])
    .filter(isAlive);

  const wanted = kept.filter((record) => running(record).some((name) => names.includes(name)));
  if (bound && wanted.length > 0) throw cannotBind(running(wanted[0]).find((name) => names.includes(name))!);
  if (wanted.length > 1) throw cannotMerge(wanted.map(running));
  const record = wanted[0];
  if (!record) return { adopt: [], boot: [...names], stale: ended, doomed };
  const adopt = running(record).map((name) => ({
    name,
    process: record.hypervisors[name],
    wasRunning: record.running.includes(name),
  }));
  const boot = names.filter((name) => !adopt.some((one) => one.name === name));
  return { adopt, boot, record, stale: ended, doomed };
}

/**
 * The same for a holder that a guardian has started for the machines that lived when it looked: what has ended since then is not booted, for
 * somebody may have stopped it.
 * @throws {FleetboxError} `conflict`: none of them is left
 */
export function ofComeback(recovery: Recovery): Recovery {
  if (recovery.adopt.length > 0) return { ...recovery, boot: [] };
  throw new FleetboxError("conflict", "The machines that were to be adopted have ended meanwhile");
}

function cannotMerge([one, two]: string[][]): FleetboxError {
  return new FleetboxError(
    "conflict",
    `Two groups lost their holders, and two networks cannot merge: ${one.join(", ")} and ${two.join(", ")}`,
    { hint: `Start them one after the other: fleetbox up ${one[0]}` },
  );
}

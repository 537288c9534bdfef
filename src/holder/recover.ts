/**
 * What a new holder does about machines that an earlier one left: a pure function from facts to a verdict.
 *
 * A killed holder's machines run on. A holder that is asked for any of them takes the whole group back, with its gateway
 * and its forwarded ports, and boots what was asked for and does not run. Facts come from the groups' records and from
 * the processes themselves (id and start time); sockets are tried by whoever carries the verdict out.
 */

import { FleetboxError } from "../errors.ts";
import type { ProcessIdentity } from "../process.ts";
import type { GroupRecord } from "../store.ts";

export interface RecoveryFacts {
  /** The names that the new holder was started for, in order. */
  names: readonly string[];
  records: readonly GroupRecord[];
  isAlive(process: ProcessIdentity): boolean;
}

export interface Recovery {
  /** Machines to take over. */
  adopt: { name: string; process: ProcessIdentity; wasRunning: boolean }[];
  /** Names to boot. */
  boot: string[];
  /** The record of the group that is taken back. */
  record?: GroupRecord;
}

/**
 * Decides what to adopt and what to boot.
 * @throws {FleetboxError} `conflict`: the names are in two groups that both still have machines.
 */
export function recover({ names, records, isAlive }: RecoveryFacts): Recovery {
  const orphaned = records.filter((record) => !isAlive(record.holder));
  const alive = (record: GroupRecord) =>
    Object.entries(record.hypervisors).filter(([, process]) => isAlive(process)).map(([name]) => name);
  const wanted = orphaned.filter((record) => alive(record).some((name) => names.includes(name)));
  if (wanted.length > 1) {
    const [one, two] = wanted.map((record) => alive(record).join(", "));
    throw new FleetboxError(
      "conflict",
      `Two groups lost their holders, and two networks cannot merge: ${one} and ${two}`,
      {
        hint: `Start them one after the other: fleetbox up ${alive(wanted[0])[0]}`,
      },
    );
  }
  const record = wanted[0];
  if (!record) return { adopt: [], boot: [...names] };
  const adopt = alive(record).map((name) => ({
    name,
    process: record.hypervisors[name],
    wasRunning: record.running.includes(name),
  }));
  const boot = names.filter((name) => !adopt.some((one) => one.name === name));
  return { adopt, boot, record };
}

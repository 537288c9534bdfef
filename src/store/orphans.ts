/**
 * Groups whose holders were killed: finding their running machines, and sweeping groups without any.
 *
 * A holder writes its group's record before it starts anything, and each process's identity as soon as it knows it. A
 * holder that dies in between leaves hypervisors that no record names: they are found by the control socket in their
 * command lines, which is of this store and of one member alone. Both halves ask here, so `ls`, `up` and a new
 * holder see the same.
 */

import { Limit, pause } from "../core/deadline.ts";
import { FleetboxError } from "../core/errors.ts";
import { isAnswered } from "../system/sockets.ts";
import { identify, isAlive, type ProcessIdentity } from "../system/process.ts";
import { removeIfThere } from "../system/files.ts";
import { sweepUnmade } from "./unmade.ts";
import { findHypervisors } from "../vmm/processes.ts";
import { isHeldElsewhere } from "./elsewhere.ts";
import type { GroupRecord, Store } from "../store.ts";

/** Every group's record; running machines that are missing are added to the records of dead holders. */
export function completeRecords(store: Store): GroupRecord[] {
  const records = store.groupRecords();
  const orphaned = records.filter(({ holder }) => !isAlive(holder));
  const wanted = new Map<string, (pid: number) => void>();
  const want = (socket: string, note: (found: ProcessIdentity) => void) =>
    wanted.set(socket, (pid) => {
      const found = identify(pid);
      if (found) note(found);
    });
  for (const record of orphaned) {
    for (const name of record.members) {
      const known = record.hypervisors[name];
      if (known && isAlive(known)) continue;
      // It may have booted in another group since: that group's machine is not this one's.
      if (isElsewhere(store, name, record, records)) continue;
      want(store.member(name).qmpSocket, (found) => record.hypervisors[name] = found);
    }
    if (record.gateway && isAlive(record.gateway)) continue;
    want(store.group(record.id).gatewayQmpSocket, (found) => record.gateway = found);
  }
  if (wanted.size > 0) findHypervisors(wanted);
  return records;
}

/** How long a killed holder may remain a process after its sockets are gone. */
const DYING_MS = 2_000;

/**
 * The records, read when no holder of these members is dying: a holder's sockets close a moment before its process is
 * gone. A reader in between would not see its machines, and boot others beside them.
 */
export async function settledRecords(store: Store, names: readonly string[]): Promise<GroupRecord[]> {
  using limit = new Limit(DYING_MS);
  for (;;) {
    const records = completeRecords(store);
    const dying = await Promise.all(records.map((record) => isDying(store, record, names)));
    if (!dying.includes(true) || limit.signal.aborted) return records;
    await pause(10);
  }
}

async function isDying(store: Store, record: GroupRecord, names: readonly string[]): Promise<boolean> {
  const { holder, served } = record;
  if (isHeldElsewhere(record) || !isAlive(holder)) return false;
  const answers = served.filter((name) => names.includes(name)).map((name) => isAnswered(store.memberSocket(name)));
  return (await Promise.all(answers)).includes(false);
}

/** Whether a member's latest boot was in another group, by its config and the other records. */
function isElsewhere(store: Store, name: string, { id }: GroupRecord, records: readonly GroupRecord[]): boolean {
  const stored = store.readMember(name);
  const bootedIn = stored && "config" in stored ? stored.config.group : undefined;
  if (bootedIn !== undefined) return bootedIn !== id;
  return records.some((other) => other.id !== id && other.hypervisors[name] && isAlive(other.hypervisors[name]));
}

/** The members of a group whose hypervisors run. */
export function liveMembers(record: GroupRecord, lives: (process: ProcessIdentity) => boolean = isAlive): string[] {
  return Object.entries(record.hypervisors).filter(([, process]) => lives(process)).map(([name]) => name);
}

/**
 * The fate of a group, by its record and its living processes. `served`: its holder lives; do not touch it. `adopt`:
 * its machines run without a holder; a command that needs one of them adopts all of them. `sweep`: nothing of it is
 * useful any more, and its remaining processes (a gateway, the machines of a bound holder) are to be ended. Pure.
 */
export function fateOf(
  record: GroupRecord,
  lives: (process: ProcessIdentity) => boolean = isAlive,
): "served" | "adopt" | "sweep" {
  if (lives(record.holder)) return "served";
  return record.bound || liveMembers(record, lives).length === 0 ? "sweep" : "adopt";
}

/** The error for an orphan that a program wants in its bound group, which ends with the program. */
export function cannotBind(name: string): FleetboxError {
  return new FleetboxError(
    "conflict",
    `Cannot start "${name}" bound to this program: its machine already runs, and its holder was killed`,
    { hint: `Adopt it (fleetbox up ${name}) and stop it, or use another name.` },
  );
}

/**
 * Ends the remains of groups that have neither a holder nor a machine (a gateway, a record, sockets), and deletes what
 * killed processes left half-made or half-removed. A group with a running machine is not touched.
 */
export async function sweepGroups(store: Store): Promise<void> {
  for (const record of completeRecords(store)) {
    if (fateOf(record) !== "sweep" || record.bound) continue; // the next holder sweeps a bound group, with its machines
    if (record.gateway && isAlive(record.gateway)) {
      try {
        Deno.kill(record.gateway.pid, "SIGKILL"); // it has no state
      } catch { /* it has ended by itself */ }
    }
    await sweepUnmade(store, record.members);
    for (const path of Object.values(store.group(record.id))) removeIfThere(path);
  }
  store.sweepTemporary([]);
}

/** Whether a member's machine runs, by the processes and not by the records: checked before a disk is deleted. */
export function hasMachine(store: Store, name: string): boolean {
  let found = false;
  findHypervisors(new Map([[store.member(name).qmpSocket, (pid) => found ||= identify(pid) !== undefined]]));
  return found;
}

/**
 * Observes the present state, never a remembered one: the store's members, the holders that answer, the machines that
 * run.
 *
 * A holder that does not answer in time costs only its own members an answer. A machine whose holder is gone is found
 * through its group's record (the process's id and start time); it is an orphan until a new holder adopts it.
 */

import { getGroup, getReport } from "./members.ts";
import { FleetboxError, isNotFound } from "../core/errors.ts";
import { LATE, within } from "../core/deadline.ts";
import { completeRecords, liveMembers } from "../store/orphans.ts";
import { claimedElsewhere, elsewhereError, isHeldElsewhere } from "../store/elsewhere.ts";
import { isAlive } from "../system/process.ts";
import { naturalOrder, type Store, type StoredMember } from "../store.ts";
import { isSuspended } from "../store/snapshots/suspended.ts";
import type { ForwardReport, GroupReport, MemberReport } from "../wire.ts";

/** A group, by its record and the processes. */
export interface GroupFacts {
  /** {@link GroupRecord.id}: two groups can have the same name. */
  id: string;
  group: string;
  /** In the record's order. */
  members: string[];
  /** The process that wrote the record. */
  holder: number;
  /** Whether it still runs. */
  holderAlive: boolean;
  /** Its holder is dead, and its guardian is just adopting it. */
  isComingBack: boolean;
  /** The members that it serves. */
  served: string[];
  /** The members whose hypervisor runs. */
  machinesAlive: string[];
  /** The members whose guests had answered. */
  running: string[];
  bound: boolean;
}

/** A member, by the store and its holder. */
export interface MemberFacts {
  name: string;
  /** Absent: the store has no member of that name. */
  stored?: StoredMember;
  /** Absent: no holder serves it. */
  report?: MemberReport;
  /** Its socket accepts connections, but gave no holder's answer. */
  silence?: FleetboxError;
  /** No holder serves it, and its next start goes on where it was suspended. */
  isSuspended?: boolean;
}

/** How long a holder may take to answer. */
export const ANSWER_MS = 5_000;

/** One member. Never throws for the member's state. */
export async function observeMember(store: Store, name: string, timeoutMs = ANSWER_MS): Promise<MemberFacts> {
  const stored = store.readMember(name);
  try {
    const report = await orSilent(timeoutMs, name, getReport(store, name, timeoutMs));
    if (report) return { name, stored, report };
    const host = await claimedElsewhere(store, name);
    return host ? { name, stored, silence: elsewhereError(store, name, host) } : unserved(store, name, stored);
  } catch (thrown) {
    if (isNotFound(thrown)) return unserved(store, name, stored); // its holder is releasing it
    return { name, stored, silence: asFleetboxError(thrown) };
  }
}

function unserved(store: Store, name: string, stored: StoredMember | undefined): MemberFacts {
  return { name, stored, ...(isSuspended(store, name) && { isSuspended: true }) };
}

export async function observeMembers(store: Store, names: readonly string[]): Promise<MemberFacts[]> {
  return await Promise.all(names.map((name) => observeMember(store, name)));
}

/** Every group that has a record, and whose holder is not on another host. */
export function observeGroups(store: Store): GroupFacts[] {
  return completeRecords(store).filter((record) => !isHeldElsewhere(record)).map((record) => {
    const holderAlive = isAlive(record.holder);
    return {
      id: record.id,
      group: record.group,
      members: record.members,
      holder: record.holder.pid,
      holderAlive,
      isComingBack: !holderAlive && record.guardian !== undefined && isAlive(record.guardian),
      served: record.served,
      machinesAlive: liveMembers(record),
      running: record.running,
      bound: record.bound,
    };
  });
}

/** A member's forwards as its holder reports them; without a holder they are not open. */
export function forwardsOf({ report, stored }: MemberFacts): ForwardReport[] {
  if (report?.forwards) return report.forwards;
  const config = stored && "config" in stored ? stored.config : undefined;
  return config?.forwards?.map((one) => ({ ...one, open: false })) ?? [];
}

/** The group whose holder is gone and in which this member's machine still runs. */
export function orphanGroup(groups: readonly GroupFacts[], name: string): GroupFacts | undefined {
  return groups.find((group) => !group.holderAlive && !group.bound && group.machinesAlive.includes(name));
}

/** Why holders of this host did not answer, once for each: what their members do is not known. */
export function silencesOf(members: readonly MemberFacts[]): FleetboxError[] {
  const silences = members.flatMap(({ silence }) => silence ?? []);
  return [...new Set(silences)].filter(({ code }) => code !== "conflict"); // that: in use on another host
}

/** Every member whose machine runs without a holder. */
export function orphansOf(groups: readonly GroupFacts[]): string[] {
  return groups.filter((group) => !group.holderAlive && !group.bound).flatMap((group) => group.machinesAlive);
}

/**
 * The members among those given that a running program owns (a test, say): they end with that program, and `--all`
 * neither stops nor removes them.
 */
export function ofPrograms(members: readonly MemberFacts[], groups: readonly GroupFacts[]): string[] {
  const bound = new Set(groups.filter((group) => group.bound && group.holderAlive).flatMap((group) => group.members));
  return members.filter(({ name, report }) => report ? report.bound : bound.has(name)).map(({ name }) => name);
}

/** The note about members that `--all` skips. */
export function leftAlone(names: readonly string[]): string {
  return `skipped: a running program owns ${names.join(", ")}`;
}

/**
 * The group to which a stopped member belongs: the one that it last booted in, while other members of it are served, or
 * run without their holder. A bound group does not count: it ends with its program.
 */
export function homeGroup(groups: readonly GroupFacts[], { stored, report }: MemberFacts): GroupFacts | undefined {
  if (report || !stored || !("config" in stored)) return undefined;
  const { name, group: id } = stored.config;
  return groups.find((group) =>
    group.id === id && !group.bound &&
    (group.holderAlive ? group.served.some((other) => other !== name) : group.machinesAlive.length > 0)
  );
}

/** The error about a running member whose hypervisor does not answer. */
export function silentMachine({ name, hypervisor_pid: pid }: MemberReport): FleetboxError {
  return new FleetboxError("timeout", `"${name}" runs, but its hypervisor (process ${pid}) does not answer`, {
    hint: `Wait until it does, or end it without asking it and boot it again: ` +
      `fleetbox stop --force ${name} && fleetbox up ${name}`,
  });
}

/** Each member of the store and of the served groups, in natural order. */
export interface Everything {
  members: MemberFacts[];
  /** The groups that answered, by id: two can have the same name. */
  served: Map<string, GroupReport>;
  groups: GroupFacts[];
}

/**
 * Asks every holder once for its whole group; members without a recorded group are asked one by one.
 * @param timeoutMs how long one holder may take; after that its members get a `silence`.
 */
export async function observeAll(store: Store, timeoutMs: number): Promise<Everything> {
  const stored = new Map(store.members().map((member) => [member.name, member]));
  const groups = observeGroups(store);
  const served = new Map<string, GroupReport>();
  const reports = new Map<string, MemberReport>();
  const silences = new Map<string, FleetboxError>();
  const hasSocket = store.socketProbe();

  await Promise.all(
    groups.filter((group) => group.holderAlive).map(async ({ id, members, served: servedNames }) => {
      const via = servedNames.find(hasSocket) ?? members.find(hasSocket);
      if (via === undefined) return;
      try {
        const report = await orSilent(timeoutMs, via, getGroup(store, via, timeoutMs));
        // A member that was removed may have been made again since, in another group.
        if (!report || (report.group_id ?? id) !== id) return;
        served.set(id, report);
        // A holder of an earlier version does not tell the id.
        for (const member of report.members) reports.set(member.name, { ...member, group_id: id });
      } catch (thrown) {
        for (const name of members) silences.set(name, asFleetboxError(thrown));
      }
    }),
  );

  // The directory of one whose machine runs may have been deleted.
  const names = new Set([...stored.keys(), ...reports.keys(), ...orphansOf(groups)]);
  const members = await Promise.all([...names].map(async (name): Promise<MemberFacts> => {
    const [report, silence] = [reports.get(name), silences.get(name)];
    if (report || silence) return { name, stored: stored.get(name), report, silence };
    return hasSocket(name) ? await observeMember(store, name, timeoutMs) : unserved(store, name, stored.get(name));
  }));
  members.sort((a, b) => naturalOrder(a.name, b.name));
  return { members, served, groups };
}

/** A holder that accepts no connection (stopped, its backlog full) counts as one that does not reply. */
async function orSilent<T>(timeoutMs: number, name: string, answer: Promise<T>): Promise<T> {
  const given = await within(timeoutMs + 100, answer, { unref: true });
  if (given === LATE) throw silent(name, timeoutMs);
  return given;
}

function silent(name: string, timeoutMs: number): FleetboxError {
  return new FleetboxError("timeout", `The holder of "${name}" did not answer within ${timeoutMs / 1000} s`, {
    hint: `Its log: fleetbox logs --holder ${name}`,
  });
}

function asFleetboxError(thrown: unknown): FleetboxError {
  return thrown instanceof FleetboxError ? thrown : new FleetboxError("failed", String(thrown), { cause: thrown });
}

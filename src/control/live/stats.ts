/**
 * What running members use of the host, between two looks at them.
 *
 * The client looks: processor time, memory and storage by the hypervisor's process, whose id its holder reports, the
 * network by the counters of the member's port, which are in the same report. The holder only answers. A machine whose
 * holder does not answer (or was killed) runs on, and its process is looked at all the same; its network is not told then.
 *
 * {@link statsOf} is pure: two looks in, the figures of the time between them out.
 */

import { type MemberFacts, observeAll } from "../observe.ts";
import { host } from "../../system/os.ts";
import { identify, isAlive, isSameProcess, type ProcessIdentity } from "../../system/process.ts";
import type { ProcessUsage } from "../../system/usage.ts";
import { naturalOrder, type Store } from "../../store.ts";
import type { PortReport } from "../../wire.ts";

/** How long a holder may take to answer; its members' network is not told then. */
const HOLDER_MS = 1_000;

/** One look at a member's machine. */
export interface Look {
  name: string;
  group?: string;
  groupId?: string;
  /** The guest's memory, MiB. */
  memoryMb: number;
  /** The hypervisor. */
  process: ProcessIdentity;
  atMs: number;
  usage: ProcessUsage;
  /** Absent: its holder does not tell now. */
  network?: { holder: number; port: PortReport };
}

/** The figures of one member. What is absent is not known, or not known yet. */
export interface MemberStats {
  name: string;
  group?: string;
  group_id?: string;
  /** The hypervisor's process id. */
  hypervisor_pid: number;
  /** The guest's memory, MiB. */
  memory_mb: number;
  /** The host's memory that the machine has now. */
  memory_bytes?: number;
  /** The time that the following are about. Absent: it has just appeared. */
  interval_ms?: number;
  /** Of one core. */
  cpu_percent?: number;
  disk_read_bytes?: number;
  disk_written_bytes?: number;
  /** To the member, as the group's switch counts. */
  in_bytes?: number;
  in_frames?: number;
  /** From the member. */
  out_bytes?: number;
  out_frames?: number;
}

/**
 * Looks at every running member, or at those of these names that run.
 * @param before the last look: a machine whose holder tells nothing any more is found by it
 */
export async function lookAtMembers(
  store: Store,
  names: readonly string[] | undefined,
  before: readonly Look[] = [],
): Promise<Look[]> {
  const { members } = await observeAll(store, HOLDER_MS);
  return looksAt(members, names, before);
}

/** The looks at members as they were observed. A holder that is just adopting a machine does not name its process yet. */
export function looksAt(
  members: readonly MemberFacts[],
  names: readonly string[] | undefined,
  before: readonly Look[],
): Look[] {
  const looks = new Map<string, Look>();
  for (const { name, report } of members) {
    if (report?.hypervisor_pid === undefined || (names && !names.includes(name))) continue;
    const process = identify(report.hypervisor_pid);
    const usage = process && host().usageOf(process.pid);
    if (!usage) continue;
    looks.set(name, {
      name,
      group: report.group,
      groupId: report.group_id,
      memoryMb: report.memory_mb,
      process,
      atMs: performance.now(),
      usage,
      ...(report.network && { network: { holder: report.pid, port: report.network } }),
    });
  }
  for (const { network: _, ...last } of before) {
    const usage = looks.has(last.name) || !isAlive(last.process) ? undefined : host().usageOf(last.process.pid);
    if (usage) looks.set(last.name, { ...last, atMs: performance.now(), usage });
  }
  return [...looks.values()].sort((a, b) => naturalOrder(a.name, b.name));
}

/** The figures of the time between two looks. */
export function statsOf(before: readonly Look[], now: readonly Look[]): MemberStats[] {
  const earlier = new Map(before.map((look) => [look.name, look]));
  return now.map((look) => memberStats(earlier.get(look.name), look));
}

function memberStats(before: Look | undefined, now: Look): MemberStats {
  const { name, group, groupId, memoryMb, process, usage } = now;
  const base: MemberStats = {
    name,
    ...(group !== undefined && { group }),
    ...(groupId !== undefined && { group_id: groupId }),
    hypervisor_pid: process.pid,
    memory_mb: memoryMb,
    ...(usage.memoryBytes !== undefined && { memory_bytes: usage.memoryBytes }),
  };
  const intervalMs = before ? now.atMs - before.atMs : 0;
  if (!before || !isSameProcess(before.process, process) || intervalMs <= 0) return base;
  const read = difference(before.usage.readBytes, usage.readBytes);
  const written = difference(before.usage.writtenBytes, usage.writtenBytes);
  return {
    ...base,
    interval_ms: Math.round(intervalMs),
    cpu_percent: rounded(100 * Math.max(0, usage.cpuMs - before.usage.cpuMs) / intervalMs),
    ...(read !== undefined && { disk_read_bytes: read }),
    ...(written !== undefined && { disk_written_bytes: written }),
    ...traffic(before.network, now.network),
  };
}

/** Another holder counts anew. */
function traffic(before: Look["network"], now: Look["network"]): Partial<MemberStats> {
  if (!before || !now || before.holder !== now.holder) return {};
  const [was, is] = [before.port, now.port];
  if (is.rx_frames < was.rx_frames || is.tx_frames < was.tx_frames) return {};
  return {
    in_bytes: is.tx_bytes - was.tx_bytes,
    in_frames: is.tx_frames - was.tx_frames,
    out_bytes: is.rx_bytes - was.rx_bytes,
    out_frames: is.rx_frames - was.rx_frames,
  };
}

function difference(before: number | undefined, now: number | undefined): number | undefined {
  return before === undefined || now === undefined ? undefined : Math.max(0, now - before);
}

function rounded(percent: number): number {
  return Math.round(percent * 10) / 10;
}

/**
 * What must be true however a campaign went. Each check gives the sentences that describe what is wrong.
 */

import assert from "node:assert/strict";
import { run } from "../../src/process.ts";
import type { Sandbox } from "../harness/sandbox.ts";

/** A member's disk as it was seen: a file is the same while its inode is. */
export type Disks = Map<string, number>;

/** Disks of members that are in the store now. */
export function disksOf(box: Sandbox): Disks {
  const disks: Disks = new Map();
  for (const name of box.stored()) {
    try {
      disks.set(name, Deno.statSync(box.store.member(name).disk).ino!);
    } catch { /* it has none yet */ }
  }
  return disks;
}

/** Every hypervisor belongs to a holder that lives, or to a member that `ls` calls orphaned. */
export async function hypervisorsBelong(box: Sandbox): Promise<string[]> {
  const holders = new Set(box.processes("holder").map(({ pid }) => pid));
  const views = await box.ls();
  const served = new Map(
    box.store.groupRecords().flatMap((record) =>
      [...Object.values(record.hypervisors), ...(record.gateway ? [record.gateway] : [])]
        .map(({ pid }) => [pid, record.holder.pid] as const)
    ),
  );
  const orphanedRecords = box.store.groupRecords().filter(({ holder }) => !holders.has(holder.pid));
  const problems: string[] = [];
  for (const { pid, name, kind, command } of [...box.processes("machine"), ...box.processes("gateway")]) {
    if (holders.has(parentOf(pid)) || holders.has(served.get(pid) ?? -1)) continue;
    if (kind === "machine" && views[name]?.state === "orphaned") continue;
    // A gateway that lost its holder goes with the machines that did, or is written down to be found.
    if (kind === "gateway" && orphanedRecords.some((record) => record.gateway?.pid === pid)) continue;
    problems.push(
      `${kind} ${name} (process ${pid}) belongs to nobody; ls says ${views[name]?.state}: ${command.slice(0, 80)}`,
    );
  }
  return problems;
}

function parentOf(pid: number): number {
  try {
    const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
  } catch {
    return -1;
  }
}

/** No two machines are of one member. */
export function noTwins(box: Sandbox): string[] {
  const names = box.processes("machine").map(({ name }) => name);
  return [...new Set(names.filter((name, index) => names.indexOf(name) !== index))].map((name) =>
    `two machines of ${name}`
  );
}

/** Every disk that was there and that no `rm` named is there, the same file. */
export function disksLast(before: Disks, now: Disks): string[] {
  return [...before].filter(([name, inode]) => now.get(name) !== inode).map(([name]) => `the disk of ${name} is gone`);
}

/** Every disk is a whole qcow2. Only while no machine runs. */
export async function disksAreWhole(box: Sandbox): Promise<string[]> {
  assert.deepEqual(box.processes("machine"), []);
  const problems: string[] = [];
  for (const name of disksOf(box).keys()) {
    try {
      await run("qemu-img", ["check", "-q", box.store.member(name).disk]);
    } catch (thrown) {
      problems.push(`the disk of ${name}: ${thrown}`);
    }
  }
  return problems;
}

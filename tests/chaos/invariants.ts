/**
 * What must be true after any campaign. Each check returns sentences that describe what is wrong.
 */

import * as assert from "#assert";
import { run } from "../../src/system/process.ts";
import type { GroupRecord } from "../../src/store.ts";
import { diskOf } from "../../src/store/disk.ts";
import { snapshotPaths } from "../../src/store/snapshots.ts";
import { parentOf } from "../support/processes.ts";
import type { Sandbox } from "../support/sandbox.ts";

/**
 * A member's disk as it was seen, and the layers below it, as inodes: a file is the same while its inode is. A disk that was frozen
 * meanwhile is the top layer of the present one.
 */
export type Disks = Map<string, number[]>;

/** Disks of members that are in the store now. */
export function disksOf(box: Sandbox): Disks {
  const disks: Disks = new Map();
  const { layer } = snapshotPaths(box.store);
  for (const name of box.stored()) {
    try {
      const config = box.store.config(name);
      const files = [diskOf(box.store, config ?? { name }), ...(config?.layers ?? []).map(layer)];
      disks.set(name, files.map((file) => Deno.statSync(file).ino!));
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
    // A gateway without a holder belongs to the orphaned machines: `ls --repair` adopts it, or ends it.
    if (kind === "gateway" && orphanedRecords.some((record) => isGatewayOf(record, command, box))) continue;
    problems.push(
      `${kind} ${name} (process ${pid}) has no holder; ls says ${views[name]?.state}: ${command.slice(0, 80)}`,
    );
  }
  return problems;
}

function isGatewayOf(record: GroupRecord, command: string, box: Sandbox): boolean {
  return command.includes(box.store.group(record.id).gatewayQmpSocket);
}

/** No two machines use one disk. */
export function noSharedDisks(box: Sandbox): string[] {
  const users = new Map<string, number[]>();
  for (const { pid, command } of box.processes("machine")) {
    for (const [, disk] of command.matchAll(/filename=([^, ]*\/disk(?:-\d+)?\.qcow2)/g)) {
      users.set(disk, [...users.get(disk) ?? [], pid]);
    }
  }
  return [...users].filter(([, pids]) => pids.length > 1).map(([disk, pids]) =>
    `${disk} is used by processes ${pids.join(" and ")}`
  );
}

/** Every disk that was there and that no `rm` or `restore` named is there: the same file, and all below it. */
export function disksLast(before: Disks, now: Disks): string[] {
  const isThere = (name: string, files: number[]) => files.every((inode) => now.get(name)?.includes(inode));
  return [...before].filter(([name, files]) => !isThere(name, files)).map(([name]) => `the disk of ${name} is gone`);
}

/** Every disk is a whole qcow2. Only while no machine runs. */
export async function disksAreWhole(box: Sandbox): Promise<string[]> {
  assert.deepEqual(box.processes("machine"), []);
  const problems: string[] = [];
  for (const name of disksOf(box).keys()) {
    try {
      await run("qemu-img", ["check", "-q", diskOf(box.store, box.store.config(name) ?? { name })]);
    } catch (thrown) {
      problems.push(`the disk of ${name}: ${thrown}`);
    }
  }
  return problems;
}

/** What an orphaned group has now, to be compared after it is adopted. */
export interface Orphans {
  /** `name:pid` of each machine. */
  machines: string[];
  /** Forwarded ports of members whose machine runs. */
  ports: Record<string, number>;
  /** How often the machine of each had been ended, and started again, because nothing had run in it. */
  startedAgain: Record<string, number>;
}

export async function orphansOf(box: Sandbox): Promise<Orphans> {
  const views = await box.ls();
  const isOrphan = (name: string) => views[name]?.state === "orphaned";
  const machines = box.machines().filter((machine) => isOrphan(machine.split(":")[0]));
  const alive = machines.map((machine) => machine.split(":")[0]);
  const ports = box.store.groupRecords().flatMap(({ ssh_ports }) => Object.entries(ssh_ports));
  return {
    machines,
    ports: Object.fromEntries(ports.filter(([name]) => alive.includes(name))),
    startedAgain: Object.fromEntries(alive.map((name) => [name, timesStartedAgain(box, name)])),
  };
}

function timesStartedAgain(box: Sandbox, name: string): number {
  return box.holderLogs().split(`"${name}" had not been restored when its holder was killed`).length;
}

/** After `ls --repair`: nothing is orphaned, the same machines run if anything ran in them, behind the same ports. */
export async function wasTakenBack(box: Sandbox, before: Orphans): Promise<string[]> {
  const views = await box.ls();
  const machines = new Set(box.machines());
  return [
    ...Object.values(views).filter(({ state }) => state === "orphaned").map(({ name }) =>
      `${name} is orphaned after ls --repair`
    ),
    ...before.machines.filter((machine) => {
      const [name] = machine.split(":");
      return !machines.has(machine) && timesStartedAgain(box, name) === before.startedAgain[name];
    }).map((machine) => `${machine} did not survive ls --repair`),
    ...Object.entries(before.ports).filter(([name, port]) => {
      const ssh = views[name]?.ssh;
      return ssh && ssh.port !== port && !box.holderLogs().includes(`port ${port} of 127.0.0.1 is taken`);
    }).map(([name, port]) => `${name} is at port ${views[name].ssh.port} after ls --repair, before at ${port}`),
  ];
}

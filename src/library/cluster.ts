/** A group of machines as a program sees it: each by its name, all at one moment. */

import { FleetboxError } from "../core/errors.ts";
import { checkName } from "../core/names.ts";
import { checked, wireMachine } from "./check.ts";
import { save, SavedCheckpoint, savedIn } from "./checkpoints/saved_checkpoint.ts";
import { openFork } from "./checkpoints/open_fork.ts";
import { GroupFaults } from "./faults/group_faults.ts";
import type { Group, Home } from "./places/home.ts";
import { hostNames, storeNameOf, uniqueName } from "./naming.ts";
import { type Texts, withTexts } from "./members/addresses.ts";
import { each } from "./members/each.ts";
import { untilHolds } from "./wait/condition.ts";
import { begin } from "./trace/call_site.ts";
import type { GroupTrace } from "./trace/group_trace.ts";
import type * as types from "./types.ts";
import { Machine, type Opened } from "./vm.ts";

/** What machines that are added are like. */
interface ClusterLike {
  /** Whether the names of its machines are the store's. */
  isInStore: boolean;
  texts?: Texts;
}

export class MachineCluster implements types.Cluster {
  readonly #group: Group;
  readonly #faults: GroupFaults;
  readonly #machines: Machine[] = [];
  /** Addresses of machines that are being added. */
  readonly #coming = new Set<string>();
  #isClosed = false;

  constructor(group: Group, opened: Opened[], private readonly like: ClusterLike) {
    this.#group = group;
    this.#faults = new GroupFaults({
      store: group.home.store,
      all: () => this.#machines.map(({ storeName }) => storeName),
      storeName: (target) => (typeof target === "string" ? this.get(target) : target).storeName,
      via: async () => {
        for (const { storeName } of this.#machines) {
          if (await group.report(storeName).catch(() => undefined)) return storeName;
        }
        const [first] = this.#machines;
        if (first) return first.storeName;
        throw new FleetboxError("not-found", "There is no machine in this group");
      },
    });
    for (const machine of opened) this.#take(machine);
  }

  get vms(): readonly types.Vm[] {
    return this.machines;
  }

  /** The same, with internals that a test does not see. */
  get machines(): Machine[] {
    return [...this.#machines];
  }

  get(name: string): types.Vm {
    const machine = this.#machines.find((one) => one.name === name) ??
      this.#machines.find((one) => one.hostName === name || one.storeName === name);
    if (machine) return machine;
    throw new FleetboxError("not-found", `There is no "${name}" in this group; it has ${this.#names()}`);
  }

  async add(given?: string, options?: types.MachineOptions): Promise<types.Vm> {
    const { signal, ...request } = checked("add", "add()", options);
    const name = given ?? uniqueName();
    const storeName = given === undefined ? name : this.#newStoreName(name);
    const { home } = this.#group;
    const [consoleStart, stored] = await Promise.all([home.consoleSize(storeName), home.config(storeName)]);
    const [{ own, ip }] = withTexts([{ name, storeName, own: request }], {
      common: this.like.texts ?? {},
      present: this.#machines.map(({ hostName, ip }) => ({ name: hostName, ip })),
      taken: this.#coming,
      stored: () => stored,
    });
    if (ip !== undefined) this.#coming.add(ip);
    const wish = { ...wireMachine(own!), ...hostNames([{ name, storeName }]), ...(ip === undefined ? {} : { ip }) };
    try {
      return this.#take({ name, report: await this.#group.add(storeName, wish, signal), consoleStart });
    } finally {
      if (ip !== undefined) this.#coming.delete(ip);
    }
  }

  #newStoreName(name: string): string {
    if (this.like.isInStore) return checkName(name);
    if (this.#machines.every((one) => one.name !== checkName(name))) return storeNameOf(name);
    throw new FleetboxError(
      "conflict",
      `Cannot make the machine "${name}": this process has one of that name already, in this group`,
    );
  }

  #take(opened: Opened): Machine {
    const machine = new Machine(this.#group, opened, () => {
      this.#machines.splice(this.#machines.indexOf(machine), 1);
      return Promise.resolve();
    });
    this.#machines.push(machine);
    return machine;
  }

  async checkpoint(name?: string, options?: types.CheckpointOptions): Promise<SavedCheckpoint<types.Cluster>> {
    const machines = this.#machines.map(({ storeName }) => storeName);
    return await save({ group: this.#group, machines, name, options }, forkCluster);
  }

  async restore(checkpoint: types.Checkpoint<types.Vm | types.Cluster>, options?: types.RestoreOptions): Promise<void> {
    const request = checked("restore", "restore()", options);
    const { home } = this.#group;
    const { name, members } = await savedIn(home, checkpoint);
    const parts = Object.entries(members).map(([was, { host_name: hostName }]) => {
      const machine = this.#machines.find((one) => one.hostName === hostName);
      return { was, hostName, machine, storeName: machine?.storeName ?? this.#newStoreName(hostName) };
    });
    await this.#checkOthers(name, parts.map(({ hostName }) => hostName));
    await Promise.all(parts.map(({ machine }) => machine?.letGo()));
    const starts = await Promise.all(parts.map(({ storeName }) => home.consoleSize(storeName)));
    const wish = {
      checkpoint: name,
      members: Object.fromEntries(parts.map(({ storeName, was }) => [storeName, was])),
    };
    const reports = new Map((await this.#group.restore(wish, request)).map((report) => [report.name, report]));
    parts.forEach(({ machine, storeName, hostName }, index) => {
      const report = reports.get(storeName)!;
      if (machine) machine.goesOn(report, starts[index]);
      else this.#take({ name: hostName, report, consoleStart: starts[index] });
    });
  }

  /** @throws {FleetboxError} `conflict`: a machine that is no part of a checkpoint runs beside those that are */
  async #checkOthers(checkpoint: string, hostNames: readonly string[]): Promise<void> {
    for (const machine of this.#machines.filter((one) => !hostNames.includes(one.hostName))) {
      const state = await machine.state();
      if (state !== "running" && state !== "starting" && state !== "downloading") continue;
      throw new FleetboxError(
        "conflict",
        `Cannot restore the checkpoint "${checkpoint}": "${machine.name}", which is no part of it, is ${state} in this group`,
        { hint: "Stop it first: vm.stop(); or take each machine back by itself: vm.restore()" },
      );
    }
  }

  async each<T>(work: (vm: types.Vm, index: number) => T | PromiseLike<T>): Promise<T[]> {
    return await each<types.Vm, T>(this.machines, work);
  }

  async waitFor<T>(condition: types.Condition<T>, options?: types.WaitOptions): Promise<types.Held<T>> {
    return await untilHolds(condition, options, {
      call: "waitFor() of a group",
      begun: begin(this.waitFor),
      seen: () => this.#whoDoesNotRun(),
      whyNot: () => Promise.resolve(this.#isClosed ? new FleetboxError("conflict", "the group was closed") : undefined),
    });
  }

  /** `; "b" is stopped` */
  async #whoDoesNotRun(): Promise<string> {
    const states = await Promise.all(this.#machines.map(async (machine) => {
      const state = await machine.state().catch(() => "silent");
      return state === "running" ? [] : [`; "${machine.name}" is ${state}`];
    }));
    return states.flat().join("");
  }

  mark(text: string): void {
    this.#group.trace?.mark(text);
  }

  /** Undefined: it is not traced. */
  get trace(): GroupTrace | undefined {
    return this.#group.trace;
  }

  async suspend(): Promise<void> {
    await Promise.all(this.#machines.map((machine) => machine.letGo()));
    await this.#group.suspend(this.#machines.map(({ storeName }) => storeName));
  }

  partition(...args: Parameters<types.ClusterFaults["partition"]>): Promise<types.Fault> {
    return this.#faults.partition(...args);
  }

  drop(...args: Parameters<types.ClusterFaults["drop"]>): Promise<types.Fault> {
    return this.#faults.drop(...args);
  }

  hold(...args: Parameters<types.ClusterFaults["hold"]>): Promise<types.Fault> {
    return this.#faults.hold(...args);
  }

  flap(...args: Parameters<types.ClusterFaults["flap"]>): Promise<types.Fault> {
    return this.#faults.flap(...args);
  }

  shape(...args: Parameters<types.ClusterFaults["shape"]>): Promise<types.Fault> {
    return this.#faults.shape(...args);
  }

  nemesis(...args: Parameters<types.ClusterFaults["nemesis"]>): types.Nemesis {
    return this.#faults.nemesis(...args);
  }

  heal(): Promise<void> {
    return this.#faults.heal();
  }

  #names(): string {
    return this.#machines.map((one) => `"${one.name}"`).join(", ") || "none";
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.#machines.map((machine) => machine.disconnect()));
    await this.#group.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** Opens forks of a checkpoint of a group. */
export async function forkCluster(home: Home, checkpoint: string, options: types.ForkOptions): Promise<MachineCluster> {
  const { group, machines } = await openFork({ home, checkpoint, options });
  return new MachineCluster(group, machines, { isInStore: false });
}

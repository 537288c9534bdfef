/** Machines on one network. */

import type { Checkpoint, CheckpointOptions, RestoreOptions } from "./checkpoint.ts";
import type { ClusterFaults } from "./fault.ts";
import type { MachineOptions } from "./options.ts";
import type { Vm } from "./vm.ts";
import type { Condition, Held, WaitOptions } from "./wait.ts";

/**
 * The names of a group's machines, as far as they are known.
 *
 * @example
 * ```ts
 * import type { Called } from "fleetbox";
 *
 * const name: Called<"a" | "b"> = "a";
 * console.log(name);
 * ```
 */
export type Called<Name extends string> = Name extends keyof number ? string : Name; // of a number of machines none are

/**
 * A group of machines on one private network, where they find each other by name. Disposing of it closes it.
 *
 * @example
 * ```ts
 * import { startCluster } from "fleetbox";
 *
 * await using cluster = await startCluster(["a", "b", "c"]);
 * await cluster.get("a").exec("ping -c 1 b", { check: true });
 * ```
 */
export interface Cluster<Name extends string = string> extends ClusterFaults, AsyncDisposable {
  /** Its machines, in the order of their names in the call, then of their addition. */
  readonly vms: readonly Vm[];
  /**
   * The machine of a name, in the group: `"b"` of `startCluster(["a", "b"])`. The store's name for it (`vm.storeName`) is understood, too.
   *
   * Of `startCluster({ a: {}, b: {} })` the compiler knows the names.
   *
   * @throws {FleetboxError} `not-found`
   *
   * @example
   * ```ts
   * import { startCluster } from "fleetbox";
   *
   * await using cluster = await startCluster(["a", "b"]);
   * console.log(cluster.get("b").ip);
   * ```
   */
  get(name: Called<Name>): Vm;
  /**
   * Does the same on each machine, at once; returns what came of it in the order of {@link Cluster.vms}, when all have ended.
   *
   * @throws what the work threw, with the machine's name in its message; where it failed on several, a {@link FleetboxError} with
   * all of that.
   *
   * @example
   * ```ts
   * import { startCluster } from "fleetbox";
   *
   * await using cluster = await startCluster(["a", "b"]);
   * await cluster.each((vm) => vm.copyTo("./dist", "app"));
   * const [a, b] = await cluster.each(async (vm) => (await vm.exec("uname -r", { check: true })).stdout);
   * console.log(a === b);
   * ```
   */
  each<T>(work: (vm: Vm, index: number) => T | PromiseLike<T>): Promise<T[]>;
  /**
   * Waits until a condition holds, and returns what it returned then: {@link waitFor}, whose error says which machines do not
   * run, and which ends when the group is closed.
   * @throws {FleetboxError} `timeout`: with what it returned last, or threw last as its cause
   *
   * @example
   * ```ts
   * import { startCluster } from "fleetbox";
   *
   * await using cluster = await startCluster(["a", "b"]);
   * await cluster.each((vm) => vm.exec("(sleep 1; hostname > ready) >/dev/null 2>&1 &"));
   * await cluster.waitFor(() => cluster.each((vm) => vm.readFile("ready")), { timeoutMs: 10_000 });
   * ```
   */
  waitFor<T>(condition: Condition<T>, options?: WaitOptions): Promise<Held<T>>;
  /**
   * Notes a moment of the test in its trace; without a trace it does nothing.
   *
   * @example
   * ```ts
   * import { startCluster } from "fleetbox";
   *
   * await using cluster = await startCluster(["a", "b"]);
   * cluster.mark("the writers begin");
   * ```
   */
  mark(text: string): void;
  /**
   * Boots another machine onto the network; returns when it answers.
   *
   * @example
   * ```ts
   * import { startCluster } from "fleetbox";
   *
   * await using cluster = await startCluster(["a", "b"]);
   * const c = await cluster.add("c", { memoryMiB: 128 });
   * await c.exec("ping -c 1 a", { check: true });
   * ```
   */
  add(name?: string, options?: MachineOptions): Promise<Vm>;
  /**
   * Saves all machines at one moment; returns when they can be forked. They stand still for a moment (a tenth of a second
   * or so) and go on, connections included.
   *
   * @param name @default a unique one; then the checkpoint goes with this program, see {@link Checkpoint}
   * @throws {FleetboxError} `conflict`: a machine does not run, or there is a checkpoint of that name; `no-space`;
   * `unavailable`: machines cannot be saved on this host.
   *
   * @example
   * ```ts
   * import { startCluster } from "fleetbox";
   *
   * await using cluster = await startCluster(["a", "b"]);
   * await using seeded = await cluster.checkpoint();
   * await using run = await seeded.fork();
   * await run.get("a").exec("ping -c 1 b", { check: true });
   * ```
   */
  checkpoint(name?: string, options?: CheckpointOptions): Promise<Checkpoint>;
  /**
   * Takes the machines back to a checkpoint; returns when they answer. What they have written and done since is lost. A
   * machine that was destroyed since is made again, and is in {@link Cluster.vms}.
   *
   * @param checkpoint One of this group, or of another one with the same host names: each machine becomes the saved one of its
   * host name.
   * @throws {FleetboxError} `conflict`: a machine that is no part of the checkpoint runs in this group: stop it first.
   *
   * @example
   * ```ts
   * import { startCluster } from "fleetbox";
   *
   * await using cluster = await startCluster(["a", "b"]);
   * await using before = await cluster.checkpoint();
   * await cluster.get("a").exec("rm -rf /home/fleetbox/*", { check: true });
   * await cluster.restore(before);
   * ```
   */
  restore(checkpoint: Checkpoint<Vm | Cluster>, options?: RestoreOptions): Promise<void>;
  /**
   * Suspends all machines that run, at one moment: {@link Vm.suspend} for more than one. Each goes on with its `start()`.
   *
   * @example
   * ```ts
   * import { startCluster } from "fleetbox";
   *
   * await using cluster = await startCluster(["a", "b"]);
   * await cluster.suspend();
   * await Promise.all(cluster.vms.map((vm) => vm.start()));
   * ```
   */
  suspend(): Promise<void>;
  /**
   * Stops every machine and removes those that this group made. Calling it twice is fine.
   *
   * @example
   * ```ts
   * import { startCluster } from "fleetbox";
   *
   * const cluster = await startCluster(3);
   * try {
   *   await cluster.vms[0].stop();
   * } finally {
   *   await cluster.close(); // what `await using` does
   * }
   * ```
   */
  close(): Promise<void>;
}

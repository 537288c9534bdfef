/** Machines on one network. */

import type { MachineOptions } from "./options.ts";
import type { Vm } from "./vm.ts";

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
export interface Cluster extends AsyncDisposable {
  /** Its machines, in the order of their names in the call, then of their addition. */
  readonly vms: readonly Vm[];
  /**
   * The machine of a name, in the group: `"b"` of `startCluster(["a", "b"])`. The store's name for it (`vm.storeName`) is understood, too.
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
  get(name: string): Vm;
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

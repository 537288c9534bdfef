/** Faults of one machine, as a test makes them. */

import type { DiskFaults } from "./disk_faults.ts";
import type { Fault, FaultOptions } from "./fault.ts";
import type { MachineClock } from "./machine_clock.ts";

/**
 * Faults of a machine.
 *
 * @example
 * ```ts
 * import { type MachineFaults, start } from "fleetbox";
 *
 * await using vm = await start();
 * const faults: MachineFaults = vm;
 * await using hang = await faults.pause({ forMs: 5_000 });
 * console.log(hang.what);
 * ```
 */
export interface MachineFaults {
  /**
   * Stops its virtual CPUs, as if it hung; nothing in it runs, and nothing of it is lost. {@link MachineFaults.resume} lets it go on, and so
   * does healing the fault. Its clock stands still, too, and is behind afterwards.
   * @throws {FleetboxError} `conflict`: it does not run
   *
   * @example
   * ```ts
   * import { startCluster } from "fleetbox";
   *
   * await using cluster = await startCluster(["a", "b"], { egress: "off" });
   * {
   *   await using hang = await cluster.get("a").pause();
   *   await cluster.get("b").exec("! ping -c 1 -W 1 a", { check: true });
   *   console.log(hang.what);
   * }
   * await cluster.get("b").exec("ping -c 1 a", { check: true });
   * ```
   */
  pause(options?: FaultOptions): Promise<Fault>;

  /**
   * Gives it a part of the processor's time only: it is stopped and continued again and again, in turns of about 20 ms, as on a host
   * that is short of processors. Its clock goes on. Of several such faults the smallest share holds.
   *
   * @param options `share`: the part of the time in which it runs, 0.01 to 0.99
   * @throws {FleetboxError} `conflict`: it does not run
   *
   * @example
   * ```ts
   * import { start } from "fleetbox";
   *
   * await using vm = await start();
   * await using slow = await vm.throttle({ share: 0.3 });
   * await vm.exec("sleep 1");
   * const { stopped_ms, squeezed_ms } = await slow.counts();
   * console.log(`it stood still for ${stopped_ms} of ${squeezed_ms} ms`);
   * ```
   */
  throttle(options: FaultOptions & { share: number }): Promise<Fault>;

  /** Faults of its disk. */
  readonly disk: DiskFaults;

  /**
   * Ends its pauses. Nothing happens when it is not paused.
   *
   * @example
   * ```ts
   * import { start } from "fleetbox";
   *
   * await using vm = await start();
   * await vm.pause();
   * await vm.resume();
   * await vm.exec("true", { check: true });
   * ```
   */
  resume(): Promise<void>;

  /**
   * Its clock, which can be made wrong.
   *
   * @example
   * ```ts
   * import { start } from "fleetbox";
   *
   * await using vm = await start({ egress: "off" });
   * await using early = await vm.clock.bump(30_000);
   * console.log(early.what);
   * ```
   */
  readonly clock: MachineClock;

  /**
   * Takes memory away from its programs, until so much is left (MemAvailable of /proc/meminfo), at this moment. When that is used up,
   * its kernel kills one of them, and never what holds the memory. Of several such faults the one that leaves least holds.
   * @throws {FleetboxError} `conflict`: it does not run, or has no more than that left already
   *
   * @example
   * ```ts
   * import { start } from "fleetbox";
   *
   * await using vm = await start({ egress: "off" });
   * await using short = await vm.squeeze({ availableMiB: 64, forMs: 60_000 });
   * console.log(short.what, (await vm.exec("free -m")).stdout);
   * ```
   */
  squeeze(options: FaultOptions & { availableMiB: number }): Promise<Fault>;
}

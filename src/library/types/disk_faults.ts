/** Faults of one machine's disk, as a test makes them. */

import type { Fault, FaultOptions } from "./fault.ts";
import type { DiskOperation } from "../../core/faults/disk.ts";

export type { DiskOperation };

/**
 * How requests to a disk fail.
 *
 * @example
 * ```ts
 * import { type DiskFailOptions, start } from "fleetbox";
 *
 * const options: DiskFailOptions = { on: ["write"], sectors: [2048, 4095], rate: 0.01, seed: 7 };
 * await using vm = await start();
 * await using fault = await vm.disk.fail(options);
 * console.log(fault.what);
 * ```
 */
export interface DiskFailOptions extends FaultOptions {
  /** Which requests. @default all; with `sectors`, reads and writes */
  on?: readonly DiskOperation[];
  /** The error that the guest gets: a virtio disk knows no other one. @default "EIO" */
  error?: "EIO";
  /** Only the first of them fails. @default false */
  once?: boolean;
  /** The part of them that fails, by chance: from 0.001 to 1, in steps of 0.001, exact in each 1,000 requests. @default 1 */
  rate?: number;
  /** Only those fail that touch these sectors of 512 bytes: the first and the last. @default the whole disk */
  sectors?: readonly [first: number, last: number];
}

/**
 * How a disk is slow: one of the two, or both.
 *
 * @example
 * ```ts
 * import { type DiskSlowOptions, start } from "fleetbox";
 *
 * const options: DiskSlowOptions = { on: ["flush"], latencyMs: 200 };
 * await using vm = await start();
 * await using slow = await vm.disk.slow(options);
 * await vm.exec("sync");
 * console.log(await slow.counts());
 * ```
 */
export interface DiskSlowOptions extends FaultOptions {
  /** Which requests. @default all; with `iops`, reads and writes */
  on?: readonly DiskOperation[];
  /** So many reads and writes a second, and no more. @default no limit */
  iops?: number;
  /** How much later each is answered, in milliseconds, 1 to 5,000. @default 0 */
  latencyMs?: number;
}

/**
 * How full a file system is.
 *
 * @example
 * ```ts
 * import { type DiskFillOptions, start } from "fleetbox";
 *
 * const options: DiskFillOptions = { share: 0.95, path: "/var", forMs: 60_000 };
 * await using vm = await start({ egress: "off" });
 * await vm.disk.fill(options);
 * ```
 */
export interface DiskFillOptions extends FaultOptions {
  /** How much of it is used: 0.01 to 1. */
  share: number;
  /** A directory on it. @default "/" */
  path?: string;
}

/**
 * Faults of a machine's disk. A failed or late request is one that the guest asks of its disk: what it has cached it does not ask for.
 *
 * @example
 * ```ts
 * import { type DiskFaults, start } from "fleetbox";
 *
 * await using vm = await start();
 * const disk: DiskFaults = vm.disk;
 * await using slow = await disk.slow({ iops: 50 });
 * console.log(slow.what);
 * ```
 */
export interface DiskFaults {
  /**
   * Its requests fail; its counts are the `requests` of that kind, and of these those that `failed`.
   * @throws {FleetboxError} `conflict`: it does not run
   *
   * @example
   * ```ts
   * import { start } from "fleetbox";
   *
   * await using vm = await start();
   * await using fault = await vm.disk.fail({ on: ["flush"], once: true });
   * const { code } = await vm.exec("echo kept > kept && sync kept");
   * console.log(code, await fault.counts()); // { requests: 1, failed: 1 }
   * ```
   */
  fail(options?: DiskFailOptions): Promise<Fault>;

  /**
   * It is slow. Its counts are the `requests` of that kind, which it `slowed`.
   * @throws {FleetboxError} `conflict`: it does not run
   *
   * @example
   * ```ts
   * import { start } from "fleetbox";
   *
   * await using vm = await start();
   * await using slow = await vm.disk.slow({ on: ["write", "flush"], latencyMs: 50 });
   * await vm.exec("echo late > late && sync late", { check: true });
   * ```
   */
  slow(options: DiskSlowOptions): Promise<Fault>;

  /**
   * A file system on it is full to that part, as df(1) tells it. The space is that of files without a name: nothing of them is left
   * when the fault has ended, however it ends.
   * @throws {FleetboxError} `conflict`: it does not run, or more is used already; or that file system has no such files
   *
   * @example
   * ```ts
   * import { start } from "fleetbox";
   *
   * await using vm = await start({ egress: "off" });
   * await using full = await vm.disk.fill({ share: 1 });
   * const { code } = await vm.exec("dd if=/dev/zero of=big bs=1M count=20"); // No space left on device
   * console.log(code, full.what);
   * ```
   */
  fill(options: DiskFillOptions): Promise<Fault>;
}

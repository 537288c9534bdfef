/** Machines saved at one moment, and what is made of them. */

import type { Cluster } from "./cluster.ts";
import type { PublishedPort } from "./options.ts";
import type { Vm } from "./vm.ts";

/**
 * Machines as they were at one moment: their memory, their disks, what runs in them. {@link Checkpoint.fork} makes new
 * machines that go on from there, in a second or so; `restore()` takes the machines themselves back.
 *
 * One without a name goes with the program that made it: when it is disposed of, at the program's end, also when the program is
 * killed. One with a name stays, as the user's: `fleetbox checkpoint ls`, `fleetbox fork <name>`.
 *
 * Its files hold all that the machines' memory held, passwords and keys included. They are readable for you alone.
 *
 * @example
 * ```ts
 * import { type Checkpoint, startCluster } from "fleetbox";
 *
 * await using cluster = await startCluster(["a", "b", "c"], { egress: "off" });
 * await cluster.get("a").exec("echo seeded > data; sync", { check: true });
 * await using seeded: Checkpoint = await cluster.checkpoint();
 *
 * await using run = await seeded.fork();
 * await run.get("a").exec("grep seeded data", { check: true });
 * ```
 */
export interface Checkpoint<Fork extends Vm | Cluster = Cluster> extends AsyncDisposable {
  /** Its name, in the store: the given one, or one that nothing else has. */
  readonly name: string;
  /** The host names of its machines. */
  readonly members: readonly string[];
  /**
   * Makes new machines that go on from here, on a network of their own; returns when all of them answer.
   *
   * They have the host names and the addresses of the saved ones. Each has random numbers of its own, and its clock is set
   * to this host's. Connections between them go on; others are broken. What is written in one is in no other. They end
   * with this program, as all its machines do.
   *
   * @throws {FleetboxError} `not-found`: it was removed; `failed`: a machine does not go on, with the reason: its image is
   * gone, or QEMU is another version.
   *
   * @example
   * ```ts
   * import { startCluster } from "fleetbox";
   *
   * await using cluster = await startCluster(["a", "b"]);
   * await using ready = await cluster.checkpoint();
   * await using one = await ready.fork();
   * await using other = await ready.fork({ egress: "off" });
   * await one.get("a").exec("touch only-here", { check: true });
   * await other.get("a").exec("test ! -e only-here", { check: true });
   * ```
   */
  fork(options?: ForkOptions): Promise<Fork>;
  /**
   * Removes it. Forks of it, and the machines that were saved, run on. Calling it twice is fine.
   *
   * @example
   * ```ts
   * import { openCheckpoint } from "fleetbox";
   *
   * await openCheckpoint("seeded").remove();
   * ```
   */
  remove(): Promise<void>;
}

/**
 * Options for {@link Checkpoint.fork}.
 *
 * @example
 * ```ts
 * import { openCheckpoint } from "fleetbox";
 *
 * await using run = await openCheckpoint("seeded").fork({ egress: "off", clock: "keep" });
 * ```
 */
export interface ForkOptions {
  /** Port forwards to each machine; those of the saved ones are theirs alone. @default [] */
  publish?: readonly (number | PublishedPort)[];
  /** Whether the machines reach the outside through the gateway. @default as the saved ones */
  egress?: "on" | "off";
  /** Whether they reach services on this host's own loopback, at the gateway's address. @default as the saved ones */
  hostAccess?: boolean;
  /** Their clocks: set to this host's, or kept as they were. @default "set" */
  clock?: "set" | "keep";
  /** The limit for each stage until they answer, in milliseconds. @default 180000 */
  bootTimeoutMs?: number;
  /** Aborts it: the machines are removed again, and the call rejects. */
  signal?: AbortSignal;
}

/**
 * Options for {@link Cluster.restore} and {@link Vm.restore}.
 *
 * @example
 * ```ts
 * import { start } from "fleetbox";
 *
 * await using vm = await start();
 * await using fresh = await vm.checkpoint();
 * await vm.exec("rm -rf ~/*", { check: true });
 * await vm.restore(fresh, { clock: "keep" });
 * ```
 */
export interface RestoreOptions {
  /** The clocks: set to this host's, or kept as they were. @default "set" */
  clock?: "set" | "keep";
  /** The limit for each stage until the machines answer, in milliseconds. @default 180000 */
  bootTimeoutMs?: number;
  /** Stops waiting, and stops the machines again. */
  signal?: AbortSignal;
}

/**
 * Options for {@link Cluster.checkpoint} and {@link Vm.checkpoint}.
 *
 * @example
 * ```ts
 * import { start } from "fleetbox";
 *
 * await using vm = await start();
 * const saved = await vm.checkpoint("installed", { signal: AbortSignal.timeout(60_000) });
 * console.log(`it stays: fleetbox fork ${saved.name}`);
 * ```
 */
export interface CheckpointOptions {
  /** Removes the checkpoint again once it is made, and the call rejects. The machines run on. */
  signal?: AbortSignal;
}

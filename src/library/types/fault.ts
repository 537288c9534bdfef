/** Networks that misbehave, and machines that hang: faults, as a test makes and ends them. */

import type { FaultPackage, FaultTargets } from "../../core/faults/packages.ts";
import type { LinkShape, PartitionShape } from "../../core/faults.ts";
import type { Vm } from "./vm.ts";

export type { FaultPackage, FaultTargets, LinkShape, PartitionShape };

/**
 * A plan of faults, as `fleetbox fault run` plays it: its schema is docs/fault-plan.schema.json.
 *
 * @example
 * ```ts
 * import { type FaultPlan, startCluster } from "fleetbox";
 *
 * await using cluster = await startCluster(["a", "b", "c"], { egress: "off" });
 * await using nemesis = cluster.nemesis({ durationMs: 5_000 });
 * const plan: FaultPlan = nemesis.plan;
 * for (const { at_ms, for_ms, fault } of plan.steps) console.log(at_ms, for_ms, fault);
 * ```
 */
export interface FaultPlan {
  /** Of this form. */
  version: 1;
  /** Of which the faults' own seeds are made. */
  seed: number;
  /** Its faults: when each begins, and how long it lasts, in milliseconds. */
  steps: { at_ms: number; for_ms: number; fault: object }[];
  /** How long nothing happens at the end, in milliseconds. @default 0 */
  quiet_ms?: number;
}

/**
 * A machine in a fault: itself, its name in its group, or `"gateway"`, which is the way to the host and beyond.
 *
 * @example
 * ```ts
 * import { type FaultTarget, startCluster } from "fleetbox";
 *
 * await using cluster = await startCluster(["a", "b"]);
 * const from: FaultTarget[] = ["a", cluster.get("b")];
 * await using cut = await cluster.drop({ from, to: ["gateway"] });
 * console.log(cut.what);
 * ```
 */
export type FaultTarget = string | Vm;

/**
 * A fault, from when it has an effect until it ends: by {@link Fault.heal}, at its time, when it goes out of scope, or with its
 * group.
 *
 * @example
 * ```ts
 * import { startCluster } from "fleetbox";
 *
 * await using cluster = await startCluster(["a", "b", "c"], { egress: "off" });
 * {
 *   await using cut = await cluster.partition([["a"], ["b", "c"]]);
 *   await cluster.get("b").exec("! ping -c 1 -W 1 10.88.0.11", { check: true });
 *   console.log(await cut.counts()); // { frames: 3, cut: 3 }
 * }
 * await cluster.get("b").exec("ping -c 1 a", { check: true });
 * ```
 */
export interface Fault extends AsyncDisposable {
  /** As `fleetbox fault ls` shows it. */
  readonly id: string;
  /** What it is, in one line. */
  readonly what: string;
  /** From which its random numbers come: the same seed gives the same verdicts on the same frames. */
  readonly seed: number;
  /**
   * What it has done so far: `frames` that met it, and of these how many were `cut`, `held`, `lost`, `delayed`, `duplicated`,
   * `reordered`, `corrupted`, `overLimit`; of a pause `paused_ms`; of a throttled machine `stopped_ms` of `squeezed_ms`. What is not
   * there did not happen. A fault that hit nothing proves nothing.
   *
   * @example
   * ```ts
   * import { startCluster } from "fleetbox";
   *
   * await using cluster = await startCluster(["a", "b"], { egress: "off" });
   * await using slow = await cluster.shape({ from: ["a"], delayMs: 50 });
   * await cluster.get("a").exec("ping -c 3 b", { check: true });
   * console.log((await slow.counts()).delayed);
   * ```
   */
  counts(): Promise<Record<string, number>>;
  /**
   * Ends it; returns what it has done. Calling it again is fine, also after it has ended by itself.
   *
   * @example
   * ```ts
   * import { startCluster } from "fleetbox";
   *
   * await using cluster = await startCluster(["a", "b"], { egress: "off" });
   * const cut = await cluster.partition([["a"], ["b"]]);
   * const { cut: frames = 0 } = await cut.heal();
   * console.log(`${frames} frames were cut`);
   * ```
   */
  heal(): Promise<Record<string, number>>;
}

/**
 * What every fault may be asked for.
 *
 * @example
 * ```ts
 * import { type FaultOptions, startCluster } from "fleetbox";
 *
 * const options: FaultOptions = { forMs: 10_000, seed: 7 };
 * await using cluster = await startCluster(["a", "b"], { egress: "off" });
 * await cluster.shape({ lossCorrelation: 0.2, loss: 0.1, ...options });
 * ```
 */
export interface FaultOptions {
  /** When it ends by itself, in milliseconds. @default it lasts until it is healed */
  forMs?: number;
  /** From which its random numbers come, 0 to 2^32 - 1. @default a random one, which is in {@link Fault.seed} */
  seed?: number;
}

/**
 * How {@link ClusterFaults.partition} cuts.
 *
 * @example
 * ```ts
 * import { type PartitionOptions, startCluster } from "fleetbox";
 *
 * const options: PartitionOptions = { oneWay: true };
 * await using cluster = await startCluster(["a", "b"], { egress: "off" });
 * await cluster.partition([["a"], ["b"]], options); // b still reaches a
 * ```
 */
export interface PartitionOptions extends FaultOptions {
  /** Of which machines a shape is made. @default all that run */
  of?: readonly FaultTarget[];
  /** Only what an earlier set sends to a later one is dropped. @default false */
  oneWay?: boolean;
}

/**
 * How {@link ClusterFaults.nemesis} makes faults.
 *
 * @example
 * ```ts
 * import { type NemesisOptions, startCluster } from "fleetbox";
 *
 * const options: NemesisOptions = { faults: ["partition", "packet"], intervalMs: 2_000, durationMs: 10_000, seed: 7 };
 * await using cluster = await startCluster(["a", "b", "c"], { egress: "off" });
 * await using nemesis = cluster.nemesis(options);
 * await nemesis.done;
 * ```
 */
export interface NemesisOptions {
  /**
   * What may happen: `"partition"`, `"one-way"`, `"packet"`, `"hold"`, `"flap"`, `"pause"`, `"cpu"`, `"clock"`, `"memory"`,
   * `"fill"`, `"disk"`.
   * @default partition, packet, pause
   */
  faults?: readonly FaultPackage[];
  /**
   * Whom a fault of machines or of packets hits: `"one"`, `"minority"`, `"majority"`, `"minority-third"`, `"all"`, `"primaries"`.
   * @default one, minority and majority, by chance
   */
  targets?: readonly FaultTargets[];
  /**
   * Tells which machines lead, when a fault that hits `"primaries"` is about to begin; `[]`: none does, and there is no fault. Partitions
   * then cut these off. What it throws ends the nemesis.
   */
  primaries?: () => readonly FaultTarget[] | Promise<readonly FaultTarget[]>;
  /** A fault begins after each so many milliseconds, and lasts at most as long. @default 10000 */
  intervalMs?: number;
  /** How long faults begin, in milliseconds. @default 60000 */
  durationMs?: number;
  /** How long nothing happens at the end, in milliseconds. @default 10000 */
  quietMs?: number;
  /** The same seed and machines give the same faults. @default a random one, which is in {@link Nemesis.seed} */
  seed?: number;
  /** Which machines it may hit. @default all that are there at its beginning */
  of?: readonly FaultTarget[];
}

/**
 * Faults by chance, one after the other, until its time is over or it goes out of scope: then none of them is left.
 *
 * @example
 * ```ts
 * import { startCluster } from "fleetbox";
 *
 * await using cluster = await startCluster(["a", "b", "c"], { egress: "off" });
 * await using nemesis = cluster.nemesis({ intervalMs: 1_000, durationMs: 5_000, quietMs: 0 });
 * console.log(`seed ${nemesis.seed}`);
 * await nemesis.done;
 * console.log(await nemesis.counts());
 * ```
 */
export interface Nemesis extends AsyncDisposable {
  /** The same seed and machines give the same faults. */
  readonly seed: number;
  /**
   * What it does and when, as `fleetbox fault run` plays it; members are named as in the store. Faults that hit primaries are in it once
   * they have begun.
   */
  readonly plan: FaultPlan;
  /** Resolves when it is over, its quiet time included, or was stopped. Rejects when the group ended meanwhile. */
  readonly done: Promise<void>;
  /**
   * Ends it and its faults; returns what they have done, all together, as {@link Fault.counts} has it.
   *
   * @example
   * ```ts
   * import { startCluster } from "fleetbox";
   *
   * await using cluster = await startCluster(["a", "b", "c"], { egress: "off" });
   * const nemesis = cluster.nemesis();
   * await cluster.get("a").exec("sleep 5");
   * console.log(await nemesis.stop());
   * ```
   */
  stop(): Promise<Record<string, number>>;
  /**
   * What its faults that are over have done, all together.
   *
   * @example
   * ```ts
   * import { startCluster } from "fleetbox";
   *
   * await using cluster = await startCluster(["a", "b", "c"], { egress: "off" });
   * await using nemesis = cluster.nemesis({ durationMs: 10_000 });
   * await nemesis.done;
   * console.log(await nemesis.counts());
   * ```
   */
  counts(): Promise<Record<string, number>>;
}

/**
 * Faults of a group. They add up, and none of them outlives its group.
 *
 * @example
 * ```ts
 * import { type ClusterFaults, startCluster } from "fleetbox";
 *
 * await using cluster = await startCluster(["a", "b", "c"], { egress: "off" });
 * const faults: ClusterFaults = cluster;
 * await using cut = await faults.partition("majority", { seed: 7 });
 * console.log(cut.what);
 * ```
 */
export interface ClusterFaults {
  /**
   * Cuts machines off from each other: sets that still reach each other within, or a shape, made of all machines in an order that
   * the seed decides. `"one"` cuts off one machine; `"majority"` makes a majority and a minority; `"bridge"` leaves one machine in
   * between that reaches both halves; in a `"majorities-ring"` each reaches a majority, but no two reach the same one;
   * `"isolate"` cuts off every machine.
   *
   * @throws {FleetboxError} `not-found`: a machine does not run; `misuse`: one is in two sets
   *
   * @example
   * ```ts
   * import { startCluster } from "fleetbox";
   *
   * await using cluster = await startCluster(["a", "b", "c"], { egress: "off" });
   * await using cut = await cluster.partition([["a"], ["b", "c"]]);
   * ```
   */
  partition(sets: readonly (readonly FaultTarget[])[] | PartitionShape, options?: PartitionOptions): Promise<Fault>;
  /**
   * Drops every frame of some machines to others; what goes back still arrives.
   *
   * @example
   * ```ts
   * import { startCluster } from "fleetbox";
   *
   * await using cluster = await startCluster(["a", "b"], { egress: "off" });
   * await using deaf = await cluster.drop({ to: ["b"] });
   * ```
   */
  drop(options: FaultOptions & { from?: readonly FaultTarget[]; to?: readonly FaultTarget[] }): Promise<Fault>;
  /**
   * Holds frames between sets of machines, and delivers them, in order, when the fault ends.
   *
   * @example
   * ```ts
   * import { startCluster } from "fleetbox";
   *
   * await using cluster = await startCluster(["a", "b"], { egress: "off" });
   * const held = await cluster.hold([["a"], ["b"]]);
   * await held.heal(); // now they arrive
   * ```
   */
  hold(sets: readonly (readonly FaultTarget[])[], options?: FaultOptions & { oneWay?: boolean }): Promise<Fault>;
  /**
   * A partition that comes and goes: cut off for `downMs`, together for `upMs`, and so on.
   *
   * @example
   * ```ts
   * import { startCluster } from "fleetbox";
   *
   * await using cluster = await startCluster(["a", "b"], { egress: "off" });
   * await using flap = await cluster.flap([["a"], ["b"]], { downMs: 2_000, upMs: 5_000 });
   * ```
   */
  flap(
    sets: readonly (readonly FaultTarget[])[],
    options: FaultOptions & { downMs: number; upMs: number },
  ): Promise<Fault>;
  /**
   * Makes links slow, late or lossy, in tc-netem's words ({@link LinkShape}); each frame one way.
   *
   * @example
   * ```ts
   * import { startCluster } from "fleetbox";
   *
   * await using cluster = await startCluster(["a", "b"], { egress: "off" });
   * await using slow = await cluster.shape({ from: ["a"], to: ["b"], delayMs: 50, jitterMs: 10, loss: 0.01 });
   * ```
   */
  shape(
    options: FaultOptions & LinkShape & { from?: readonly FaultTarget[]; to?: readonly FaultTarget[] },
  ): Promise<Fault>;
  /**
   * Begins to make faults by chance, one after the other. One at a time.
   *
   * @throws {FleetboxError} `misuse`; `conflict`: there is one already
   *
   * @example
   * ```ts
   * import { startCluster } from "fleetbox";
   *
   * await using cluster = await startCluster(["a", "b", "c"], { egress: "off" });
   * await using nemesis = cluster.nemesis({ faults: ["partition", "pause"], intervalMs: 2_000, seed: 7 });
   * await cluster.get("a").exec("ping -c 5 b");
   * ```
   */
  nemesis(options?: NemesisOptions): Nemesis;
  /**
   * Ends every fault of the group; paused machines go on.
   *
   * @example
   * ```ts
   * import { startCluster } from "fleetbox";
   *
   * await using cluster = await startCluster(["a", "b"], { egress: "off" });
   * await cluster.partition("isolate");
   * await cluster.heal();
   * ```
   */
  heal(): Promise<void>;
}

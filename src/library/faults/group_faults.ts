/** Faults of a group in a test: what they are asked for, in the names of the store, and the fault that is returned. */

import { beginFault, healFaults, listFaults } from "../../control/faults.ts";
import { codeOf, FleetboxError } from "../../core/errors.ts";
import { checkFault, type FaultSpec, GATEWAY, PARTITION_SHAPES, type PartitionShape } from "../../core/faults.ts";
import { faultOf, type MachineFaultWish } from "../../core/faults/machines.ts";
import { lateRandomPlan } from "../../core/faults/plan.ts";
import { newSeed } from "../../core/random.ts";
import type { Store } from "../../store.ts";
import type { FaultReport } from "../../wire.ts";
import { checked } from "../check.ts";
import { RunningNemesis } from "./nemesis.ts";
import type * as types from "../types.ts";

type Sets = readonly (readonly types.FaultTarget[])[];

interface FaultyGroup {
  store: Store;
  /** The names in the store of all its machines. */
  all(): string[];
  /** The name in the store of a machine of the group. @throws {FleetboxError} `not-found` */
  storeName(target: types.FaultTarget): string;
  /** A machine of the group that its holder serves now, by which it is asked. @throws {FleetboxError} there is none */
  via(): Promise<string>;
}

export class GroupFaults implements types.ClusterFaults {
  #nemesis: RunningNemesis | undefined;

  constructor(private readonly group: FaultyGroup) {}

  async partition(sets: Sets | PartitionShape, options: types.PartitionOptions = {}): Promise<types.Fault> {
    const { of, oneWay, ...times } = options;
    const way = oneWay === undefined ? {} : { oneWay };
    if (typeof sets !== "string") {
      if (of !== undefined) throw new FleetboxError("misuse", 'Bad option "of" of partition(): it is for a shape');
      return await this.#begin({ kind: "partition", sets: this.#sets(sets), ...way }, times);
    }
    if (!PARTITION_SHAPES.includes(sets)) {
      throw new FleetboxError(
        "misuse",
        `Bad shape of partition(): found ${JSON.stringify(sets)}, expected one of ${PARTITION_SHAPES.join(", ")}`,
      );
    }
    const members = of === undefined ? {} : { of: this.#names(of) };
    return await this.#begin({ kind: "partition", shape: sets, ...members, ...way }, times);
  }

  async drop(options: Parameters<types.ClusterFaults["drop"]>[0]): Promise<types.Fault> {
    const { from, to, ...times } = options;
    return await this.#begin({ kind: "drop", ...this.#ends({ from, to }) }, times);
  }

  async hold(sets: Sets, options: types.FaultOptions & { oneWay?: boolean } = {}): Promise<types.Fault> {
    const { oneWay, ...times } = options;
    const way = oneWay === undefined ? {} : { oneWay };
    return await this.#begin({ kind: "hold", sets: this.#sets(sets), ...way }, times);
  }

  async flap(sets: Sets, options: Parameters<types.ClusterFaults["flap"]>[1]): Promise<types.Fault> {
    const { downMs, upMs, ...times } = options;
    return await this.#begin({ kind: "flap", sets: this.#sets(sets), downMs, upMs }, times);
  }

  async shape(options: Parameters<types.ClusterFaults["shape"]>[0]): Promise<types.Fault> {
    const { from, to, forMs, seed, ...shape } = options;
    return await this.#begin({ kind: "shape", ...this.#ends({ from, to }), shape }, { forMs, seed });
  }

  /** A fault of a machine of the group. */
  async ofMachine(
    target: types.FaultTarget,
    wish: MachineFaultWish,
    times: types.FaultOptions,
  ): Promise<types.Fault> {
    return await this.#begin(faultOf(this.group.storeName(target), wish), times);
  }

  nemesis(options: types.NemesisOptions = {}): types.Nemesis {
    const { of, seed = newSeed(), primaries, ...rest } = checked("nemesis", "nemesis()", options);
    if ((primaries !== undefined) !== (rest.targets?.includes("primaries") ?? false)) {
      throw new FleetboxError("misuse", 'Bad options of nemesis(): "primaries" tells who the target "primaries" is', {
        hint: 'Give both or none: { targets: ["primaries"], primaries: () => ["a"] }',
      });
    }
    if (this.#nemesis) {
      throw new FleetboxError("conflict", "This group has a nemesis already: two would undo each other's quiet time", {
        hint: "End it first: await nemesis.stop()",
      });
    }
    const members = of === undefined ? this.group.all() : of.map((one) => this.group.storeName(one));
    const { plan, late: steps } = lateRandomPlan({ ...rest, members, seed });
    const late = primaries && {
      steps,
      primaries: async () =>
        (await primaries()).map((one) => this.group.storeName(one)).filter((name) => members.includes(name)),
    };
    return this.#nemesis = new RunningNemesis(this.group.store, plan, {
      via: () => this.group.via(),
      onOver: () => this.#nemesis = undefined,
      late,
    });
  }

  async heal(): Promise<void> {
    await healFaults(this.group.store, { via: await this.group.via() });
  }

  async #begin(spec: FaultSpec, times: types.FaultOptions): Promise<types.Fault> {
    const unknown = Object.keys(times).find((key) => key !== "forMs" && key !== "seed");
    if (unknown !== undefined) throw new FleetboxError("misuse", `Unknown option "${unknown}" of a fault`);
    const { store } = this.group;
    const via = () => this.group.via();
    const wish = { spec: checkFault(spec), ...times };
    return new BegunFault(store, via, await beginFault(store, wish, await via()));
  }

  #sets(sets: Sets): string[][] {
    return sets.map((set) => this.#names(set));
  }

  #ends({ from, to }: { from?: readonly types.FaultTarget[]; to?: readonly types.FaultTarget[] }) {
    return {
      ...(from === undefined ? {} : { from: this.#names(from) }),
      ...(to === undefined ? {} : { to: this.#names(to) }),
    };
  }

  #names(targets: readonly types.FaultTarget[]): string[] {
    return targets.map((target) => target === GATEWAY ? GATEWAY : this.group.storeName(target));
  }
}

class BegunFault implements types.Fault {
  readonly id: string;
  readonly what: string;
  readonly seed: number;
  #counts: Record<string, number>;

  /** @param via a machine that its holder serves now: the one by which it was begun may have stopped */
  constructor(
    private readonly store: Store,
    private readonly via: () => Promise<string>,
    { id, what, seed, counts }: FaultReport,
  ) {
    this.id = id;
    this.what = what;
    this.seed = seed;
    this.#counts = counts;
  }

  async counts(): Promise<Record<string, number>> {
    const report = (await this.#present())?.find(({ id }) => id === this.id);
    if (report) this.#counts = report.counts;
    return { ...this.#counts };
  }

  async heal(): Promise<Record<string, number>> {
    try {
      const [report] = await healFaults(this.store, { ids: [this.id], via: await this.via() });
      if (report) this.#counts = report.counts;
    } catch (thrown) {
      if (codeOf(thrown) !== "not-found") throw thrown; // it has ended by itself, or its group has
    }
    return { ...this.#counts };
  }

  async #present(): Promise<FaultReport[] | undefined> {
    try {
      return (await listFaults(this.store, await this.via())).flatMap(({ faults }) => faults);
    } catch (thrown) {
      if (codeOf(thrown) !== "not-found") throw thrown;
      return undefined;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.heal();
  }
}

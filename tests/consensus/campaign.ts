/**
 * A campaign against a replicated system of Debian's packages: clients write records through every node, while a nemesis makes faults
 * and, where it is to keep what it syncs, power cuts lose what nodes have not flushed. In the end, whatever was acknowledged
 * must be there.
 */

import { type Cluster, startCluster, type Vm } from "../../mod.ts";
import { pause } from "../../src/core/deadline.ts";
import { randomStream } from "../../src/core/random.ts";
import { PROGRAMS } from "../support/debian_programs.ts";
import type { Outcome, System } from "./system.ts";

export interface CampaignOptions {
  system: System;
  seed: number;
  /** How long faults begin. */
  seconds: number;
  /** Whether nodes' power is cut. */
  cutsPower: boolean;
  /** The store, and the directory of the programs. */
  store: string;
  programs: string;
  say: (line: string) => void;
}

export interface CampaignResult extends Record<Outcome, number> {
  seed: number;
  seconds: number;
  /** Acknowledged records that were not there in the end. */
  lost: number;
  /** Power cuts, and what they lost of what was not flushed. */
  cuts: number;
  unflushed: number;
  /** What the nemesis has done. */
  faults: Record<string, number>;
}

const NAMES = ["a", "b", "c"];
const BETWEEN_WRITES_MS = 100;
/** How long a node runs between two power cuts. */
const BETWEEN_CUTS_MS = 30_000;
/** How long the system may take to answer, at its start and after the last fault. */
const ANSWERS_MS = 180_000;
const QUIET_MS = 20_000;

export async function campaign(options: CampaignOptions): Promise<CampaignResult> {
  const { system, seed, seconds, cutsPower, store, programs, say } = options;
  await using cluster = await startCluster(NAMES, {
    ...{ store, egress: "off", memoryMiB: 256, logWrites: cutsPower },
    fixtures: [{ hostPath: programs, guestPath: PROGRAMS }],
  });
  await Promise.all(cluster.vms.map((vm) => system.start(vm, cluster.vms)));
  const ports = await Promise.all(cluster.vms.map((vm) => vm.forward(system.port)));
  const answers = () => untilItAnswers(() => system.read(ports));
  await answers();
  say("it answers; the faults begin");

  const clients = new Clients(system, ports);
  const durationMs = seconds * 1000;
  const over = new AbortController();
  const cuts = cutsPower ? cutPower(cluster, options, over.signal) : Promise.resolve({ cuts: 0, unflushed: 0 });
  cuts.catch(() => {});
  const faults = ["partition", "one-way", "packet", "hold", "flap", "pause"] as const;
  await using nemesis = cluster.nemesis({ faults, seed, durationMs, intervalMs: 10_000, quietMs: QUIET_MS });
  await pause(durationMs);
  over.abort();
  const cut = await cuts;
  await nemesis.done;
  const { acknowledged, outcomes } = await clients.stop();
  const found = await answers();
  const lost = [...acknowledged].filter((record) => !found.has(record)).length;
  return { ...{ seed, seconds, lost }, ...outcomes, ...cut, faults: await nemesis.counts() };
}

/** One for each node: writes one record after the other through it. */
class Clients {
  readonly #acknowledged = new Set<number>();
  readonly #outcomes: Record<Outcome, number> = { acknowledged: 0, refused: 0, unknown: 0 };
  readonly #stop = new AbortController();
  readonly #done: Promise<void[]>;
  #last = 0;

  constructor(private readonly system: System, ports: readonly number[]) {
    this.#done = Promise.all(ports.map((port) => this.#run(port)));
  }

  async #run(port: number): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const record = ++this.#last;
      const outcome = await this.system.write(port, record);
      this.#outcomes[outcome]++;
      if (outcome === "acknowledged") this.#acknowledged.add(record);
      await pause(BETWEEN_WRITES_MS, this.#stop.signal);
    }
  }

  async stop(): Promise<{ acknowledged: Set<number>; outcomes: Record<Outcome, number> }> {
    this.#stop.abort();
    await this.#done;
    return { acknowledged: this.#acknowledged, outcomes: this.#outcomes };
  }
}

/** Cuts one node's power after the other: it loses what it had not flushed, boots, and starts the system again. */
async function cutPower(
  cluster: Cluster,
  { seed, system, say }: CampaignOptions,
  signal: AbortSignal,
): Promise<{ cuts: number; unflushed: number }> {
  const random = randomStream("power cuts", seed);
  const done = { cuts: 0, unflushed: 0 };
  for (;;) {
    await pause(BETWEEN_CUTS_MS, signal);
    if (signal.aborted) return done;
    const vm: Vm = cluster.vms[random.below(NAMES.length)];
    // A paused node's power is cut, too.
    const cut = await vm.kill({ loseUnflushed: "all", seed: random.below(2 ** 32) });
    done.cuts++;
    done.unflushed += cut?.lost ?? 0;
    await vm.start();
    await system.start(vm, cluster.vms);
    say(`${vm.name}: its power was cut; ${cut?.lost ?? 0} unflushed writes lost`);
  }
}

async function untilItAnswers<T>(ask: () => Promise<T>): Promise<T> {
  for (const end = performance.now() + ANSWERS_MS;;) {
    try {
      return await ask();
    } catch (thrown) {
      if (performance.now() > end) throw thrown;
      await pause(1_000);
    }
  }
}

/** How long members take to come up and go down, each against QEMU by hand. */

import { chooseAccelerator } from "../../src/vmm/qemu/accelerator.ts";
import { findQemu } from "../../src/vmm/qemu/program.ts";
import { bootBare, powerDown, prepareBare, type Stages } from "./bare_qemu.ts";
import { stopAll } from "./holders.ts";
import { type Bench, inTurn, median, round, type Row, sleep, timeFleetbox } from "./bench.ts";
import { breakdown, ratioRow, up } from "./up.ts";

/** A guest's work after its banner (drivers, its log) is over by then, so that a stop meets an idle guest. */
const SETTLE_MS = 3_000;

interface Boot {
  ms: number;
  stages: Stages;
  stopMs: number;
}

/**
 * Rows `up` of one member and `stop` of one member. The store is as empty as it can be: the key is made, and where there
 * is a `/dev/kvm`, the dry run that chooses the accelerator is made, too. That happens once per boot of the host; the row
 * beside it, without a limit, is every later `up`.
 */
export async function oneMember(bench: Bench): Promise<Row[]> {
  const both = async () => ({ first: await ownOne(bench), next: await ownOne(bench, { isAcceleratorKnown: true }) });
  const [pairs, bare] = await inTurn(bench.runs, both, () => bareOne(bench));
  const [ours, next] = [pairs.map(({ first }) => first), pairs.map(({ next }) => next)];
  const of = (boots: Boot[], key: "ms" | "stopMs") => boots.map((boot) => round(boot[key]));
  return [
    {
      what: "up of one member, until it has returned",
      measured: median(of(ours, "ms")),
      unit: "ms",
      against: { what: "QEMU by hand, to the SSH banner", value: median(of(bare, "ms")) },
      limit: { kind: "ratio", value: 1.15 },
      runs: { measured: of(ours, "ms"), against: of(bare, "ms") },
      note: breakdown(ours, bare),
    },
    {
      what: "the same, the accelerator known",
      measured: median(of(next, "ms")),
      unit: "ms",
      against: { what: "as above", value: median(of(bare, "ms")) },
      runs: { measured: of(next, "ms"), against: of(bare, "ms") },
      note: breakdown(next, bare),
    },
    {
      what: "stop of one member",
      measured: median(of(ours, "stopMs")),
      unit: "ms",
      against: { what: "system_powerdown by hand", value: median(of(bare, "stopMs")) },
      limit: { kind: "above", value: 150 },
      runs: { measured: of(ours, "stopMs"), against: of(bare, "stopMs") },
    },
  ];
}

/** Row `up a,b,c`. */
export async function threeMembers(bench: Bench): Promise<Row[]> {
  const [ours, bare] = await inTurn(bench.runs, () => ownThree(bench), () => bareThree(bench));
  return [ratioRow("up a,b,c", ours, "three QEMUs by hand, to the last banner", bare, 1.15)];
}

async function ownOne(bench: Bench, options?: { isAcceleratorKnown: boolean }): Promise<Boot> {
  const store = await bench.store();
  if (options?.isAcceleratorKnown) {
    await chooseAccelerator({ binary: findQemu(), cacheFile: store.acceleratorCache });
  }
  const { ms, stages } = await up(store, "a");
  await sleep(SETTLE_MS);
  const stopMs = await timeFleetbox(store, ["stop", "a"]);
  bench.say(`up a ${round(ms)} ms, stop ${round(stopMs)} ms`);
  return { ms, stages, stopMs };
}

async function bareOne(bench: Bench): Promise<Boot> {
  const machine = await prepareBare(await bench.store(), "a");
  const { bannerMs, stages, child } = await bootBare(bench, machine);
  await sleep(SETTLE_MS);
  const stopMs = await powerDown(machine, child);
  bench.say(`QEMU by hand ${round(bannerMs)} ms, powerdown ${round(stopMs)} ms`);
  return { ms: bannerMs, stages, stopMs };
}

async function ownThree(bench: Bench): Promise<{ ms: number; stages: Stages }> {
  const store = await bench.store();
  const result = await up(store, "a,b,c");
  bench.say(`up a,b,c ${round(result.ms)} ms`);
  await stopAll(store);
  return result;
}

async function bareThree(bench: Bench): Promise<{ ms: number; stages: Stages }> {
  const store = await bench.store();
  const machines = [];
  for (const name of ["a", "b", "c"]) machines.push(await prepareBare(store, name));
  const began = performance.now();
  const booted = await Promise.all(machines.map((machine) => bootBare(bench, machine)));
  const ms = performance.now() - began;
  const stages: Stages = {};
  for (const one of booted) {
    for (const [stage, at] of Object.entries(one.stages)) stages[stage] = Math.max(at, stages[stage] ?? 0);
    one.child.kill("SIGKILL");
    await one.child.status;
  }
  bench.say(`three QEMUs by hand ${round(ms)} ms`);
  return { ms, stages };
}

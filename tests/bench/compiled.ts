/** What the compiled executable costs, each figure against a compiled program that does nothing. */

import { fileURLToPath } from "node:url";
import { getGroup } from "../../src/control.ts";
import { type Bench, DENO, inTurn, median, round, type Row, sleep, timeFleetbox } from "./bench.ts";
import { residentMiB } from "./holders.ts";

const RUNS = 30;
const SETTLE_MS = 5_000;
const SCRIPT = fileURLToPath(new URL("../../scripts/compile.ts", import.meta.url));
const FAKE_QEMU = fileURLToPath(new URL("../fake_qemu/qemu-system-x86_64", import.meta.url));

/** Rows: size, start-up and memory. None, with a message, where nothing can compile. */
export async function compiledExecutable(bench: Bench): Promise<Row[]> {
  const [fleetbox, empty] = ["fleetbox", "empty"].map((name) => `${bench.directory}/${name}`);
  if (!await compile(bench, ["--output", fleetbox])) return [];
  await compile(bench, ["--empty", "--output", empty]);
  return [await size(fleetbox, empty), await startUp(bench, fleetbox, empty), await memory(bench, fleetbox, empty)];
}

async function compile(bench: Bench, args: string[]): Promise<boolean> {
  const { code, stderr } = await new Deno.Command(DENO, {
    args: ["run", "-A", "--quiet", "--no-check", SCRIPT, "--offline", ...args],
    stdout: "null",
    stderr: "piped",
  }).output();
  if (code === 0) return true;
  bench.say(`compiled executable not checked: ${new TextDecoder().decode(stderr).trim()}`);
  if (code === 3) return false;
  throw new Error("the executable cannot be compiled");
}

async function size(fleetbox: string, empty: string): Promise<Row> {
  const [ours, bare] = (await Promise.all([fleetbox, empty].map((path) => Deno.stat(path)))).map(({ size }) =>
    size / 1e6
  );
  return {
    what: "size of the compiled executable",
    measured: round(ours),
    unit: "MB",
    against: { what: "a compiled program that does nothing", value: round(bare) },
    limit: { kind: "above", value: 25 },
  };
}

async function startUp(bench: Bench, fleetbox: string, empty: string): Promise<Row> {
  const store = await bench.store();
  const time = (program: string) => () => timeFleetbox(store, ["version"], { program });
  const [ours, bare] = await inTurn(RUNS, time(fleetbox), time(empty));
  return {
    what: "compiled fleetbox version",
    measured: round(median(ours)),
    unit: "ms",
    against: { what: "a compiled program that does nothing", value: round(median(bare)) },
    limit: { kind: "ratio", value: 1.5 },
    runs: { measured: ours.map((ms) => round(ms)), against: bare.map((ms) => round(ms)) },
  };
}

async function memory(bench: Bench, fleetbox: string, empty: string): Promise<Row> {
  const store = await bench.store();
  const behaviour = `${bench.directory}/behaviour.json`;
  await Deno.writeTextFile(behaviour, "{}");
  const env = { FLEETBOX_QEMU: FAKE_QEMU, FLEETBOX_FAKE_QEMU_FILE: behaviour, FLEETBOX_ACCEL: "tcg" };
  const bare = bench.spawn(empty, ["wait"]);
  await timeFleetbox(store, ["up", "a,b,c", "--egress", "off"], { program: fleetbox, env });
  await sleep(SETTLE_MS);
  const { pid } = (await getGroup(store, "a"))!;
  const [ours, theirs] = [residentMiB(pid), residentMiB(bare.pid)];
  await timeFleetbox(store, ["stop", "--all", "--force"], { program: fleetbox, env });
  return {
    what: "resident memory of a compiled holder with three members",
    measured: round(ours),
    unit: "MiB",
    against: { what: "a compiled program that waits", value: round(theirs) },
    limit: { kind: "ratio", value: 2 },
  };
}

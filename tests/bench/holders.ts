/** What a holder costs once its group runs: its response time and its memory, each against a bare Deno process. */

import { getGroup } from "../../src/control.ts";
import type { Store } from "../../src/store.ts";
import { type Bench, DENO, inTurn, median, quantile, round, type Row, sleep, timeFleetbox } from "./bench.ts";

const SETTLE_MS = 5_000;
const ROUNDS = 20;
const ASKS_PER_ROUND = 250;

/** Rows `status` round trip and resident memory, with three real members. */
export async function threeMembersHeld(bench: Bench): Promise<Row[]> {
  const plain = await memoryOfHolder(bench, { FLEETBOX_TEMPLATES: "0" });
  const store = await bench.store();
  const echoSocket = `${bench.directory}/echo.sock`;
  const bare = bench.spawn(DENO, ["run", "-A", "--quiet", "--no-config", here("echo.ts"), echoSocket], {
    stdout: "piped",
  });
  await bare.stdout.getReader().read(); // it listens
  await timeFleetbox(store, ["up", "a,b,c", "--egress", "off"]);
  await sleep(SETTLE_MS);
  const { pid } = (await getGroup(store, "a"))!;
  const [ours, theirs] = [residentMiB(pid), residentMiB(bare.pid)];
  bench.say(`resident: holder ${round(ours)} MiB, bare Deno ${round(theirs)} MiB`);
  const [status, echo] = await inTurn(
    ROUNDS,
    () => askMany(store.memberSocket("a"), "status\n"),
    () => askMany(echoSocket, "status\n"),
  );
  bench.say(`status p50 ${round(quantile(status.flat(), 0.5), 3)} ms, echo ${round(quantile(echo.flat(), 0.5), 3)} ms`);
  await stopAll(store);
  const memory = (what: string, measured: number, limit: number): Row => ({
    what: `resident memory of a holder ${what}`,
    measured: round(measured),
    unit: "MiB",
    against: { what: "bare Deno that listens", value: round(theirs) },
    limit: { kind: "ratio", value: limit },
  });
  const p50 = (rounds: number[][]) => rounds.map((times) => round(quantile(times, 0.5), 3));
  return [
    {
      what: "status over the socket, p50",
      measured: median(p50(status)),
      unit: "ms",
      against: { what: "bare echo over a unix socket", value: median(p50(echo)) },
      limit: { kind: "ratio", value: 3 },
      runs: { measured: p50(status), against: p50(echo) },
    },
    memory("with three members", plain, 2),
    memory("that has taken three templates", ours, 2.25),
  ];
}

/** In MiB, with three members, in a store of its own. */
async function memoryOfHolder(bench: Bench, env: Record<string, string>): Promise<number> {
  const store = await bench.store();
  await timeFleetbox(store, ["up", "a,b,c", "--egress", "off"], { env });
  await sleep(SETTLE_MS);
  const mib = residentMiB((await getGroup(store, "a"))!.pid);
  bench.say(`resident: holder without templates ${round(mib)} MiB`);
  await stopAll(store);
  return mib;
}

export async function stopAll(store: Store): Promise<void> {
  await timeFleetbox(store, ["stop", "--all", "--force"]);
}

async function askMany(path: string, request: string): Promise<number[]> {
  const times: number[] = [];
  for (let index = 0; index < ASKS_PER_ROUND; index++) times.push(await ask(path, request));
  return times;
}

/** One request over a new connection, to the end of the reply: milliseconds. */
export async function ask(path: string, request: string): Promise<number> {
  const began = performance.now();
  const conn = await Deno.connect({ transport: "unix", path });
  await conn.write(encoder.encode(request));
  while (await conn.read(buffer) !== null);
  conn.close();
  return performance.now() - began;
}

const encoder = new TextEncoder();
const buffer = new Uint8Array(2048);

/** `VmRSS` of a process. */
export function residentMiB(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`))![1]) / 1024;
}

export function here(file: string): string {
  return `${import.meta.dirname}/${file}`;
}

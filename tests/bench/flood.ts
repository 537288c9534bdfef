/**
 * How long a holder's `status` takes while its switch is saturated: a real holder, started by the real command line,
 * whose machines are the tests' fake QEMU (two guests that do nothing else would need the CPUs that the flood
 * needs). One floods the other through the holder's switch, while this process asks for the status.
 */

import { getReport } from "../../src/control.ts";
import type { Store } from "../../src/store.ts";
import { ask, here, stopAll } from "./holders.ts";
import { type Bench, quantile, round, type Row, sleep, timeFleetbox } from "./bench.ts";
import type { Order } from "./flood/flood.ts";

const WARM_UP_MS = 1_000;
const SECONDS = 4;
const ASK_EVERY_MS = 2;

export async function floodedStatus(bench: Bench): Promise<Row[]> {
  const store = await bench.store();
  const env = { FLEETBOX_QEMU: here("flood/qemu-system-x86_64"), FLEETBOX_ACCEL: "tcg" };
  await timeFleetbox(store, ["up", "a,b", "--egress", "off"], { env });
  const order: Order = {
    from: store.config("a")!.mac,
    to: store.config("b")!.mac,
    socket: store.member("a").netSocket,
  };
  await Deno.writeTextFile(`${store.runDir}/flood.new`, JSON.stringify(order));
  await Deno.rename(`${store.runDir}/flood.new`, `${store.runDir}/flood`);
  await sleep(WARM_UP_MS);
  const before = await traffic(store);
  const times: number[] = [];
  for (const until = before.at + SECONDS * 1000; performance.now() < until;) {
    times.push(await ask(store.memberSocket("a"), "status\n"));
    await sleep(ASK_EVERY_MS);
  }
  const after = await traffic(store);
  await stopAll(store);
  const gbit = (key: "offered" | "delivered") =>
    round((after[key] - before[key]) * 8 / (after.at - before.at) / 1e6, 2);
  return [{
    what: "status p99 while the switch is saturated",
    measured: round(quantile(times, 0.99), 2),
    unit: "ms",
    limit: { kind: "at most", value: 20 },
    note:
      `${times.length} asked, p50 ${round(quantile(times, 0.5), 2)} ms, slowest ${round(Math.max(...times), 2)} ms; ` +
      `meanwhile ${gbit("offered")} Gbit/s came in and ${gbit("delivered")} went out`,
  }];
}

async function traffic(store: Store): Promise<{ at: number; offered: number; delivered: number }> {
  const [a, b] = [await getReport(store, "a"), await getReport(store, "b")];
  return { at: performance.now(), offered: a!.network!.rx_bytes, delivered: b!.network!.tx_bytes };
}

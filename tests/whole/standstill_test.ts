/** The host sleeps and wakes: here a SIGSTOP and SIGCONT of every process. No machine or command may end because of it. */

import * as assert from "#assert";
import type { ProcessIdentity } from "../../src/system/process.ts";
import { signal, until } from "../support/processes.ts";
import { type Sandbox, sandbox, test, told } from "../support/sandbox.ts";
import { Client } from "../support/socket.ts";

const later = (ms: number) => new Promise((done) => setTimeout(done, ms));

/** Stops every process that works on the store, and these; continues them after a time, in any order. */
async function standStill(box: Sandbox, ms: number, others: ProcessIdentity[] = []): Promise<void> {
  const all = [...box.processes(), ...others];
  assert.ok(all.some(({ pid }) => pid === box.process("holder").pid));
  for (const process of all) signal(process, "SIGSTOP");
  await later(ms);
  for (const process of all.reverse()) signal(process, "SIGCONT");
}

async function boot(): Promise<void> {
  await using box = await sandbox({ fakeQemu: { a: { bootMs: 2_500 } } });
  const up = box.start(["up", "a", "--egress", "off", "--timeout", "6"]);
  await up.printed(/^a: kernel/m);
  await standStill(box, 8_000);
  const result = await up.done;
  assert.equal(result.code, 0, told(result));
}

test("a boot, a stop, a request and all that runs survive a host that sleeps for longer than their limits", async () => {
  for (const each of await Promise.allSettled([boot(), run()])) if (each.status === "rejected") throw each.reason;
});

async function run(): Promise<void> {
  await using box = await sandbox({ fakeQemu: { b: { powerdownMs: 2_000 } } });
  await box.up("a,b");
  const before = [box.process("holder").pid, box.process("gateway").pid, ...box.machines()];
  using half = await Client.connect(box.store.memberSocket("a"));
  await half.send('{"op":"rep');
  const stopping = box.start(["stop", "b", "--grace", "8s"]);
  await until("b stops", async () => (await box.status("b"))?.stage === "stopping");
  await half.send('ort"}\n');
  await standStill(box, 12_000);

  assert.equal(JSON.parse(await half.rest()).state, "running", "the request was refused because time jumped");
  const stop = await stopping.done;
  assert.equal(stop.code, 0, told(stop));
  assert.match(
    box.holderLog("a"),
    /b: stopped: The guest shut down$/m,
    `its guest did not have its full time: ${box.holderLog("a")}`,
  );
  assert.equal(await box.states(), "a=running b=stopped");
  assert.deepEqual(before.filter((one) => !String(one).startsWith("b:")), [
    box.process("holder").pid,
    box.process("gateway").pid,
    ...box.machines(),
  ]);
}

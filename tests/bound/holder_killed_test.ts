/** `kill -9` of a bound holder: its machines and its gateway die with it, and the next start of the names works. */

import * as assert from "#assert";
import { isAlive } from "../../src/system/process.ts";
import type { Behaviour } from "../fake_qemu/qemu.ts";
import { kill, until } from "../support/processes.ts";
import { type Sandbox, sandbox, test } from "../support/sandbox.ts";
import { Client, left, START, untilNothing } from "./bound.ts";
import type { Script } from "./client.ts";

/** Kills the holder. @returns how long it took until none of its processes was left. */
async function killHolder(box: Sandbox): Promise<number> {
  const start = performance.now();
  await kill(box.process("holder"));
  await until("no machine, no gateway", () => box.processes().every(({ kind }) => kind === "other"));
  return performance.now() - start;
}

const SCENES: [when: string, behaviour: Record<string, Behaviour>, script: Script, machines: number][] = [
  ["while its machines run", {}, { names: ["a", "b"], then: ["up"] }, 2],
  ["while its machines boot", { "*": { bootMs: 600_000 } }, { names: ["a", "b"] }, 2],
  ["while QEMU does not answer yet", { "*": { start: "hang" } }, { names: ["a", "b"] }, 2],
  ["while none of them quits on command", { "*": { quit: "ignore" } }, { names: ["a", "b"], then: ["up"] }, 2],
  ["while one joins", { c: { bootMs: 600_000 } }, { names: ["a"], then: ["up", "add c"] }, 2],
];

for (const [when, behaviour, script, machines] of SCENES) {
  test(`kill -9 of the holder ${when}: no QEMU and no gateway survives it, and its names start again`, async () => {
    await using box = await sandbox({ fakeQemu: behaviour });
    await using client = new Client(box, script);
    if (script.then) await client.said(/^up$/m);
    await until("its machines are there", () => box.processes("machine").length === machines);
    const ms = await killHolder(box);
    console.log(`holder killed: ${when}: ${Math.round(ms)} ms`);
    assert.ok(isAlive(client.identity), "the client runs on");

    box.behave({});
    await using next = new Client(box, { names: script.names, then: ["up"] });
    await next.said(/^up$/m);
    assert.deepEqual(box.record().members.sort(), script.names);
    next.kill();
    await next.ended;
    await untilNothing(box);
  });
}

test("kill -9 of the holder at any moment of its start: no QEMU and no gateway survives it", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  for (const [moment, isThere] of START) {
    await using client = new Client(box, { names: ["a", "b"] });
    const holder = await until("the holder is there", () => box.processes("holder")[0]);
    await until(moment, () => isThere(box));
    await kill(holder);
    await until("no machine, no gateway", () => box.processes().every(({ kind }) => kind === "other"));
    client.kill();
    await client.ended;
    // What was left in `run` is swept by the next holder, bound or detached.
    await box.up("a");
    await box.ok("stop", "--force", "a");
    await untilNothing(box);
  }
});

test("the next up sweeps what a killed bound holder left, also in another member's group", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await using client = new Client(box, { names: ["a", "b"], then: ["up"] });
  await client.said(/^up$/m);
  await killHolder(box);
  assert.notDeepEqual(left(box), [], "a killed holder cleans nothing up");
  client.kill();
  await client.ended;
  assert.equal(await box.states(), "a=stopped b=stopped");
  await box.up("z");
  const ofZ = [box.store.memberSocket("z"), box.store.member("z").qmpSocket];
  assert.equal(box.record().group, "z");
  assert.deepEqual(box.debris().filter((path) => /\.(sock|ctl)$|pid$/.test(path)), [
    "clusters/z/z/pid",
    ofZ[0].slice(box.home.length + 1),
  ]);
});

test("a bound holder that gets SIGTERM leaves nothing; its client lives", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await using client = new Client(box, { names: ["a"], then: ["up"] });
  await client.said(/^up$/m);
  Deno.kill(box.process("holder").pid, "SIGTERM");
  await untilNothing(box);
  assert.ok(isAlive(client.identity));
});

test("machines die with the holder's process and not with one of its threads", async () => {
  // setpriv's signal comes when the *thread* that started the program ends. It must be a thread that lives as long as the
  // holder does: the main thread, not one of a pool, which ends after ten idle seconds. That time is not waited
  // for: the kernel tells of which thread a process is the child.
  await using box = await sandbox({ fakeQemu: {} });
  await using client = new Client(box, { names: ["a"], then: ["up", "added b", "stopped b", "added b"] });
  await client.said(/^stopped$[^]*^added$/m);
  const { pid } = box.process("holder");
  const hypervisors = box.processes().filter(({ kind }) => kind === "machine" || kind === "gateway");
  assert.equal(hypervisors.length, 3);
  const ofMainThread = Deno.readTextFileSync(`/proc/${pid}/task/${pid}/children`).trim().split(" ").map(Number);
  assert.deepEqual(hypervisors.filter((one) => !ofMainThread.includes(one.pid)), []);
  assert.deepEqual(hypervisors.filter((one) => !isAlive(one)), []);
});

/** However and whenever a client ends, nothing of its group is left. Against the fake QEMU. */

import * as assert from "#assert";
import type { Behaviour } from "../fake_qemu/qemu.ts";
import { isAlive } from "../../src/system/process.ts";
import { type Found, parentOf, until } from "../support/processes.ts";
import { type Sandbox, sandbox, test } from "../support/sandbox.ts";
import { Client, type ClientOptions, holdsOpen, left, START, untilNothing } from "./bound.ts";
import type { Script } from "./client.ts";

interface Scene {
  behaviour?: Record<string, Behaviour>;
  script: Script;
  options?: ClientOptions;
  /** Resolves at the moment of the kill. */
  ready: (client: Client, box: Sandbox) => Promise<unknown>;
  kill?: (client: Client) => void;
}

const machines = (count: number) => (_: Client, box: Sandbox) =>
  until(`${count} machines run`, () => box.processes("machine").length === count);

/** Brings a group into a state, kills its client, and checks that nothing is left in time. */
function killed(when: string, { behaviour = {}, script, options, ready, kill = (client) => client.kill() }: Scene) {
  test(`kill -9 of the client ${when}: nothing of its group is left`, async () => {
    await using box = await sandbox({ fakeQemu: behaviour });
    await using client = new Client(box, script, options);
    await ready(client, box);
    kill(client);
    const ms = await untilNothing(box);
    console.log(`client gone: ${when}: ${Math.round(ms)} ms`);
  });
}

killed("while its machines run", {
  script: { names: ["a", "b"], then: ["up"] },
  ready: (client) => client.said(/^up$/m),
});
killed("while its machines boot", {
  behaviour: { "*": { bootMs: 600_000 } },
  script: { names: ["a", "b"] },
  ready: machines(2),
});
killed("while its machines' QEMU does not answer yet", {
  behaviour: { a: { start: "hang" }, b: { start: "hang" }, gateway: { start: "hang" } },
  script: { names: ["a", "b"] },
  ready: machines(2),
});
killed("while one of its machines stops", {
  behaviour: { a: { powerdown: "ignore" } },
  script: { names: ["a", "b"], then: ["up", "stop a"] },
  ready: async (client, box) => {
    await client.said(/^stopping$/m);
    await until("a is stopping", async () => (await box.report("a")).stage === "stopping");
  },
});
killed("while a machine joins", {
  behaviour: { c: { bootMs: 600_000 } },
  script: { names: ["a"], then: ["up", "add c"] },
  ready: machines(2),
});
killed("while it asks for a machine to join, before its QEMU runs", {
  script: { names: ["a"], then: ["up", "add c"] },
  ready: (client) => client.said(/^adding$/m),
});
killed("while its machines run and none quits on command", {
  behaviour: { "*": { powerdown: "ignore", quit: "ignore" }, gateway: { quit: "ignore" } },
  script: { names: ["a", "b"], then: ["up"] },
  ready: (client) => client.said(/^up$/m),
});
killed("together with its whole process group", {
  script: { names: ["a", "b"], then: ["up"] },
  options: { group: true },
  ready: (client) => client.said(/^up$/m),
  kill: (client) => client.killGroup(),
});
test("kill -9 of the client while its holder asks QEMU for its version: the question ends, too", async () => {
  await using box = await sandbox({ fakeQemu: { "*": { versionMs: 600_000 } } });
  await using client = new Client(box, { names: ["a"] });
  const holder = await until("its holder is there", () => box.processes("holder")[0]);
  const isAsked = ({ kind, pid }: Found) => kind === "other" && parentOf(pid) === holder.pid;
  const asked = await until("QEMU is asked", () => box.processes().find(isAsked));
  client.kill();
  await untilNothing(box);
  await until("the question has ended", () => !isAlive(asked), 5_000);
});
killed("as soon as the holder serves", {
  script: { names: ["a"] },
  ready: (client) => client.said(/^spawned/m),
});

test("kill -9 of the client at any moment of its start leaves nothing, whether the holder was bound already or not", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  let worst = 0;
  for (const [moment, isThere] of START) {
    await using client = new Client(box, { names: ["a"] });
    await until(moment, () => isThere(box));
    client.kill();
    await client.ended;
    worst = Math.max(worst, await untilNothing(box));
  }
  console.log(`client gone: at ${START.length} moments of its start: at most ${Math.round(worst)} ms`);
});

test("kill -9 of the client while its holder still waits to claim its members leaves nothing", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  box.store.ensure();
  const lock = await Deno.open(box.store.claimLock, { create: true, write: true });
  await lock.lock(true);
  await using client = new Client(box, { names: ["a", "b"] });
  const holder = await until("the holder is there", () => box.processes("holder")[0]);
  await until(
    "it asks for the lock",
    () => holdsOpen(holder.pid, box.store.claimLock),
    undefined,
    () => box.holderLog("a"),
  );
  assert.equal(box.processes("holder").length, 1, box.holderLog("a"));
  client.kill();
  await untilNothing(box);
  lock.close();
  assert.deepEqual(box.stored(), []);
});

for (
  const [how, step, code] of [["ends", "leave", 0], ["ends by an error", "throw", 1], ["exits", "exit", 0]] as const
) {
  test(`a client that ${how} without closing its session leaves nothing, and is not kept alive by it`, async () => {
    await using box = await sandbox({ fakeQemu: {} });
    await using client = new Client(box, { names: ["a"], then: ["up", step === "leave" ? "leave" : step] });
    assert.equal((await client.ended).code, code, client.words);
    await untilNothing(box);
  });
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  test(`a client that ${signal} ends leaves nothing`, async () => {
    await using box = await sandbox({ fakeQemu: {} });
    await using client = new Client(box, { names: ["a"], then: ["up"] });
    await client.said(/^up$/m);
    Deno.kill(client.pid, signal);
    await client.ended;
    await untilNothing(box);
  });
}

test("close ends the group, reaps the holder, and may be called twice", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await using client = new Client(box, { names: ["a", "b"], then: ["up", "stopped a", "close", "leave"] });
  await client.said(/^closed$/m);
  assert.equal((await client.ended).code, 0, client.words);
  assert.deepEqual(left(box), [], "close returned before all was gone");
  assert.deepEqual(box.stored(), ["a", "b"]);
});

test("a bound holder to which no client ever connects ends with its parent process", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const script = 'FLEETBOX_PARENT_PID=$$ "$0" --fleetbox-runner a,b >/dev/null 2>&1 & wait';
  const { FLEETBOX } = await import("../support/command.ts");
  const shell = new Deno.Command("/bin/sh", { args: ["-c", script, FLEETBOX], env: box.env, clearEnv: true }).spawn();
  await until("both run", async () => (await box.status("b"))?.state === "running");
  shell.kill("SIGKILL");
  await shell.status;
  const ms = await untilNothing(box);
  console.log(`client gone: without a control connection: ${Math.round(ms)} ms`);
});

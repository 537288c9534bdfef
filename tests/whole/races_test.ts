/** Commands that run at the same time, after the kill of another one, and under Ctrl-C. */

import * as assert from "#assert";
import { isAlive } from "../../src/system/process.ts";
import { exists } from "../../src/system/files.ts";
import { until } from "../support/processes.ts";
import { type Sandbox, sandbox, test, told } from "../support/sandbox.ts";

test("up while the same up runs: one group, no second QEMU, both succeed", async () => {
  await using box = await sandbox({ fakeQemu: { "*": { bootMs: 1_000 } } });
  const first = box.start(["up", "a,b", "--egress", "off"]);
  await first.printed(/^a: /m);
  const second = await box.up("a,b");
  const { code, stdout } = await first.done;
  assert.equal(code, 0);
  for (const output of [stdout, second.stdout]) assert.match(output, /^b {2}10\.88\.0\.12 {2}fleetbox ssh b$/m);
  await assertOneGroup(box, "a", "b");
});

test("the same up three times at once: one group, each machine once, all succeed", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await Promise.all([1, 2, 3].map(() => box.up("a,b")));
  await assertOneGroup(box, "a", "b");
});

test("up a,b and up b,c at once end in one group of three", async () => {
  for (let round = 0; round < 3; round++) {
    await using box = await sandbox({ fakeQemu: {} });
    await Promise.all([box.up("a,b"), box.up("b,c")]);
    await assertOneGroup(box, "a", "b", "c");
  }
});

test("two joins of the same member at once boot it once", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  await Promise.all([box.ok("join", "d", "--via", "a"), box.ok("join", "d", "--via", "a"), box.up("a,d")]);
  await assertOneGroup(box, "a", "d");
});

test("up of a member that is being stopped waits for its end, then boots it", async () => {
  await using box = await sandbox({ fakeQemu: { a: { powerdownMs: 1_000 } } });
  await box.up("a");
  const old = box.process("machine", "a");
  const stop = box.start(["stop", "a"]);
  await stop.printed(/stopping/);
  const up = await box.up("a");
  assert.equal((await stop.done).code, 0);
  assert.ok(!isAlive(old), told(up));
  assert.equal(await box.states(), "a=running");
});

test("a member that is stopped while up waits for it ends that wait, with a line that says so", async () => {
  await using box = await sandbox({ fakeQemu: { a: { bootMs: 60_000 } } });
  const up = box.start(["up", "a", "--egress", "off"]);
  await until("its machine runs", () => box.processes("machine").length === 1);
  await box.ok("stop", "a");
  const result = await up.done;
  assert.equal(result.code, 1, told(result));
  assert.match(result.stderr, /"a" was stopped/);
  await box.empty();
});

test("rm --all while up runs ends with no member and no process", async () => {
  await using box = await sandbox({ fakeQemu: { "*": { bootMs: 60_000 } } });
  const up = box.start(["up", "a,b", "--egress", "off"]);
  await until("both machines run", () => box.processes("machine").length === 2);
  await box.ok("rm", "-f", "--all");
  assert.equal((await up.done).code, 1);
  await box.empty();
  assert.deepEqual(box.stored(), []);
});

test("kill -9 of up: the holder goes on, and the same up again succeeds", async () => {
  await using box = await sandbox({ fakeQemu: { "*": { bootMs: 800 } } });
  const killed = box.start(["up", "a,b", "--egress", "off"]);
  await killed.printed(/^a: (disk|boot|kernel)/m);
  killed.kill("SIGKILL");
  assert.equal((await killed.done).signal, "SIGKILL");
  const holder = box.process("holder");
  await box.up("a,b");
  assert.equal(box.process("holder").pid, holder.pid);
  await assertOneGroup(box, "a", "b");
});

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  test(`${signal} during up takes down and removes what it made, says so, and exits with 130`, async () => {
    await using box = await sandbox({ fakeQemu: { "*": { bootMs: 60_000 } } });
    const up = box.start(["up", "a,b", "--egress", "off"]);
    await until("both machines run", () => box.processes("machine").length === 2);
    up.kill(signal);
    const result = await up.done;
    assert.equal(result.code, 130, told(result));
    assert.match(result.stderr, /Interrupted; stopped again: a, b/);
    await box.empty();
    assert.deepEqual(box.stored(), []);
    assert.deepEqual(box.debris(), []);
  });
}

test("Ctrl-C as soon as up starts leaves nothing behind, whenever it comes", async () => {
  const moments: [moment: string, isThere: (box: Sandbox) => boolean][] = [
    ["at once", () => true],
    ["when its store is there", (box) => exists(box.store.claimLock)],
    ["when its holder is there", (box) => box.processes("holder").length > 0],
    ["when the holder's log is there", (box) => box.holderLog("a") !== ""],
    ["when a member is claimed", (box) => exists(box.store.memberSocket("a"))],
    ["when a member is stored", (box) => box.stored().length > 0],
    ["when its gateway is there", (box) => box.processes("gateway").length > 0],
    ["when a machine is there", (box) => box.processes("machine").length > 0],
  ];
  for (const [moment, isThere] of moments) {
    await using box = await sandbox({ fakeQemu: { "*": { bootMs: 60_000 } } });
    const up = box.start(["up", "a,b", "--egress", "off"]);
    await until(moment, () => isThere(box));
    up.kill("SIGINT");
    const result = await up.done;
    // Before it listens for signals the signal itself ends it, and nothing has begun.
    assert.ok(result.code === 130 || result.signal === "SIGINT", told(result));
    await box.empty();
    assert.deepEqual(box.stored(), [], `${moment}: ${told(result)}`);
  }
});

test("Ctrl-C during up leaves members that ran as they are, and keeps the disks of those that existed", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a,old");
  await box.ok("stop", "old");
  const a = box.process("machine", "a");
  box.behave({ "*": { bootMs: 60_000 } });
  const up = box.start(["up", "a,old,new"]);
  await until("all machines run", () => box.processes("machine").length === 3);
  up.kill("SIGINT");
  const result = await up.done;
  assert.equal(result.code, 130, told(result));
  assert.match(result.stderr, /Interrupted; stopped again: old, new; left as found: a/);
  assert.ok(isAlive(a));
  assert.equal(await box.states(), "a=running old=stopped");
  assert.ok(exists(box.store.member("old").disk));
});

test("Ctrl-C during join takes down the new member and leaves the group as it is", async () => {
  await using box = await sandbox({ fakeQemu: { d: { bootMs: 60_000 } } });
  await box.up("a");
  const join = box.start(["join", "d", "--via", "a"]);
  await until("d's machine runs", () => box.processes("machine").length === 2);
  join.kill("SIGINT");
  assert.equal((await join.done).code, 130);
  assert.equal(await box.states(), "a=running");
  assert.deepEqual(box.stored(), ["a"]);
});

test("a second Ctrl-C leaves at once, and says what may still run", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  await box.ok("stop", "a");
  // One guest is up, another one is not; its shutdown never ends.
  box.behave({ a: { powerdown: "ignore" }, b: { bootMs: 60_000 } });
  const up = box.start(["up", "a,b", "--egress", "off"]);
  await up.printed(/^a: running/m);
  up.kill("SIGINT");
  await up.printed(/taking a, b down again/);
  up.kill("SIGINT");
  const result = await up.done;
  assert.equal(result.code, 130);
  assert.match(result.stderr, /left at once; may still run: a, b/, told(result));
});

test("Ctrl-C during stop says that the members continue to shut down", async () => {
  await using box = await sandbox({ fakeQemu: { a: { powerdownMs: 1_500 } } });
  await box.up("a");
  const stop = box.start(["stop", "a"]);
  await until("the holder stops it", async () => (await box.status("a"))?.stage === "stopping");
  stop.kill("SIGINT");
  const result = await stop.done;
  assert.equal(result.code, 130, told(result));
  assert.match(result.stderr, /the members continue to shut down/);
  await until("a is down", () => box.processes("machine").length === 0);
  await box.empty();
});

test("Ctrl-C during wait and logs -f ends them and nothing else", async () => {
  await using box = await sandbox({ fakeQemu: { a: { bootMs: 60_000, console: ["hello"] } } });
  await box.up("a", "--no-wait");
  const logs = box.start(["logs", "a", "-f"]);
  await logs.printed(/hello/);
  const wait = box.start(["wait", "a"]);
  await wait.printed(/a: kernel|a: network|a: boot/);
  for (const command of [logs, wait]) {
    command.kill("SIGINT");
    assert.equal((await command.done).code, 130);
  }
  assert.equal((await box.status("a"))?.state, "starting");
});

async function assertOneGroup(box: Sandbox, ...names: string[]): Promise<void> {
  assert.equal(box.processes("holder").length, 1, JSON.stringify(box.processes("holder")));
  assert.equal(box.processes("gateway").length, 1);
  assert.deepEqual(box.machines().map((machine) => machine.split(":")[0]), names);
  await until("the record tells of all", () => box.record().running.sort().join() === names.join());
}

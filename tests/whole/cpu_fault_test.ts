/** Machines that get a part of the time only, through the real command line: what is seen of it, and what continues them. */

import * as assert from "#assert";
import { standsStill, until } from "../support/processes.ts";
import { type Sandbox, sandbox, test } from "../support/sandbox.ts";

const faultsOf = async (box: Sandbox) => JSON.parse((await box.ok("fault", "ls", "--json")).stdout);

test("fault cpu: the smallest share holds, the machine answers, cannot be saved, and runs all the time after heal", async () => {
  await using box = await sandbox({ fakeQemu: {}, fakeSsh: true });
  await box.up("a,b");
  const machine = box.process("machine", "a");
  assert.match(
    (await box.ok("fault", "cpu", "a", "--share", "2%")).stdout,
    /^(f\w+): cpu: a, 2% of the time; end it: fleetbox heal \1$/m,
  );
  await box.ok("fault", "cpu", "a,b", "--share", "0.9", "--for", "1h");
  await until("it stands still", () => standsStill(machine));
  for (let times = 0; times < 3; times++) {
    assert.match((await box.ok("ls")).stdout, /^a +running \(2 faults\) /m);
    assert.equal(JSON.parse((await box.ok("status", "a", "--json")).stdout).not_answering, undefined);
  }
  assert.match(
    (await box.ok("fault", "ls")).stdout,
    /cpu: a, 2% of the time +stood still for [\d.]+m?s of [\d.]+m?s$/m,
  );
  const { counts: { stopped_ms, squeezed_ms } } = (await faultsOf(box))[0];
  const stood = stopped_ms / squeezed_ms;
  assert.ok(stood > 0.7 && stood <= 1, `${stood}: what asks it lets it run meanwhile`);
  await box.fails(1, /Cannot save "a": it is under the fault f\w+ \(cpu: a, 2% of the time\)/, "suspend", "a");
  await box.ok("heal");
  assert.equal(standsStill(machine), false);
  assert.deepEqual(await faultsOf(box), []);
  await box.ok("fault", "cpu", "a", "--share", "1%", "--for", "300ms");
  await until("it is over", async () => (await faultsOf(box)).length === 0);
  assert.equal(standsStill(machine), false);

  const plan = ["--targets", "all", "--interval", "300ms", "--for", "600ms", "--quiet-after", "0"];
  const { stdout } = await box.ok("fault", "random", "--faults", "cpu", ...plan);
  assert.match(stdout, /^4 faults: stood still for [\d.]+m?s$/m);
  assert.equal(standsStill(machine), false);

  await box.ok("fault", "cpu", "a,b", "--share", "1%");
  await until("it stands still", () => standsStill(machine));
  await box.ok("stop", "a"); // its guest shuts down
  assert.deepEqual((await faultsOf(box)).map(({ members }: { members: string[] }) => members), [["b"]]);
  await box.ok("stop", "b", "--force");
});

test("fault cpu: ends with its machine, and the next one runs all the time", async () => {
  await using box = await sandbox({ fakeQemu: { a: { onSignal: "die" } } });
  await box.up("a,b");
  await box.ok("fault", "cpu", "a", "--share", "50%");
  box.accident("a");
  await until("its fault is gone", async () => (await faultsOf(box)).length === 0);
  await until("a has failed", async () => (await box.ls()).a.state === "error");
  await box.fails(
    1,
    /Cannot squeeze the CPUs of "a": it is error, expected running/,
    "fault",
    "cpu",
    "a",
    "--share",
    "5%",
  );
  await box.up("a");
  assert.equal((await box.ls()).a.faults, undefined);
});

test("fault cpu: a killed holder leaves no machine that stands still: guardian, or whatever adopts the group", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a,b");
  const machine = box.process("machine", "a");
  await box.ok("fault", "cpu", "a", "--share", "1%");
  await until("it stands still", () => standsStill(machine));
  await box.killHolderAlone("a");
  await until(
    "the guardian holds the group, and goes on with the fault",
    async () => (await box.ls()).a.state === "running" && (await faultsOf(box)).length === 1 && standsStill(machine),
  );
  await box.ok("heal");
  assert.equal(standsStill(machine), false);

  // The fault has ended by the time in which somebody adopts the group.
  await box.ok("fault", "cpu", "a", "--share", "1%", "--for", "500ms");
  await until("it stands still", () => standsStill(machine));
  await box.killHolder("a");
  if (!standsStill(machine)) Deno.kill(machine.pid, "SIGSTOP"); // in the other half, by bad luck
  await new Promise((later) => setTimeout(later, 600));
  await box.ok("ls", "--repair");
  assert.equal((await box.ls()).a.state, "running");
  assert.equal(standsStill(machine), false);
  assert.deepEqual(await faultsOf(box), []);
  assert.equal(box.record().squeezed, undefined);
});

test("fault cpu of several members: one that does not run keeps no other from it; orphans are adopted", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a,b,c");
  await box.ok("stop", "b");
  await box.killHolder("a");
  const { stderr } = await box.fails(3, /"b" is not running/, "fault", "cpu", "a,b,c", "--share", "30%");
  assert.match(stderr, /adopted: a, c/);
  assert.deepEqual((await faultsOf(box)).map(({ members }: { members: string[] }) => members).sort(), [["a"], ["c"]]);
});

test("fault cpu: what makes no sense is refused, with what to do", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  await box.fails(2, /How much of the time\?/, "fault", "cpu", "a");
  await box.fails(2, /found "0", expected 1% to 99%\n.*fleetbox pause/, "fault", "cpu", "a", "--share", "0");
  await box.fails(2, /found "100%", expected 1% to 99%\n.*fleetbox heal/, "fault", "cpu", "a", "--share", "100%");
  await box.fails(2, /Did you mean 30%\?/, "fault", "cpu", "a", "--share", "30");
  await box.fails(3, /There is no member "z"/, "fault", "cpu", "z", "--share", "30%");
});

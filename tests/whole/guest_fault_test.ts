/** Faults inside guests through the real command line, against the fake QEMU, whose guests have an agent. */

import * as assert from "#assert";
import type { Behaviour } from "../fake_qemu/qemu.ts";
import { withAgents } from "../support/files.ts";
import { until } from "../support/processes.ts";
import { type Sandbox, sandbox, test } from "../support/sandbox.ts";

const faultsOf = async (box: Sandbox) => JSON.parse((await box.ok("fault", "ls", "--json")).stdout);
const idIn = (stdout: string) => /^f\w+/.exec(stdout)![0];

async function agents(fakeQemu: Record<string, Behaviour>): Promise<Sandbox> {
  const box = await sandbox({ fakeQemu });
  withAgents(box);
  return box;
}

/** By how much the clock of a is ahead. */
async function ahead(box: Sandbox): Promise<number> {
  return JSON.parse((await box.ok("clock", "a", "--json")).stdout)[0].offset_ms;
}

test("a clock is moved, told, and put back, also by the next holder", async () => {
  await using box = await agents({});
  await box.up("a,b");
  const before = await ahead(box); // a fake guest's clock stands still, in 1970
  const is = (found: number, expected: number) =>
    assert.ok(Math.abs(found - expected) < 60_000, `${found}, ${expected}`);
  const made = await box.ok("fault", "clock", "a", "--bump", "+1h");
  assert.match(made.stdout, /^(f\w+): clock: a, \+60m; end it: fleetbox heal \1$/m);
  is(await ahead(box), before + 3_600_000);
  assert.match((await box.ok("clock")).stdout, /^NAME +AHEAD *\na +-\d+(\.\d)? ms +± \d+(\.\d)? ms\nb +-\d+/m);
  assert.match((await box.ok("fault", "ls")).stdout, /clock: a, \+60m +moved by 60m$/m);
  await box.fails(
    1,
    /Cannot save "a": it is under the fault f\w+ \(clock: a, \+60m\)/,
    "checkpoint",
    "a",
    "--as",
    "s",
  );
  await box.ok("fault", "clock", "a", "--strobe", "10h", "--period", "100ms", "--for", "1h");
  await until("it was moved twice", async () => (await faultsOf(box))[1].counts.steps > 2);
  await box.killHolder("a");
  await box.ok("ls", "--repair");
  await until("the strobe goes on", async () => (await faultsOf(box))[1]?.counts.steps > 2);
  await box.ok("heal", (await faultsOf(box))[1].id);
  is(await ahead(box), before + 3_600_000);
  assert.match((await box.ok("heal", idIn(made.stdout))).stdout, /healed: clock: a, \+60m \(moved by 60m\)$/m);
  is(await ahead(box), before);
});

test("faults in a guest whose time is over while nobody holds its group are undone by the next holder", async () => {
  await using box = await agents({});
  await box.up("a");
  const before = await ahead(box);
  const since = performance.now();
  await box.ok("fault", "clock", "a", "--bump", "+1h", "--for", "2s");
  await box.ok("fault", "memory", "a", "--available", "64M", "--for", "2s");
  await box.ok("fault", "disk", "a", "--fill", "90%", "--for", "2s");
  await box.killHolder("a");
  await until("they are over", () => performance.now() - since > 3_000);
  await box.ok("ls", "--repair");
  await until("the clock is as it was", async () => Math.abs(await ahead(box) - before) < 60_000);
  await until("there is memory", async () => (await box.run("fault", "memory", "a", "--available", "100M")).code === 0);
  await box.ok("fault", "disk", "a", "--fill", "50%");
  assert.match((await box.ok("fault", "ls")).stdout, /fill: a, \/ to 50% +68\.4M used$/m);
});

test("faults in a guest that stands still when it is adopted are made again, or undone, when it goes on", async () => {
  await using box = await agents({});
  await box.up("a");
  await box.ok("fault", "disk", "a", "--fill", "90%");
  const since = performance.now();
  await box.ok("fault", "memory", "a", "--available", "64M", "--for", "2s");
  await box.ok("pause", "a");
  await box.killHolder("a");
  await until("one is over", () => performance.now() - since > 3_000);
  for (let holder = 1; holder <= 2; holder++) {
    await box.ok("ls", "--repair");
    await until("it is paused again", async () => (await box.ls()).a.stage === "paused");
    if (holder === 1) await box.killHolder("a");
  }
  await box.ok("resume", "a");
  await until("the fill is told", async () => /fill: a.* 217M used/.test((await box.ok("fault", "ls")).stdout));
  await until("there is memory", async () => (await box.run("fault", "memory", "a", "--available", "100M")).code === 0);
  assert.match((await box.ok("heal")).stdout, /healed: fill: a, .* \(217M used\)$/m);
});

test("a guest that restarts itself has lost its faults, and so has one whose machine is gone; the log says it", async () => {
  await using box = await agents({ a: { onSignal: "reboot" }, b: {} });
  await box.up("a,b");
  await box.ok("fault", "clock", "a", "--rate", "1.05");
  await box.ok("fault", "clock", "b", "--bump=-0.5s");
  box.accident("a");
  await until("the fault has ended", async () => (await faultsOf(box)).length === 1);
  assert.match(box.holderLog("a"), /a: its faults of the kind clock are gone: it restarted itself/);
  await box.ok("stop", "--force", "b");
  assert.deepEqual(await faultsOf(box), []);
});

test("a fault in a guest that cannot be is refused, with what to do", async () => {
  await using box = await agents({ b: { agent: "silent" } });
  await box.up("a");
  await box.up("b");
  await box.fails(1, /The guest of "b" does not answer: no answer in 8 s\n {2}try: /, "clock", "b");
  await box.fails(1, /The guest of "b" does not answer/, "fault", "clock", "b", "--bump", "1s");
  assert.deepEqual(await faultsOf(box), []);
  await box.ok("pause", "a");
  await box.fails(
    1,
    /Cannot change the clock of "a": it is paused, expected running/,
    "fault",
    "clock",
    "a",
    "--bump",
    "1s",
  );
  await box.fails(1, /Cannot read the clock of "a": it is paused/, "clock", "a");
  await box.ok("resume", "a");
  await box.fails(1, /Cannot change the clock of the guest: Invalid argument/, "fault", "clock", "a", "--bump", "-1h");
  await box.ok("fault", "clock", "a", "--rate", "1.1");
  await box.fails(1, /would be 1\.21 times as fast/, "fault", "clock", "a", "--rate", "1.1");
  await box.fails(2, /What is to be wrong with the clock\?/, "fault", "clock", "a");
  await box.fails(2, /Give one of --bump, --rate and --strobe/, "fault", "clock", "a", "--bump", "1s", "--rate", "1.1");
  await box.fails(2, /a number from 0\.9 to 1\.1/, "fault", "clock", "a", "--rate", "2");
  await box.fails(2, /Bad value for --bump/, "fault", "clock", "a", "--bump", "soon");
  await box.fails(
    2,
    /--period has no effect without --strobe/,
    "fault",
    "clock",
    "a",
    "--bump",
    "1s",
    "--period",
    "1s",
  );
  await box.fails(2, /periodMs: found 10, expected/, "fault", "clock", "a", "--strobe", "1s", "--period", "10ms");
  await box.ok("stop", "a");
  await box.fails(3, /"a" is not running/, "fault", "clock", "a", "--bump", "1s");
  await box.fails(3, /"a" is not running/, "clock", "a");
  await box.fails(3, /There is no member "nobody"/, "clock", "nobody");
});

test("memory is taken, a file system is filled, both are told, and given back", async () => {
  await using box = await agents({});
  await box.up("a");
  assert.match(
    (await box.ok("fault", "memory", "a", "--available", "64M")).stdout,
    /^f\w+: memory: a, 64M left; end it/m,
  );
  assert.match((await box.ok("fault", "disk", "a", "--fill", "90%")).stdout, /^f\w+: fill: a, \/ to 90%; end it/m);
  const ls = (await box.ok("fault", "ls")).stdout;
  assert.match(ls, /memory: a, 64M left +336M taken$/m);
  assert.match(ls, /fill: a, \/ to 90% +217M used$/m);
  await box.fails(
    1,
    /Cannot leave 100 MiB of memory: .* 64 MiB available/,
    "fault",
    "memory",
    "a",
    "--available",
    "100M",
  );
  await box.fails(1, /Cannot fill \/ to 50%: 90% of it are used already/, "fault", "disk", "a", "--fill", "50%");
  await box.killHolder("a");
  await box.ok("ls", "--repair");
  await until("the next holder goes on", async () => /217M used/.test((await box.ok("fault", "ls")).stdout));
  assert.match((await box.ok("heal")).stdout, /healed: fill: a, .* \(217M used\)$/m);
  await box.fails(2, /How much is left\?/, "fault", "memory", "a");
  await box.fails(2, /--path has no effect without --fill/, "fault", "disk", "a", "--path", "/var");
  await box.fails(2, /Give --fill alone/, "fault", "disk", "a", "--fill", "90%", "--error", "EIO");
  await box.fails(2, /at most 100%/, "fault", "disk", "a", "--fill", "150%");
  await box.fails(2, /the absolute path of a directory/, "fault", "disk", "a", "--fill", "90%", "--path", "var");
  await box.fails(3, /Cannot tell how full \/no is/, "fault", "disk", "a", "--fill", "90%", "--path", "/no");
});

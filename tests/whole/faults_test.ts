/** Faults through the real command line, against the fake QEMU: what they say, where they are seen, and what outlives what. */

import * as assert from "#assert";
import { PACKAGES } from "../../src/core/faults/packages.ts";
import { QmpClient } from "../../src/vmm/qemu/qmp.ts";
import { withAgents } from "../support/files.ts";
import { kill, signal, until } from "../support/processes.ts";
import { type Sandbox, sandbox, test } from "../support/sandbox.ts";

const faultsOf = async (box: Sandbox) => JSON.parse((await box.ok("fault", "ls", "--json")).stdout);

test("a partition is told by fault ls, ls and status, and is over after heal", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a,b,c");
  const made = await box.ok("fault", "partition", "a", "b,c", "--seed", "7");
  assert.match(made.stdout, /^(f[0-9a-f]{4}): cut: a \| b,c; end it: fleetbox heal \1\n$/);
  const id = made.stdout.slice(0, 5);
  const [fault] = await faultsOf(box);
  assert.deepEqual(
    [fault.id, fault.kind, fault.seed, fault.members, fault.group, fault.counts],
    [id, "partition", 7, ["a", "b", "c"], "a", {}],
  );
  assert.match((await box.ok("fault", "ls")).stdout, new RegExp(`^${id} +a +- +cut: a \\| b,c +nothing yet$`, "m"));
  assert.match((await box.ok("ls")).stdout, /^a +running \(fault\) /m);
  assert.match((await box.ok("status", "b")).stdout, new RegExp(`^faults +${id}: cut: a \\| b,c$`, "m"));
  const slow = await box.ok("fault", "shape", "--from", "a", "--delay", "50ms", "--jitter", "10ms", "--for", "1h");
  assert.match(slow.stdout, /^f\w+: a to all: delay 50ms ± 10ms, seed \d+, for 60m$/m);
  assert.match((await box.ok("ls")).stdout, /^a +running \(2 faults\) /m);
  assert.match((await box.ok("heal", id)).stdout, new RegExp(`^${id}: healed: cut: a \\| b,c \\(nothing yet\\)$`, "m"));
  assert.equal((await faultsOf(box)).length, 1);
  await box.ok("heal");
  assert.deepEqual(await faultsOf(box), []);
  assert.equal((await box.ls()).a.faults, undefined);
  assert.match((await box.ok("heal")).stderr, /^no faults to heal$/m);
});

test("every kind of fault can be made, and ends by itself after --for", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a,b,c");
  const made = [
    ["partition", "--shape", "majorities-ring"],
    ["partition", "--shape", "one", "--of", "a,b", "--one-way"],
    ["drop", "--from", "a", "--to", "b,c"],
    ["hold", "a", "b"],
    ["flap", "a", "b", "--down", "100ms", "--up", "50ms"],
    ["shape", "--loss-gemodel", "1%,10%,30%,99.9%", "--via", "b"],
    ["shape", "--rate", "1mbit", "--limit", "50", "--duplicate", "1%", "--corrupt", "0.1%", "--to", "gateway"],
  ];
  for (const words of made) await box.ok("fault", ...words, "--for", "20s");
  assert.deepEqual(
    (await faultsOf(box)).map(({ kind }: { kind: string }) => kind),
    ["partition", "partition", "drop", "hold", "flap", "shape", "shape"],
  );
  await box.ok("heal");
  await box.ok("fault", "drop", "--to", "a", "--for", "300ms");
  await until("it has ended by itself", async () => (await faultsOf(box)).length === 0);
});

test("pause and resume: ls says it, a second pause is another fault, stop shuts a paused member down", async () => {
  await using box = await sandbox({ fakeQemu: {}, fakeSsh: true });
  await box.up("a,b");
  assert.match((await box.ok("pause", "a")).stdout, /^f\w+: pause: a; end it: fleetbox resume a$/m);
  const ls = (await box.ok("ls")).stdout;
  assert.match(ls, /^a +running \(paused\) /m);
  assert.match(ls, /^a: paused: by the fault f\w+\n {2}try: Let it go on: fleetbox resume a$/m);
  await box.fails(1, /Cannot save "a": it is under the fault f\w+ \(pause: a\)/, "checkpoint", "a,b", "--as", "s");
  await box.ok("pause", "a", "--for", "1h");
  assert.match((await box.ok("resume", "a")).stdout, /^a: goes on \(paused for [\d.]+m?s\)$/m);
  assert.match((await box.ok("ls")).stdout, /^a +running +10/m);
  await box.fails(1, /Cannot resume "a": it is not paused/, "resume", "a");
  await box.ok("pause", "b", "--for", "200ms");
  await until("b goes on", async () => (await box.ls()).b.stage === undefined);
  await box.ok("pause", "a");
  await box.ok("stop", "a");
  assert.deepEqual(await faultsOf(box), []);
  await box.up("a");
  assert.match((await box.ok("ls")).stdout, /^a +running +10/m);
});

test("faults outlive the holder: who adopts the group goes on with them, and with their time", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a,b,c");
  await box.ok("fault", "partition", "--shape", "one", "--for", "1h");
  await box.ok("pause", "b");
  const before = await faultsOf(box);
  await box.killHolder("a");
  await box.ok("ls", "--repair");
  const after = await faultsOf(box);
  const same = ({ id, what, seed, members }: Record<string, unknown>) => ({ id, what, seed, members });
  assert.deepEqual(after.map(same), before.map(same));
  const [left, rest] = [before[0].left_ms, after[0].left_ms];
  assert.ok(rest < left && rest > left - 60_000, `${left} ${rest}`);
  await until("b is paused again", async () => (await box.ls()).b.stage === "paused");
  assert.equal((await box.ls()).a.state, "running");
  await box.fails(1, /^fleetbox: paused: by the fault f\w+\n {2}try: Let it go on: fleetbox resume b$/m, "up", "b");
  await box.ok("resume", "b");
  assert.equal((await box.ls()).b.stage, undefined);
  await box.ok("heal");
});

test("a pause whose time is over while its machine is being adopted has ended: the machine goes on", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  await box.ok("pause", "a", "--for", "3s");
  const since = performance.now();
  await box.killHolder("a");
  const gateway = box.process("gateway");
  signal(gateway, "SIGSTOP"); // so that the adoption takes longer than that
  const repair = box.start(["ls", "--repair"]);
  await until("its time is over", () => performance.now() - since > 3_500);
  assert.equal((await box.ls()).a.stage, "adoption");
  await kill(gateway);
  await repair.done;
  await until("it goes on", async () => {
    const [{ state, stage }, faults] = [(await box.ls()).a, await faultsOf(box)];
    return state === "running" && stage === undefined && faults.length === 0;
  });
  await box.killHolder("a");
  const qmp = await QmpClient.connect(box.store.member("a").qmpSocket);
  assert.equal((await qmp.execute<{ status: string }>("query-status")).status, "running");
  qmp.close();
  await box.ok("ls", "--repair");
});

test("a fault that cannot be is refused, with what to do", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.fails(3, /There is no group that runs/, "fault", "partition", "--shape", "one");
  await box.up("a,b");
  await box.up("z");
  await box.fails(3, /There is no member "nope"/, "fault", "partition", "nope", "a");
  await box.fails(3, /"z" is not running in this group/, "fault", "partition", "a", "z");
  await box.fails(2, /Which group\? 2 run/, "fault", "partition", "--shape", "one");
  await box.ok("fault", "partition", "--shape", "one", "--via", "b");
  await box.fails(1, /would hit nothing/, "fault", "partition", "--shape", "one", "--via", "z");
  await box.fails(2, /"a,b" is one set, and it takes two/, "fault", "partition", "a,b");
  await box.fails(2, /"a" is in two/, "fault", "partition", "a,b", "a");
  await box.fails(2, /Give sets or --shape, not both/, "fault", "partition", "a", "b", "--shape", "one");
  await box.fails(2, /--of has no effect without --shape/, "fault", "partition", "a", "b", "--of", "a");
  await box.fails(2, /found "1%x", expected a part such as 1%/, "fault", "shape", "--loss", "1%x");
  await box.fails(2, /Did you mean 5%\?/, "fault", "shape", "--loss", "5");
  await box.fails(2, /bits a second, such as 512kbit/, "fault", "shape", "--rate", "1M");
  await box.fails(2, /Bad value for --delay/, "fault", "shape", "--delay", "soon");
  await box.fails(2, /What is to be wrong/, "fault", "shape", "--from", "a");
  await box.fails(2, /Whose frames\?/, "fault", "drop");
  await box.fails(2, /delayMs beside it/, "fault", "shape", "--reorder", "5%", "--via", "a");
  await box.fails(2, /Bad value for --seed/, "fault", "drop", "--from", "a", "--seed", "-1");
  await box.fails(3, /There is no fault "f0000"/, "heal", "f0000");
  await box.ok("stop", "z");
  await box.fails(3, /"z" is not running, and a fault is for what runs/, "pause", "z");
});

test("a random plan is printed, played, and played again from its file; nothing of it is left, also after Ctrl-C", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a,b,c");
  const words = ["fault", "random", "--seed", "7", "--interval", "300ms", "--for", "1s", "--quiet-after", "0"];
  const printed = await box.ok(...words, "--print");
  const plan = JSON.parse(printed.stdout);
  assert.deepEqual([plan.version, plan.seed, plan.steps.length >= 4], [1, 7, true]);
  assert.equal((await box.ok(...words, "--print")).stdout, printed.stdout);
  assert.deepEqual(await faultsOf(box), []);
  const played = await box.ok(...words, "--faults", "partition,packet");
  assert.match(played.stdout, /^seed 7: 4 faults, /);
  assert.match(played.stdout, /^4 faults: nothing hit$/m);
  assert.deepEqual(await faultsOf(box), []);
  const file = `${box.root}/plan.json`;
  Deno.writeTextFileSync(file, printed.stdout);
  const again = await box.ok("fault", "run", file, "--json");
  const events = again.stdout.trim().split("\n").map((line) => JSON.parse(line));
  const begun = events.filter(({ event }) => event === "fault");
  assert.deepEqual(begun.map(({ spec }) => spec), plan.steps.map(({ fault }: { fault: unknown }) => fault));
  assert.equal(events.at(-1).begun, plan.steps.length);
  Deno.writeTextFileSync(file, JSON.stringify({ ...plan, version: 2 }));
  await box.fails(2, /is no plan of faults: Bad value for version: found 2, expected 1/, "fault", "run", file);
  await box.fails(3, /There is no file/, "fault", "run", `${box.root}/none.json`);
  await box.fails(2, /Who leads is not known when a plan is made/, "fault", "random", "--targets", "one,primaries");

  const long = box.start([
    "fault",
    "random",
    "--seed",
    "1",
    "--interval",
    "1m",
    "--for",
    "1m",
    "--faults",
    "partition",
  ]);
  await until("it has begun", async () => (await faultsOf(box)).length === 1);
  long.kill("SIGINT");
  assert.equal((await long.done).code, 130);
  assert.deepEqual(await faultsOf(box), []);
});

test("plans of every package can be played, and nothing of them is left", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  withAgents(box);
  await box.up("a,b,c");
  const plan = ["--interval", "200ms", "--for", "400ms", "--quiet-after", "0", "--seed", "3", "--json"];
  for (const faults of PACKAGES) {
    const { stdout } = await box.ok("fault", "random", "--faults", faults, ...plan);
    const events = stdout.trim().split("\n").map((line) => JSON.parse(line));
    // On a busy host the fault before may have just not ended.
    const failures = events.flatMap(({ event, error }) =>
      event === "fault-failed" && !/ already$/.test(error) ? [error] : []
    );
    assert.deepEqual([faults, failures, events.at(-1).begun > 0], [faults, [], true]);
  }
  assert.deepEqual(await faultsOf(box), []);
  assert.deepEqual(
    Object.values(await box.ls()).map(({ stage, faults }) => [stage, faults]),
    Array(3).fill([undefined, undefined]),
  );
});

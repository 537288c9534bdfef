/** The ordinary uses, without failures, against the fake QEMU: up, ls, stop, join, rm. */

import * as assert from "#assert";
import { isAlive } from "../../src/system/process.ts";
import { exists } from "../../src/system/files.ts";
import { kill, until } from "../support/processes.ts";
import { sandbox, test, told } from "../support/sandbox.ts";

test("up a,b,c boots three members on one network, and says how to reach each", async () => {
  await using box = await sandbox({ fakeQemu: { a: { ping: ["10.88.0.12", "10.88.0.13"] } } });
  const up = await box.up("a,b,c");
  assert.match(up.stdout, /^a {2}10\.88\.0\.11 {2}fleetbox ssh a$/m);
  assert.match(up.stdout, /^c {2}10\.88\.0\.13 {2}fleetbox ssh c$/m);

  const { a, b, c } = await box.ls();
  assert.deepEqual([a, b, c].map(({ state, group }) => `${state} ${group}`), Array(3).fill("running a"));
  assert.equal(box.processes("holder").length, 1);
  assert.equal(box.processes("gateway").length, 1);
  const log = box.store.member("a").serialLog;
  const said = await until("a has pinged twice", () => /(ping.*\s+){2}/.exec(Deno.readTextFileSync(log))?.[0]);
  assert.match(said, /ping 10\.88\.0\.12: ok\s+ping 10\.88\.0\.13: ok|ping 10\.88\.0\.13: ok\s+ping 10\.88\.0\.12: ok/);
});

test("up --json prints every change as one object a line, and ends with the members", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const lines = (await box.up("a,b", "--json")).stdout.trim().split("\n").map((line) => JSON.parse(line));
  const last = lines.pop();
  assert.equal(last.event, "up");
  assert.deepEqual(last.members.map(({ name, state }: { name: string; state: string }) => `${name} ${state}`), [
    "a running",
    "b running",
  ]);
  const stages = lines.filter(({ event, member }) => event === "member" && member.name === "a").map(({ member }) =>
    member.stage ?? member.state
  );
  // Some may have passed before the command looked.
  const order = ["stopped", "image", "disk", "boot", "kernel", "network", "ssh", "running"];
  assert.deepEqual([...new Set(stages)], order.filter((stage) => stages.includes(stage)));
  assert.equal(stages.at(-1), "running");
  assert.ok(stages.length > 1, stages.join());
});

test("up node -n 3 makes node-1, node-2 and node-3, in the cluster node", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("node", "-n", "3");
  assert.equal(await box.states(), "node-1=running node-2=running node-3=running");
  assert.equal(box.store.member("node-3").dir, `${box.home}/clusters/node/node-3`);
  assert.ok(exists(box.store.member("node-3").disk));
});

test("up of running members says so, starts nothing and succeeds", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  const before = box.machines();
  const again = await box.up("a");
  assert.match(again.stdout, /^a is already running$/m, told(again));
  assert.deepEqual(box.machines(), before);
});

test("up a,d while only a runs adds d to a's group", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  const [a] = box.machines();
  await box.up("a", "d");
  const { d } = await box.ls();
  assert.equal(d.group, "a");
  assert.deepEqual(box.machines()[0], a);
  assert.equal(box.processes("holder").length, 1);
  assert.equal(box.processes("gateway").length, 1);
});

test("up of members of two running groups is refused, because two networks cannot merge", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  await box.up("b");
  const before = box.machines();
  await box.fails(1, /two networks cannot merge/, "up", "a,b");
  await box.fails(1, /two networks cannot merge/, "up", "a,b,new");
  assert.deepEqual(box.machines(), before);
  assert.deepEqual(box.stored(), ["a", "b"]);
});

test("up of members that failed in another group brings them up together: the networks of dead machines do not count", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  await box.up("b");
  await kill(box.process("machine", "b"));
  await until("b has failed", async () => (await box.ls()).b.state === "error");
  await box.up("a,b");
  const { a, b } = await box.ls();
  assert.deepEqual([b.state, b.group_id], ["running", a.group_id]);
});

test("up --no-wait returns while the member boots, and wait returns when it runs", async () => {
  await using box = await sandbox({ fakeQemu: { a: { bootMs: 1_500 } } });
  const up = await box.up("a", "--no-wait");
  assert.match(up.stdout, /fleetbox wait a/);
  assert.equal((await box.status("a"))?.state, "starting");
  const wait = await box.ok("wait", "a");
  assert.match(wait.stdout, /^a {2}10\.88\.0\.11 {2}fleetbox ssh a$/m);
  assert.equal((await box.status("a"))?.state, "running");
});

test("stop ends one member, keeps its disk, and the rest of the group goes on", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a,b");
  const [a, b] = [box.process("machine", "a"), box.process("machine", "b")];
  await box.ok("stop", "a");
  assert.ok(!isAlive(a), "stop returned before the machine was gone");
  assert.ok(isAlive(b));
  assert.equal(await box.states(), "a=stopped b=running");
  const paths = box.store.member("a");
  assert.deepEqual([paths.socket, paths.pid, paths.qmpSocket, paths.netSocket].filter(exists), []);
  assert.ok(exists(paths.disk));
});

test("stop waits for a guest that shuts down slowly, and ends one that never does", async () => {
  await using box = await sandbox({ fakeQemu: { a: { powerdownMs: 1_000 }, b: { powerdown: "ignore" } } });
  await box.up("a,b");
  const [a, b] = await Promise.all([box.ok("stop", "a"), box.ok("stop", "b", "--grace", "2s")]);
  assert.ok(a.ms >= 1_000, `${a.ms}`);
  assert.ok(b.ms >= 2_000, `${b.ms}`);
  await box.empty();
});

test("stop --force does not wait for a guest that hangs, nor for one that shuts down already", async () => {
  await using box = await sandbox({ fakeQemu: { "*": { powerdown: "ignore" } } });
  await box.up("a,b");
  const graceful = box.start(["stop", "b", "--grace", "10m"]); // longer than any command of a test may take
  await graceful.printed(/stopping/);
  await Promise.all([box.ok("stop", "--force", "a"), box.ok("stop", "--force", "b")]);
  assert.equal((await graceful.done).code, 0);
  assert.doesNotMatch(box.holderLog("a"), /a: stopping: acpi/, "it asked the guest first");
  await box.empty();
});

test("stop ends a machine whose QEMU does not quit when told", async () => {
  await using box = await sandbox({ fakeQemu: { a: { powerdown: "ignore", quit: "ignore" } } });
  await box.up("a");
  const a = box.process("machine", "a");
  await box.ok("stop", "a", "--grace", "0");
  assert.ok(!isAlive(a));
});

test("stop of a member that boots ends it", async () => {
  await using box = await sandbox({ fakeQemu: { a: { bootMs: 60_000 } } });
  await box.up("a", "--no-wait");
  await until("its machine runs", () => box.processes("machine").length === 1);
  await box.ok("stop", "a");
  await box.empty();
  assert.equal(await box.states(), "a=stopped");
});

test("stop of a stopped member says that it is not running and succeeds; of an unknown one fails with code 3", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  await box.ok("stop", "a");
  assert.match((await box.ok("stop", "a")).stdout, /a is not running/);
  await box.fails(3, [/There is no member "aa"/, /There are: a/], "stop", "aa");
});

test("stop --all stops every group, and halt and down are the same command", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await Promise.all([box.up("a"), box.up("b")]);
  await box.ok("down", "a");
  await box.up("a");
  await box.ok("halt", "--all");
  await box.empty();
  assert.equal(await box.states(), "a=stopped b=stopped");
});

test("the holder ends with its last member, and nothing of the group is left", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a,b");
  const [holder] = box.processes("holder");
  await box.ok("stop", "a");
  assert.ok(isAlive(holder));
  await box.ok("stop", "b");
  await box.empty();
  assert.deepEqual(box.debris(), []);
});

test("up after stop boots the same member: its disk, its MAC, its address", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a,b");
  await box.ok("stop", "a,b");
  const paths = box.store.member("b");
  const inode = Deno.statSync(paths.disk).ino;
  const own = { ...box.store.config("b")!, group: undefined, group_name: undefined };
  await box.up("b");
  assert.equal(Deno.statSync(paths.disk).ino, inode);
  assert.deepEqual({ ...box.store.config("b"), group: undefined, group_name: undefined }, own);
  assert.equal((await box.status("b"))?.ip, "10.88.0.12");
});

test("a member that was stopped and is brought up again is back on its group's network", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a,b,c");
  await box.ok("stop", "b");
  await box.up("b");
  const { a, b } = await box.ls();
  assert.equal(b.group, a.group);
  assert.equal(b.ip, "10.88.0.12");
  assert.equal(box.processes("holder").length, 1);
});

test("the first member of a group, stopped and brought up again, is back on its group's network", async () => {
  await using box = await sandbox({ fakeQemu: { a: { ping: ["10.88.0.12"] } } });
  await box.up("a,b");
  await box.ok("stop", "a");
  await box.up("a,new");
  const { a, b, new: added } = await box.ls();
  assert.deepEqual([a.group, b.group, added.group], ["a", "a", "a"]);
  assert.equal(box.processes("holder").length, 1);
});

test("join boots a new member, and a stopped one, onto the network of one that runs", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a,b");
  await box.up("e");
  await box.ok("stop", "e");
  await box.ok("join", "d", "--via", "b");
  await box.ok("join", "e", "--via", "d");
  const members = await box.ls();
  assert.deepEqual(Object.values(members).map(({ name, group }) => `${name} ${group}`), ["a a", "b a", "d a", "e a"]);
  assert.equal(new Set(Object.values(members).map(({ ip }) => ip)).size, 4);
});

test("join of a member that runs: in the same group it says so, in another one it is refused", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a,b");
  await box.up("z");
  const again = await box.ok("join", "b", "--via", "a");
  assert.match(again.stdout, /b is already running/, told(again));
  await box.fails(1, /two networks cannot merge/, "join", "z", "--via", "a");
  await box.fails(2, /cannot join a network via itself/, "join", "a", "--via", "a");
});

test("join via a stopped member is refused, via an unknown one it fails with code 3; nothing is made", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  await box.ok("stop", "a");
  await box.fails(1, [/Cannot join "d" via "a"/, /fleetbox up a/], "join", "d", "--via", "a");
  await box.fails(3, /Cannot join "d" via "nobody"/, "join", "d", "--via", "nobody");
  await box.fails(2, /--via/, "join", "d");
  assert.deepEqual(box.stored(), ["a"]);
  await box.empty();
});

test("rm stops members that run and deletes them, disks and all; the others keep theirs", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a,b,web-1");
  const rm = await box.ok("rm", "a", "web-1");
  assert.match(rm.stdout, /^a removed$/m);
  assert.deepEqual(box.stored(), ["b"]);
  assert.ok(!exists(`${box.home}/clusters/web`));
  assert.equal(await box.states(), "b=running");
  await box.fails(3, /There is no member "a"/, "rm", "a");
  await box.fails(
    2,
    [/Cannot ask before removing b: expected a terminal, or --force/, /rm --all --force/],
    "rm",
    "--all",
  );
  await box.fails(2, /"hint":"fleetbox rm --all --json --force"/, "rm", "--all", "--json");
  assert.equal(await box.states(), "b=running", "refused before anything was stopped");
  await box.ok("rm", "--all", "-f");
  assert.deepEqual(box.stored(), []);
  await box.empty();
});

test("rm cuts the power of a guest that runs, and does not ask it first", async () => {
  await using box = await sandbox({ fakeQemu: { "*": { powerdown: "ignore" } } });
  await box.up("a");
  const rm = await box.ok("rm", "a", "--verbose");
  assert.doesNotMatch(rm.stderr, /power button/, told(rm));
  assert.match(rm.stderr, /^a: its hypervisor is told to quit$/m, told(rm));
  assert.deepEqual(box.stored(), []);
});

test("the member of a guest that powers itself off is stopped, and its name is free", async () => {
  await using box = await sandbox({ fakeQemu: { a: { onSignal: "powerOff" } } });
  await box.up("a,b");
  box.accident("a");
  await until("a is stopped", async () => (await box.states()) === "a=stopped b=running");
  box.behave({});
  await box.up("a");
  assert.equal(await box.states(), "a=running b=running");
});

test("a guest that reboots stays the same running machine", async () => {
  await using box = await sandbox({ fakeQemu: { a: { onSignal: "reboot" } } });
  await box.up("a");
  const before = box.machines();
  box.accident("a");
  await until("a has restarted", () => /restarted itself/.test(box.holderLog("a")));
  assert.equal((await box.status("a"))?.state, "running");
  assert.deepEqual(box.machines(), before);
});

test("ls, status and logs answer while a member boots, and of an empty store", async () => {
  await using box = await sandbox({ fakeQemu: { a: { bootMs: 60_000, console: ["hello from the guest"] } } });
  assert.match((await box.ok("ls")).stderr, /no members yet/);
  await box.up("a", "--no-wait");
  await until("a has spoken", () => exists(box.store.member("a").serialLog));
  assert.match((await box.ok("ls")).stdout, /^a +starting \(\w+\)/m);
  assert.match((await box.ok("status", "a")).stdout, /^state +starting/m);
  await until("the line is in the log", async () => /hello from the guest/.test((await box.ok("logs", "a")).stdout));
  assert.match((await box.ok("logs", "a", "--holder")).stdout, /serving a/);
  await box.fails(3, /There is no member "b"/, "status", "b");
});

/** Checkpoints and what is made of them, through the real command line: checkpoint, fork, restore, suspend. */

import * as assert from "#assert";
import { isSuspended } from "../../src/store/snapshots.ts";
import { exists } from "../../src/system/files.ts";
import { until } from "../support/processes.ts";
import { type Sandbox, sandbox, test, told } from "../support/sandbox.ts";
import { Client } from "../support/socket.ts";
import { OnTerminal } from "../support/terminal.ts";

/** Types a line on a member's console, and returns what it said until it had answered. */
async function onConsole(box: Sandbox, name: string, line: string): Promise<string> {
  using client = await Client.connect(box.store.memberSocket(name));
  await client.send('{"op":"console"}\n');
  await client.until(/"event":"console".*\n/); // what is sent before that is not read
  const mark = crypto.randomUUID();
  await client.send(`${line}\r${mark}\r`);
  return await client.until(new RegExp(`you typed "${mark}"`));
}

/** Puts a text into a fake machine's memory. */
async function remember(box: Sandbox, name: string, text: string): Promise<void> {
  await onConsole(box, name, `remember ${text}`);
}

async function recall(box: Sandbox, name: string): Promise<string> {
  return [...(await onConsole(box, name, "recall")).matchAll(/recalled "([^"]*)"/g)].at(-1)![1];
}

test("a checkpoint of a group: forks go on from it in a network of their own, and the members run on", async () => {
  await using box = await sandbox({ fakeQemu: {}, fakeSsh: true });
  await box.up("a,b,c");
  await remember(box, "a", "before");
  const made = await box.ok("checkpoint", "a,b", "--as", "seeded");
  assert.match(made.stdout, /^checkpoint seeded: a, b, [\d.]+[KM] \([\d.]+ s\)$/m);
  await remember(box, "a", "after");
  assert.equal(await box.states(), "a=running b=running c=running");

  const fork = await box.ok("fork", "seeded", "--as", "run1");
  assert.match(fork.stdout, /^run1-a: running \([\d.]+ s, warm\)$/m);
  assert.match(fork.stdout, /^run1-b {2}10\.88\.0\.12 {2}fleetbox ssh run1-b$/m);
  assert.equal(await recall(box, "run1-a"), "before");
  assert.equal(await recall(box, "a"), "after");
  const { a, "run1-a": forked, "run1-b": other } = await box.ls();
  assert.deepEqual([forked.host_name, forked.ip, forked.egress], ["a", a.ip, "off"]);
  assert.equal(forked.group_id, other.group_id);
  assert.notEqual(forked.group_id, a.group_id);
  const { hostName, isClockSet } = box.renewals()[0];
  assert.deepEqual([hostName, isClockSet], ["a", true]);
  assert.equal(new Set(box.renewals().map(({ random }) => random)).size, 2);
  const status = await box.ok("status", "run1-a");
  assert.match(status.stdout, /^checkpoint +seeded$/m);

  // A fork of a fork is named by the host names, and has what the fork had.
  await remember(box, "run1-b", "in the fork");
  await box.ok("checkpoint", "run1-a", "run1-b", "--as", "deeper");
  await box.ok("fork", "deeper", "--as", "run2", "--clock", "keep");
  assert.equal(await recall(box, "run2-b"), "in the fork");
  assert.equal(box.renewals().at(-1)!.isClockSet, false);

  const [deeper, seeded] = JSON.parse((await box.ok("checkpoint", "ls", "--json")).stdout);
  assert.deepEqual(seeded.used_by.members, ["a", "b", "run1-a", "run1-b", "run2-a", "run2-b"]);
  assert.deepEqual([seeded.based_on, deeper.based_on], [undefined, "seeded"]);
  assert.deepEqual(deeper.members.map(({ name }: { name: string }) => name), ["run1-a", "run1-b"]);
  assert.match((await box.ok("checkpoint", "ls")).stdout, /^seeded +\d+s +a b +[\d.]+[KM] +/m);
});

test("forks without a name take the first free one, also several at once; a name that is taken is refused", async () => {
  await using box = await sandbox({ fakeQemu: {}, fakeSsh: true });
  await box.up("a");
  await box.ok("checkpoint", "a", "--as", "seeded");
  await box.ok("rm", "a");
  const forks = await Promise.all([1, 2, 3].map(() => box.ok("fork", "seeded", "--json")));
  const names = forks.map(({ stdout }) => JSON.parse(stdout.trim().split("\n").at(-1)!).as);
  assert.deepEqual(names.toSorted(), ["seeded-1", "seeded-2", "seeded-3"]);
  assert.equal(await box.states(), "seeded-1-a=running seeded-2-a=running seeded-3-a=running");
  await box.ok("rm", "seeded-2-a");
  assert.match((await box.ok("fork", "seeded")).stdout, /^seeded-2-a: running/m);

  const taken =
    /Cannot fork "seeded": there is a member seeded-1-a already\n.*--as, or remove it: fleetbox rm seeded-1-a/;
  await box.fails(1, taken, "fork", "seeded", "--as", "seeded-1");
  await box.ok("stop", "--force", "seeded-1-a");
  await box.fails(1, taken, "fork", "seeded", "--as", "seeded-1");
  await box.fails(2, /has 65 characters, expected at most 63/, "fork", "seeded", "--as", "x".repeat(63));
});

test("restore takes members back; what was removed is made again, what is suspended or stopped starts", async () => {
  await using box = await sandbox({ fakeQemu: {}, fakeSsh: true });
  await box.up("a,b");
  await remember(box, "a", "before");
  await box.ok("forward", "a", "8");
  const [{ host_port: port }] = (await box.ls()).a.forwards;
  await box.ok("checkpoint", "a,b", "--as", "seeded");
  await remember(box, "a", "after");
  await box.ok("rm", "b");
  const restored = await box.ok("restore", "seeded");
  assert.match(restored.stdout, /^a: running \([\d.]+ s, warm\)$/m);
  assert.equal(await recall(box, "a"), "before");
  const { a, b } = await box.ls();
  assert.deepEqual([a.group_id === b.group_id, a.forwards.map((one: { host_port: number }) => one.host_port)], [true, [
    port,
  ]]);

  await box.ok("suspend", "a");
  await box.ok("stop", "--force", "b");
  await box.ok("restore", "seeded", "--json");
  assert.equal(await box.states(), "a=running b=running");
  assert.ok(!exists(`${box.store.member("a").dir}/suspended`), "the suspended state belongs to a disk that is gone");
  await box.ok("stop", "--force", "a");
  await box.up("a");
  assert.equal(await recall(box, "a"), "", "a boot, not the suspended state");

  // Others that run in their group must stop first.
  await box.ok("join", "d", "--via", "b");
  const words = /Cannot restore "a": its group "\w+" has running members .*: d\n.*fleetbox stop d$/m;
  await box.fails(1, words, "restore", "seeded");
  await box.ok("stop", "a", "b", "--force");
  await box.fails(1, words, "restore", "seeded");
  await box.ok("stop", "d", "--force");
  await box.ok("restore", "seeded");
});

test("restore asks on a terminal, and says what is lost", async () => {
  await using box = await sandbox({ fakeQemu: {}, fakeSsh: true });
  await box.up("a,b");
  await box.ok("checkpoint", "a,b", "--as", "seeded");
  await box.ok("rm", "b");
  await remember(box, "a", "after");
  const no = new OnTerminal(["restore", "seeded"], { env: box.env });
  await no.shows(/Restore these 2 members\? \[y\/N\]/);
  await no.type("n\r");
  assert.equal(await no.done, 1);
  assert.match(no.output, /checkpoint "seeded", made \d+s ago/);
  assert.match(no.output, /^ {2}a \(it runs: its power is cut\), disk [\d.]+[KM]\r$/m);
  assert.match(no.output, /^ {2}b is made again\r$/m);
  assert.match(no.output, /Nothing was restored/);
  assert.equal(await recall(box, "a"), "after");

  const yes = new OnTerminal(["restore", "seeded", "--yes"], { env: box.env });
  assert.equal(await yes.done, 0, yes.output);
  assert.doesNotMatch(yes.output, /\[y\/N\]/);
  assert.equal(await recall(box, "a"), "");
});

test("suspend and up: the same machines go on, together; ls and status say suspended; rm removes all", async () => {
  await using box = await sandbox({ fakeQemu: {}, fakeSsh: true });
  await box.up("a,b,c");
  await remember(box, "a", "before");
  const suspended = await box.ok("suspend", "a,b");
  assert.match(suspended.stdout, /^a suspended\nb suspended\n$/m);
  assert.equal(await box.states(), "a=stopped b=stopped c=running");
  const { a, c } = await box.ls();
  assert.deepEqual([a.suspended, c.suspended], [true, undefined]);
  assert.match((await box.ok("ls")).stdout, /^a +suspended +10\.88\.0\.11 /m);
  assert.match((await box.ok("status", "a")).stdout, /^state +suspended$/m);
  assert.match((await box.ok("suspend", "a")).stderr, /^a is already suspended$/m);
  await box.fails(1, /it is suspended, expected running\n.*fleetbox up a/, "checkpoint", "a", "--as", "x");

  const up = await box.up("a,b");
  assert.match(up.stdout, /^a: running \([\d.]+ s, warm\)$/m);
  assert.equal(await recall(box, "a"), "before");
  assert.equal((await box.ls()).a.suspended, undefined);

  await box.ok("suspend", "--all");
  assert.equal(await box.states(), "a=stopped b=stopped c=stopped");
  await box.empty();
  assert.match((await box.up("b", "--cold")).stdout, /^b: running \([\d.]+ s\)$/m);
  await box.ok("rm", "a", "b", "c");
  assert.deepEqual(box.stored(), []);
  assert.equal((await box.ok("suspend", "--all")).stdout, "nothing runs\n");
});

test("a suspended state that does not fit is told, with the way out, and stays", async () => {
  await using box = await sandbox({ fakeQemu: {}, fakeSsh: true });
  await box.up("a");
  await remember(box, "a", "before");
  await box.ok("suspend", "a");
  box.behave({ a: { incoming: "fail" } });
  const up = ["up", "a", "--egress", "off"];
  await box.fails(1, /"a" cannot go on from its suspended state[^]*fleetbox up a --cold/, ...up);
  box.behave({});
  // In a group in which another member has its address.
  await box.up("z");
  const words = /"a" cannot go on in this group: its address 10\.88\.0\.11 is another member's\n.*fleetbox up a --cold/;
  await box.fails(1, words, "join", "a", "--via", "z");
  assert.equal((await box.ls()).a.suspended, true);
  await box.up("a");
  assert.equal(await recall(box, "a"), "before");
});

test("a checkpoint that others are based on can be removed: they keep its layers, and are named", async () => {
  await using box = await sandbox({ fakeQemu: {}, fakeSsh: true });
  const layers = () => {
    try {
      return [...Deno.readDirSync(`${box.home}/snapshots/layers`)].length;
    } catch {
      return 0;
    }
  };
  await box.up("a");
  await box.ok("checkpoint", "a", "--as", "one");
  await box.ok("checkpoint", "a", "--as", "two");
  await box.ok("fork", "one", "--as", "f");
  await box.ok("rm", "a");
  const removed = await box.ok("checkpoint", "rm", "one");
  const kept = "; the member f-a and the checkpoint two are based on it and keep its disk layers";
  assert.equal(removed.stdout, `one removed${kept}\n`);
  await box.ok("stop", "--force", "f-a");
  await box.up("f-a");
  assert.equal(layers(), 2);
  const json = await box.ok("checkpoint", "rm", "two", "--json");
  const none = { members: [], checkpoints: [] };
  assert.deepEqual(JSON.parse(json.stdout), { event: "checkpoint-rm", removed: ["two"], kept_by: { two: none } });
  assert.equal(layers(), 1);
  await box.ok("rm", "f-a");
  assert.equal(layers(), 0);
  assert.match((await box.ok("checkpoint", "ls")).stderr, /no checkpoints yet/);
});

test("what cannot be saved, forked or restored is refused, with what to do", async () => {
  await using box = await sandbox({ fakeQemu: { slow: { bootMs: 60_000 } }, fakeSsh: true });
  await box.up("a,b");
  await box.up("z");
  await box.up("stopped");
  await box.ok("stop", "--force", "stopped");
  await box.up("slow", "--no-wait");
  const checkpoint = (code: number, words: RegExp, names: string, ...rest: string[]) =>
    box.fails(code, words, "checkpoint", names, ...rest);
  await checkpoint(
    1,
    /members of 2 groups .*: a in the group "a"; z in the group "z"\n.*checkpoint a --as NAME/,
    "a,z",
    "--as",
    "x",
  );
  await checkpoint(1, /"stopped": it is stopped, expected running\n.*fleetbox up stopped/, "stopped", "--as", "x");
  await checkpoint(1, /"slow": it is starting, expected running\n.*fleetbox wait slow/, "slow", "--as", "x");
  await checkpoint(3, /There is no member "nobody"/, "nobody", "--as", "x");
  await checkpoint(2, /--as is missing\. For example: fleetbox checkpoint a,b --as seeded/, "a,b");
  await checkpoint(2, /Not a checkpoint's name: "A B"/, "a", "--as", "A B");
  await checkpoint(2, /The name "a" is given twice/, "a,a", "--as", "x");
  await box.ok("checkpoint", "a,b", "--as", "seeded");
  await checkpoint(1, /There is a checkpoint "seeded" already\n.*fleetbox checkpoint rm seeded/, "a", "--as", "seeded");
  await box.fails(3, /no checkpoint "seedet"\n.*Did you mean "seeded"\?/, "fork", "seedet");
  await box.fails(3, /no checkpoint "x"\n.*There are: seeded/, "restore", "x");
  const partly = await box.run("checkpoint", "rm", "seeded,nope");
  assert.equal(partly.code, 3, told(partly));
  assert.match(partly.stdout, /^seeded removed; the members a, b are based on it/);
  await box.fails(1, /Cannot suspend "stopped": it is stopped/, "suspend", "a,stopped");
  assert.equal((await box.ls()).a.state, "running");
  await box.fails(2, /Which members\? For example: fleetbox suspend a,b/, "suspend");
});

test("two checkpoints of one name at once: one is made, the other is refused, nothing is left of it", async () => {
  await using box = await sandbox({ fakeQemu: {}, fakeSsh: true });
  await box.up("a");
  await box.up("b");
  const results = await Promise.all(["a", "b"].map((name) => box.run("checkpoint", name, "--as", "same")));
  assert.deepEqual(results.map(({ code }) => code).toSorted(), [0, 1], results.map(told).join("\n"));
  assert.match(results.find(({ code }) => code === 1)!.stderr, /There is a checkpoint "same" already/);
  assert.deepEqual([...Deno.readDirSync(`${box.home}/snapshots`)].map(({ name }) => name).toSorted(), [
    ".lock",
    "checkpoints",
    "layers",
    "templates",
  ]);
  const [kept] = JSON.parse((await box.ok("checkpoint", "ls", "--json")).stdout);
  await box.ok("fork", "same", "--as", "f");
  assert.equal((await box.ls())[`f-${kept.members[0].name}`].state, "running");
});

test("Ctrl-C during a checkpoint: there is none, and the members go on; during a fork it removes that", async () => {
  await using box = await sandbox({ fakeQemu: { "*": { saveMs: 1_500 } }, fakeSsh: true });
  await box.up("a,b");
  const interrupted = box.start(["checkpoint", "a,b", "--as", "seeded"]);
  await until("they are paused", async () => (await box.report("a")).stage === "paused");
  interrupted.kill("SIGINT");
  const result = await interrupted.done;
  assert.equal(result.code, 130, told(result));
  assert.match(result.stderr, /Interrupted; there is no checkpoint, and the members go on/);
  assert.equal((await box.ok("checkpoint", "ls", "--json")).stdout, "[]\n");
  for (const name of ["a", "b"]) assert.equal((await box.report(name)).stage, undefined);

  await box.ok("checkpoint", "a,b", "--as", "seeded");
  box.behave({ "*": { renewal: "hang" } });
  const fork = box.start(["fork", "seeded", "--as", "f"]);
  await until("its machines run", () => box.processes("machine").length === 4);
  fork.kill("SIGINT");
  assert.equal((await fork.done).code, 130);
  assert.equal(await box.states(), "a=running b=running");
});

test("kill -9 of the holder during a checkpoint: no half one is there, the members are adopted, the same again works", async () => {
  await using box = await sandbox({ fakeQemu: { "*": { saveMs: 1_500 } }, fakeSsh: true });
  await box.up("a,b");
  const checkpoint = box.start(["checkpoint", "a,b", "--as", "seeded"]);
  await until("they are paused", async () => (await box.report("a")).stage === "paused");
  await box.killHolderAlone("a");
  const result = await checkpoint.done;
  assert.equal(result.code, 1, told(result));
  assert.match(result.stderr, /ended before the checkpoint "seeded" was made\n.*fleetbox checkpoint a,b --as seeded/);
  assert.equal((await box.ok("checkpoint", "ls", "--json")).stdout, "[]\n");
  await until("it is adopted", async () => await box.states() === "a=running b=running");
  await box.ok("checkpoint", "a,b", "--as", "seeded");
  await box.ok("fork", "seeded");
});

test("a disk that a killed restore had made, and no config named yet, is gone after the next start", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  await box.ok("stop", "a");
  const { dir, disk } = box.store.member("a");
  Deno.copyFileSync(disk, `${dir}/disk-1.qcow2`);
  const own = Deno.statSync(disk).ino;
  await box.up("a");
  assert.equal(exists(`${dir}/disk-1.qcow2`), false);
  assert.equal(Deno.statSync(disk).ino, own);
});

test("a fork whose guests do not go on is told, with the way out, and removed; the checkpoint stays", async () => {
  await using box = await sandbox({ fakeQemu: {}, fakeSsh: true });
  await box.up("a,b");
  await box.ok("checkpoint", "a,b", "--as", "seeded");
  box.behave({ "*": { incoming: "fail" } });
  await box.fails(1, /cannot go on from its checkpoint state/, "fork", "seeded", "--as", "f");
  box.behave({ "*": { renewal: "fail" } });
  await box.fails(1, /it was told to fail/, "fork", "seeded", "--as", "f");
  assert.equal(await box.states(), "a=running b=running");
  box.behave({});
  await box.ok("fork", "seeded", "--as", "f");
});

test("a restore that does not work changes no disk, wherever it fails; one that works leaves one disk", async () => {
  await using box = await sandbox({ fakeQemu: {}, fakeSsh: true });
  const disks = (name: string) =>
    [...Deno.readDirSync(box.store.member(name).dir)].map((one) => one.name).filter((one) => /^disk/.test(one));
  const text = (name: string) => Deno.readTextFileSync(box.store.member(name).config);
  await box.up("a,b");
  await box.ok("checkpoint", "a,b", "--as", "seeded");
  await box.ok("checkpoint", "a,b", "--as", "later");
  const before = { a: disks("a"), b: disks("b"), layers: JSON.parse(text("a")).layers };
  assert.equal(before.a.length, 1);
  const isAsBefore = () => {
    assert.deepEqual([disks("a"), disks("b"), JSON.parse(text("a")).layers], [before.a, before.b, before.layers]);
    for (const name of ["a", "b"]) assert.equal(isSuspended(box.store, name), false, "no memory beside another disk");
  };
  // Another hypervisor: not even the power is cut.
  box.behave({ "*": { version: "8.2.0" } });
  const words = /"seeded" cannot go on here: found QEMU 8\.2\.0 .*, expected QEMU 7\.2\.22 /;
  await box.fails(1, words, "restore", "seeded");
  await box.fails(1, words, "fork", "seeded");
  assert.equal(await box.states(), "a=running b=running");
  isAsBefore();
  // One of them cannot be loaded; none of them answers afterwards; interrupted meanwhile.
  box.behave({ b: { incoming: "fail" } });
  await box.fails(1, /"b" cannot go on from its checkpoint state/, "restore", "seeded");
  assert.equal(await box.states(), "a=stopped b=stopped");
  isAsBefore();
  box.behave({ "*": { renewal: "fail" } });
  await box.fails(1, /it was told to fail/, "restore", "seeded");
  isAsBefore();
  box.behave({ "*": { renewal: "hang" } });
  const interrupted = box.start(["restore", "seeded"]);
  await until("its machines run", () => box.processes("machine").length === 2);
  interrupted.kill("SIGINT");
  assert.equal((await interrupted.done).code, 130);
  isAsBefore();

  box.behave({});
  await box.ok("restore", "seeded");
  const layers = (name: string): string[] => JSON.parse(text(name)).layers;
  await until(
    "the other disks are gone, and after them their layers from the config",
    () => ["a", "b"].every((name) => disks(name).length === 1) && !layers("a").includes(before.layers[0]),
  );
  const restored = JSON.parse(text("a"));
  const [saved] = JSON.parse(Deno.readTextFileSync(`${box.home}/snapshots/checkpoints/seeded/manifest.json`)).members.a
    .config.layers;
  assert.equal(restored.layers[0], saved);
  assert.notDeepEqual(disks("a"), before.a);

  // Killed in the middle: the next start goes on with the disk that the config names, and the same again works.
  box.behave({ "*": { renewal: "hang" } });
  const killed = box.start(["restore", "seeded"]);
  await until(
    "both disks are there, and the new machines run",
    () => disks("a").length === 2 && disks("b").length === 2 && box.processes("machine").length === 2,
  );
  killed.kill("SIGKILL");
  await box.killAll();
  box.behave({});
  await box.ok("restore", "seeded");
  await until("the other disks are gone", () => disks("a").length === 1 && disks("b").length === 1);
  await box.ok("stop", "--force", "a");
  await box.up("a");
  box.leavesDebris();
});

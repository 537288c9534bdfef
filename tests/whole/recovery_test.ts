/** What a killed holder leaves and what is damaged in the store: it is adopted, swept or reported; a disk is never deleted. */

import * as assert from "#assert";
import { identify, isAlive } from "../../src/system/process.ts";
import { exists } from "../../src/system/files.ts";
import { kill, signal, until } from "../support/processes.ts";
import { sandbox, test, told } from "../support/sandbox.ts";

test("a killed holder's machines are shown as orphaned, and up adopts all of them, undisturbed", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a,b,c");
  await box.ok("stop", "c");
  const [machines, gateway] = [box.machines(), box.process("gateway").pid];
  const { ssh } = (await box.status("a"))!;
  await box.killHolder("a");

  const ls = await box.ok("ls");
  assert.match(ls.stdout, /^a +orphaned/m);
  assert.match(ls.stdout, /^a, b: orphaned: run fleetbox up a \(its holder is gone, its machine runs\)$/m);

  const up = await box.up("a");
  assert.match(up.stderr, /their holder was killed; adopted: a, b/, told(up));
  assert.deepEqual(box.machines(), machines);
  assert.equal(box.process("gateway").pid, gateway);
  await until("b is adopted, too", async () => await box.states() === "a=running b=running c=stopped");
  assert.deepEqual((await box.status("a"))!.ssh, ssh);
  assert.match(up.stdout, /^a {2}10\.88\.0\.11/m);

  // The group is whole again: c belongs to it, it can be joined, and it ends with its last member.
  await box.up("c");
  await box.ok("join", "d", "--via", "b");
  assert.deepEqual(new Set(Object.values(await box.ls()).map(({ group }) => group)), new Set(["a"]));
  await box.ok("stop", "--all");
  await box.empty();
});

test("a holder that is killed while machines boot: the same up adopts them and waits for them", async () => {
  await using box = await sandbox({ fakeQemu: { "*": { bootMs: 1_500 } } });
  await box.up("a,b", "--no-wait");
  await until(
    "both machines are on record",
    () => Object.keys(box.store.groupRecords()[0]?.hypervisors ?? {}).length === 2,
  );
  const machines = box.machines();
  await box.killHolder("a");
  await box.up("a,b");
  assert.deepEqual(box.machines(), machines);
  assert.equal(await box.states(), "a=running b=running");
});

test("stop, rm and join adopt a killed holder's machines first", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a,b");
  const b = box.process("machine", "b");
  await box.killHolder("a");
  await box.ok("stop", "a");
  assert.equal(await box.states(), "a=stopped b=running");
  assert.ok(isAlive(b));
  await box.killHolder("b");
  await box.ok("join", "d", "--via", "b");
  assert.equal(await box.states(), "a=stopped b=running d=running");
  assert.ok(isAlive(b));
  await box.killHolder("b");
  await box.ok("rm", "-f", "b");
  assert.equal(await box.states(), "a=stopped d=running");
  assert.ok(!isAlive(b));
});

test("up boots the members of a killed holder whose machines died with it, with their disks", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a,b");
  const inode = Deno.statSync(box.store.member("a").disk).ino;
  await box.killAll();
  assert.ok(exists(box.store.memberSocket("a")), "the test needs a socket that was left behind");
  assert.ok(exists(box.store.member("a").pid), "the test needs a pidfile that was left behind");
  assert.equal(await box.states(), "a=stopped b=stopped");
  assert.match((await box.ok("stop", "a")).stdout, /a is not running/);
  await box.up("b,a");
  assert.equal(await box.states(), "a=running b=running");
  assert.equal(Deno.statSync(box.store.member("a").disk).ino, inode);
  assert.equal(box.store.groupRecords().length, 1);
});

test("up adopts one machine of a killed holder and boots the other one, which died", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a,b");
  const b = box.process("machine", "b");
  await box.killHolder("a");
  await kill(box.process("machine", "a"));
  await kill(box.process("gateway"));
  await box.up("a,b");
  assert.ok(isAlive(b));
  assert.equal(await box.states(), "a=running b=running");
  assert.equal(box.processes("gateway").length, 1);
});

test("what a killed holder had claimed and not made goes when its machines are adopted", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  await box.killHolder("a");
  const [record] = box.store.groupRecords();
  await box.store.writeGroupRecord({ ...record, members: [...record.members, "new"] });
  const { dir, pid, socket } = box.store.member("new");
  Deno.mkdirSync(dir, { recursive: true });
  Deno.writeTextFileSync(pid, "4711");
  Deno.writeTextFileSync(socket, ""); // nobody listens there
  await box.up("a");
  assert.deepEqual([pid, socket, dir].map(exists), [false, false, false]);
  const { members } = box.store.groupRecords()[0];
  assert.deepEqual(members, ["a"]);
});

test("rm after everything was killed leaves no file of the group", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a,b");
  await box.killAll();
  await box.ok("rm", "-f", "a", "b");
  assert.deepEqual(box.stored(), []);
  assert.deepEqual(box.debris().filter((path) => !path.endsWith(".json") && !/\.gw[qn]$/.test(path)), []);
  await box.up("z");
  await box.ok("stop", "z");
  await box.empty();
  assert.deepEqual(box.debris(), [], "the next holder sweeps what is left of the group");
});

test("a program that has the process id of a recorded one is left alone, and up works", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  const { id } = box.record();
  const record = box.record();
  await box.killAll();
  const stranger = box.spawn("sleep", "1000");
  const pid = stranger.pid;
  const identity = identify(pid)!;
  Deno.writeTextFileSync(box.store.member("a").pid, String(pid));
  await box.store.writeGroupRecord({
    ...record,
    holder: { ...record.holder, pid },
    gateway: { ...record.gateway!, pid },
    hypervisors: { a: { ...record.hypervisors.a, pid } },
  });
  assert.equal(await box.states(), "a=stopped");
  assert.match((await box.ok("stop", "--force", "a")).stdout, /a is not running/);
  const up = await box.up("a");
  assert.doesNotMatch(up.stderr, /adopted/);
  assert.notEqual(box.record().id, id);
  assert.notEqual(Deno.readTextFileSync(box.store.member("a").pid), String(pid));
  await box.ok("rm", "-f", "a");
  assert.ok(isAlive(identity), "the other program was ended");
});

test("damaged records hold up no command", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  const { record, ...sockets } = box.store.group(box.record().id);
  await box.killAll();
  for (const text of ["", "{", "[]", "null", '{"id":"x"}', Deno.readTextFileSync(record).slice(0, 80)]) {
    Deno.writeTextFileSync(record, text);
    assert.equal(await box.states(), "a=stopped");
  }
  await box.up("a");
  await box.ok("rm", "-f", "a");
  // Without a record it is not known which sockets were the old gateway's.
  for (const path of [record, ...Object.values(sockets)]) Deno.removeSync(path);
});

test("ls reports a holder that hangs after a second, and the other groups as they are; up fails", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  await box.up("b");
  const holder = box.processes("holder").find(({ name }) => name === "a")!;
  signal(holder, "SIGSTOP");
  const ls = await box.ok("ls");
  assert.match(ls.stdout, /^a +unknown/m);
  assert.match(ls.stdout, /^b +running/m);
  assert.match(ls.stdout, /The holder of "a" did not answer within 1 s/);
  await box.fails(4, /The holder of "a" did not answer within 5 s/, "up", "a");
  signal(holder, "SIGCONT");
  await box.up("a");
  assert.equal(box.processes("machine").length, 2);
});

test("commands that ask a holder that hangs end, and say so", async () => {
  await using box = await sandbox({ fakeQemu: {}, limitMs: 60_000 });
  await box.up("a");
  const holder = box.process("holder");
  signal(holder, "SIGSTOP");
  const commands = [["stop", "a"], ["restart", "a"], ["rm", "a"], ["capture", "a", "-w", `${box.root}/a.pcap`]];
  try {
    await Promise.all(commands.map((args) => box.fails(4, /The holder of "a" did not answer within 5 s/, ...args)));
  } finally {
    signal(holder, "SIGCONT");
  }
  assert.equal(await box.states(), "a=running");
});

test("SIGTERM to a holder shuts its members down, and ends it", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a,b");
  signal(box.process("holder"), "SIGTERM");
  await until("all have left", () => box.processes().length === 0);
  assert.equal(await box.states(), "a=stopped b=stopped");
  assert.deepEqual(box.debris(), []);
});

test("SIGHUP does not end a holder", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  signal(box.process("holder"), "SIGHUP");
  signal(box.process("holder"), "SIGHUP");
  assert.equal((await box.status("a"))?.state, "running");
  await box.ok("join", "b", "--via", "a");
});

const DAMAGES: Record<string, (config: string) => string | undefined> = {
  "truncated": (config) => config.slice(0, 40),
  "empty": () => "",
  "not JSON": () => "name: a\n",
  "a list": () => "[]",
  "null": () => "null",
  "with a number for its mac": (config) => config.replace(/"mac": "[^"]*"/, '"mac": 7'),
  "without its memory": (config) => config.replace(/"memory_mb": \d+,/, ""),
  "of another member": (config) => config.replace('"name": "a"', '"name": "b"'),
  "missing, with a disk": () => undefined,
};

test("a damaged config: ls shows the reason, and the other members as they are; up names it; nothing is deleted", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a,b");
  await box.ok("stop", "a");
  const { config, disk } = box.store.member("a");
  const sound = Deno.readTextFileSync(config);
  for (const [what, damage] of Object.entries(DAMAGES)) {
    const text = damage(sound);
    if (text === undefined) Deno.removeSync(config);
    else Deno.writeTextFileSync(config, text);
    const ls = await box.ok("ls");
    assert.match(ls.stdout, /^a +damaged/m, what);
    assert.match(ls.stdout, /^b +running/m, what);
    assert.match(ls.stdout, /a: The config of "a" cannot be read: /, what);
    await box.fails(1, [/The config of "a" cannot be read/, /try: Correct .*config\.json/], "up", "a", "new");
    await box.fails(1, /The config of "a" cannot be read/, "join", "a", "--via", "b");
    if (text === undefined) assert.ok(!exists(config), what);
    else assert.equal(Deno.readTextFileSync(config), text, what);
    assert.ok(exists(disk), what);
    assert.deepEqual(box.stored().filter((name) => name === "new"), [], what);
  }
  Deno.writeTextFileSync(config, sound);
  await box.up("a");
  await box.ok("stop", "a");
  Deno.writeTextFileSync(config, "{");
  await box.ok("rm", "-f", "a");
  assert.ok(!exists(disk));
  assert.equal(await box.states(), "b=running");
});

test("a member whose config is damaged while it runs can still be seen, reached and stopped", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  const { config } = box.store.member("a");
  Deno.writeTextFileSync(config, "{");
  assert.equal(await box.states(), "a=running");
  await box.ok("up", "a");
  await box.ok("stop", "a");
  assert.equal(await box.states(), "a=damaged");
});

test("a missing disk is never replaced by an empty one", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  await box.ok("stop", "a");
  const { disk } = box.store.member("a");
  Deno.renameSync(disk, `${disk}.away`);
  await box.fails(1, /The disk of "a" is gone .*booted before/, "up", "a");
  await box.empty();
  assert.ok(!exists(disk));
  Deno.renameSync(`${disk}.away`, disk);
  await box.up("a");
});

test("a directory in the store that is not a member's is ignored", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  for (const dir of ["lost+found/x", "a/B", ".removed-x/y", "web/other"]) {
    Deno.mkdirSync(`${box.store.clustersDir}/${dir}`, { recursive: true });
  }
  Deno.writeTextFileSync(`${box.store.clustersDir}/file`, "");
  assert.equal(await box.states(), "a=running");
  for (const dir of ["lost+found", ".removed-x", "web"]) {
    Deno.removeSync(`${box.store.clustersDir}/${dir}`, { recursive: true });
  }
});

/** A killed holder's machines: each command that needs them adopts them; those that cannot be adopted are reported and left alone. */

import * as assert from "#assert";
import { join } from "../../src/system/path.ts";
import { identify, isAlive } from "../../src/system/process.ts";
import { exists } from "../../src/system/files.ts";
import { type Found, kill, signal, until } from "../support/processes.ts";
import { type Sandbox, sandbox, test, told } from "../support/sandbox.ts";
import { bannerOf } from "../support/socket.ts";

/** Programs `ssh` and `scp` that print their arguments and succeed. */
function fakeClients({ root }: Sandbox): Record<string, string> {
  const bin = join(root, "bin");
  Deno.mkdirSync(bin, { recursive: true });
  for (const name of ["ssh", "scp"]) {
    Deno.writeTextFileSync(join(bin, name), `#!/bin/sh\nprintf '%s\\n' "$@"\n`, { mode: 0o755 });
  }
  return { PATH: `${bin}:${Deno.env.get("PATH")}` };
}

test("every command that connects to a killed holder's machine adopts its group first, and says so", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a,b");
  const machines = box.machines();
  const port = (await box.status("a"))!.ssh!.port;
  const env = fakeClients(box);
  for (const command of [["ssh", "a", "--", "true"], ["exec", "a", "--", "true"], ["cp", "/etc/hostname", "a:"]]) {
    await box.killHolder("a");
    const result = await box.start(command, { env }).done;
    assert.equal(result.code, 0, told(result));
    assert.match(result.stderr, /^their holder was killed; adopted: a, b$/m, told(result));
    assert.match(result.stdout, new RegExp(`\\b${port}\\b`), told(result));
    assert.equal(await box.states(), "a=running b=running", command[0]);
    assert.deepEqual(box.machines(), machines);
  }
});

test("ls --repair adopts every group without a holder; machines, gateways and ports stay", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await Promise.all([box.up("a,b"), box.up("y,z")]);
  const before = await box.ls();
  const [machines, gateways] = [box.machines(), box.processes("gateway").map(({ pid }) => pid).sort()];
  await box.killHolder("a");
  await box.killHolder("y");
  const orphaned = await box.ok("ls");
  assert.match(orphaned.stdout, /^a, b: orphaned: run fleetbox up a \(/m);
  assert.match(orphaned.stdout, /^y, z: orphaned: run fleetbox up y \(/m);

  const repaired = await box.ok("ls", "--repair");
  assert.match(repaired.stderr, /^their holder was killed; adopted: a, b, y, z$/m);
  for (const name of ["a", "b", "y", "z"]) assert.match(repaired.stdout, new RegExp(`^${name} +running`, "m"));
  assert.deepEqual(box.machines(), machines);
  assert.deepEqual(box.processes("gateway").map(({ pid }) => pid).sort(), gateways);
  const after = await box.ls();
  for (const name of ["a", "b", "y", "z"]) assert.deepEqual(after[name].ssh, before[name].ssh, name);

  const again = await box.ok("ls", "--repair");
  assert.equal(again.stderr, "", "nothing is left to be repaired");
});

test("the start time of members survives the death of their holder, and of one that is killed while it adopts them", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a,b");
  const sinceOf = async () => Object.values(await box.ls()).map(({ since }) => since);
  const before = await sinceOf();
  // It is told to commands a moment before it is recorded.
  const isRecorded = () => box.store.groupRecords().every(({ since = {} }) => since.a && since.b);
  await until("the record has it", isRecorded);
  await box.killHolder("a");
  await box.ok("ls", "--repair");
  assert.deepEqual(await sinceOf(), before);

  await until("the record has it again", isRecorded);
  await box.killHolder("a");
  const b = box.process("machine", "b");
  signal(b, "SIGSTOP"); // so that the adoption takes a while
  const up = box.start(["up", "a,b", "--egress", "off"]);
  await until("a new holder has a again", async () => (await box.status("a"))?.state === "running");
  await box.killHolder("a");
  signal(b, "SIGCONT");
  await up.done;
  await box.ok("ls", "--repair");
  assert.deepEqual(await sinceOf(), before);

  // Started anew, it runs anew.
  await box.ok("stop", "b", "--force");
  await box.up("b");
  const [a, other] = await sinceOf();
  assert.equal(a, before[0]);
  assert.notEqual(other, before[1]);
});

test("ls --repair ends a gateway whose holder and machines are gone", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  await box.killHolder("a");
  await kill(box.process("machine"));
  assert.equal(box.processes("gateway").length, 1);
  assert.match((await box.ok("ls", "--repair")).stdout, /^a +stopped/m);
  await box.empty();
  await box.up("a");
});

test("a gateway that died with its holder is started with the ports that it had, by the next command", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a,b");
  const before = await box.ls();
  for (const command of [["up", "a"], ["ls", "--repair"], ["join", "c", "--via", "a"], ["stop", "c"]]) {
    await box.killHolder("a");
    await kill(box.process("gateway"));
    await box.ok(...command);
    await until("there is a gateway", () => box.processes("gateway").length === 1);
    // A command waits for the adoption of its own members only.
    let after = before;
    await until("both have a port", async () => (after = await box.ls()).a.ssh && after.b.ssh);
    for (const name of ["a", "b"]) assert.deepEqual(after[name].ssh, before[name].ssh, `${command} ${name}`);
    // Behind the port there is the member: the fake QEMU's gateway answers when the guest does.
    assert.match(await bannerOf(after.a.ssh.port), /^SSH-2\.0/);
  }
});

test("when another program took a port meanwhile, that member gets a new one and the others keep theirs", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a,b");
  const before = await box.ls();
  await box.killHolder("a");
  await kill(box.process("gateway"));
  using _thief = Deno.listen({ hostname: "127.0.0.1", port: before.a.ssh.port });
  await box.up("a,b");
  const after = await box.ls();
  assert.notEqual(after.a.ssh.port, before.a.ssh.port);
  assert.equal(after.b.ssh.port, before.b.ssh.port);
  assert.match(box.holderLog("a"), /gateway: port \d+ of 127\.0\.0\.1 is taken; \d+ leads to 10\.88\.0\.11 now/);
});

test("a gateway that does not answer the new holder is ended, and another takes its ports", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  const { ssh } = (await box.status("a"))!;
  const old = box.process("gateway");
  await box.killHolder("a");
  signal(old, "SIGSTOP");
  await box.up("a");
  assert.ok(!isAlive(old));
  assert.equal(box.processes("gateway").length, 1);
  assert.deepEqual((await box.status("a"))!.ssh, ssh);
});

/** Two members whose holder was killed, and the machine of one of them, which is stopped by a signal. */
async function silentMachine(box: Sandbox): Promise<Found> {
  await box.up("a,b");
  const a = box.process("machine", "a");
  await box.killHolder("a");
  signal(a, "SIGSTOP");
  return a;
}

test("up reports a machine whose QMP does not answer and does not kill it; once it answers, up adopts it", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const a = await silentMachine(box);
  const up = await box.fails(
    1,
    [/The machine of "a" runs \(process \d+\), but does not answer/, /fleetbox stop --force a/],
    "up",
    "a,b",
  );
  assert.match(up.stderr, /adopted: a, b/);
  assert.equal(await box.states(), "a=error b=running");
  assert.match((await box.ok("ls")).stdout, /^a: .*does not answer/m);
  await box.fails(1, /its machine \(process \d+\) does not answer/, "stop", "a");
  await box.fails(1, /its machine \(process \d+\) does not answer/, "rm", "a");
  assert.ok(isAlive(a));

  signal(a, "SIGCONT");
  await box.up("a,b");
  assert.ok(isAlive(a));
  assert.equal(await box.states(), "a=running b=running");
});

test("stop does not kill a machine whose QMP does not answer; stop --force does", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const a = await silentMachine(box);
  await box.fails(1, /its machine \(process \d+\) does not answer/, "stop", "a");
  assert.ok(isAlive(a));
  assert.equal(await box.states(), "a=error b=running");
  await box.ok("stop", "--force", "a");
  assert.ok(!isAlive(a));
  assert.equal(await box.states(), "a=stopped b=running");
});

test("a machine that could not be adopted because no gateway started is adopted by the next up", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  const a = box.process("machine", "a");
  await box.killHolder("a");
  await kill(box.process("gateway"));
  box.behave({ gateway: { start: "die", message: "no user network today" } });
  await box.fails(1, /no user network today/, "up", "a");
  assert.ok(isAlive(a));
  assert.equal(await box.states(), "a=error");
  box.behave({});
  await box.up("a");
  assert.ok(isAlive(a));
  assert.equal(await box.states(), "a=running");
  await box.ok("stop", "a");
  assert.match(box.holderLog("a"), /a: stopped: The guest shut down$/m);
});

test("the holder that adopts a group sweeps what killed processes left half-made or half-removed", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a,b");
  await box.ok("stop", "b");
  await box.killHolder("a");
  const dead = 2 ** 22 + 1; // more than any process id of Linux
  const halves = [
    `${box.store.member("a").seed}.${dead}-0123abcd.tmp`,
    `${box.store.member("b").disk}.${dead}-0123abcd.tmp`,
    `${box.store.runDir}/x.json.${dead}-0123abcd.tmp`,
    `${box.store.clustersDir}/.removed-z.${dead}-0123abcd.tmp`,
  ];
  for (const path of halves) Deno.writeTextFileSync(path, "");
  await box.up("a");
  assert.deepEqual(halves.filter(exists), []);
});

test("up of a stopped member whose group lost its holder adopts the group, and boots it onto its network", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a,b");
  await box.ok("stop", "a");
  const machines = box.machines();
  await box.killHolder("b");
  const up = await box.up("a");
  assert.match(up.stderr, /adopted: b/);
  assert.equal(await box.states(), "a=running b=running");
  assert.deepEqual(box.machines().filter((machine) => machine.startsWith("b:")), machines);
  assert.equal(box.processes("gateway").length, 1);
  assert.equal(box.processes("holder").length, 1);
});

test("rm does not delete the disk of a machine that runs, although its record does not list it and names a living holder", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  const a = box.process("machine", "a");
  const record = box.record();
  await box.killHolder("a");
  // This is so for a moment when a holder is killed while it adopts machines: its sockets are gone, its process is not.
  await box.store.writeGroupRecord({ ...record, holder: identify(Deno.pid)!, hypervisors: {} });
  await box.fails(1, /Cannot remove "a": its machine still runs/, "rm", "-f", "a");
  assert.ok(isAlive(a) && exists(box.store.member("a").disk));
  await box.store.writeGroupRecord(record);
  await box.ok("rm", "-f", "a");
  assert.ok(!isAlive(a));
});

test("up waits for the end of a killed holder's process that is still there, and adopts its machines", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a,b");
  const machines = box.machines();
  const record = box.record();
  await box.killHolder("a");
  const dying = box.spawn("sleep", "1000");
  await box.store.writeGroupRecord({ ...record, holder: identify(dying.pid)!, hypervisors: {} });
  const up = box.start(["up", "a,b", "--egress", "off"]);
  await until("a new holder looks at it", () => box.processes("holder").length > 0);
  dying.kill("SIGKILL");
  assert.equal((await up.done).code, 0, told(await up.done));
  assert.deepEqual(box.machines(), machines);
});

test("a holder that is killed while it adopts machines keeps them, and their ports, in its record", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a,b");
  const [before, machines] = [await box.ls(), box.machines()];
  // It is written soon after `up` has returned: on a disk that is busy with other tests, seconds later.
  await until("the record has their ports", () => Object.keys(box.record().ssh_ports).length === 2);
  await box.killHolder("a");
  for (const name of ["a", "b"]) signal(box.process("machine", name), "SIGSTOP"); // so that the adoption takes a while
  const up = box.start(["up", "a,b", "--egress", "off"]);
  const next = await until("a new holder serves", () => {
    const [holder] = box.processes("holder");
    const [record] = box.store.groupRecords();
    return holder && record?.holder.pid === holder.pid && record.served.length === 2 ? holder : undefined;
  });
  const record = box.record();
  assert.deepEqual(Object.keys(record.hypervisors).sort(), ["a", "b"]);
  assert.deepEqual(record.ssh_ports, { a: before.a.ssh.port, b: before.b.ssh.port });
  await box.killOrphaning(next);
  await kill(box.process("gateway"));
  await up.done;
  for (const name of ["a", "b"]) signal(box.process("machine", name), "SIGCONT");
  await box.ok("ls", "--repair");
  assert.deepEqual(box.machines(), machines);
  const after = await box.ls();
  for (const name of ["a", "b"]) assert.deepEqual(after[name].ssh, before[name].ssh, name);
});

test("a machine whose config is gone is reported, and only stop --force ends it", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a,b");
  const a = box.process("machine", "a");
  await box.killHolder("a");
  Deno.removeSync(box.store.member("a").config);
  await box.up("b");
  assert.match((await box.status("a"))!.error!, /The config of "a" cannot be read/);
  await box.fails(1, /Cannot stop "a"/, "stop", "a");
  assert.ok(isAlive(a));
  await box.ok("stop", "--force", "a");
  assert.ok(!isAlive(a));
});

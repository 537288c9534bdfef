/** Egress and host access belong to a member: kept with it, changed while it runs, different within a group. */

import * as assert from "#assert";
import { join } from "../../src/system/path.ts";
import { exists } from "../../src/system/files.ts";
import { kill, until } from "../support/processes.ts";
import { type Sandbox, sandbox, test, told } from "../support/sandbox.ts";
import { bannerOf } from "../support/socket.ts";

/** `a=off b=on+host`, as `ls --json` and the configs say it. */
async function uses(box: Sandbox): Promise<string> {
  const views = Object.values(await box.ls());
  for (const { name, egress, host_access } of views) {
    const config = box.store.config(name)!;
    assert.deepEqual([config.egress, config.host_access], [egress, host_access], name);
  }
  return views.map(({ name, egress, host_access }) => `${name}=${egress}${host_access ? "+host" : ""}`).join(" ");
}

const restricts = (command: string) => / user,.*restrict=(on|off)/.exec(command)![1] === "on";
const isRestricted = (box: Sandbox) => restricts(box.process("gateway").command);

/** Whether the member's SSH port leads to it. */
async function answers(box: Sandbox, name: string, port: number): Promise<void> {
  assert.match(await bannerOf(port), /^SSH-2\.0/, `${name}: ${box.holderLog(name)}`);
}

test("egress off and access to the host are kept over a stop; by default a new group has egress", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.ok("up", "s", "--egress", "off");
  assert.equal(await uses(box), "s=off");
  assert.ok(isRestricted(box));
  await box.ok("stop", "s");
  assert.equal(await uses(box), "s=off");
  await box.ok("up", "s");
  assert.equal(await uses(box), "s=off");
  assert.ok(isRestricted(box));
  await box.ok("stop", "s");
  await box.ok("up", "s", "--host-access");
  assert.equal(await uses(box), "s=off+host");
  await box.ok("stop", "s");
  await box.ok("up", "s");
  assert.equal(await uses(box), "s=off+host");
  assert.ok(!isRestricted(box), "the gateway lets it reach the host; the guard keeps the outside closed");
  assert.match((await box.ok("status", "s")).stdout, /^egress +off, with access to the host's loopback$/m);
});

test("up of one that runs and one that is new: --egress off holds for both, at once; the gateway is closed, ports stay", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.ok("up", "s", "--host-access", "--egress", "off");
  const before = await box.ls();
  const gateway = box.process("gateway");
  assert.ok(!isRestricted(box));
  const up = await box.ok("up", "s", "t", "--egress", "off", "--no-host-access");
  assert.match(up.stderr, /s: egress is off now/, told(up));
  assert.match(up.stderr, /gateway was started again, for no member has a way out any more: .*SSH sessions/, told(up));
  assert.equal(await uses(box), "s=off t=off");
  assert.notEqual(box.process("gateway").pid, gateway.pid);
  assert.ok(isRestricted(box));
  const after = await box.ls();
  assert.deepEqual(after.s.ssh, before.s.ssh);
  for (const name of ["s", "t"]) await answers(box, name, after[name].ssh.port);
  const again = await box.ok("up", "s", "t", "--egress", "off");
  assert.doesNotMatch(again.stderr, /now|started again/, told(again));
});

test("members of both kinds share a group; the gateway is opened for the first that needs it, and SSH is back", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.ok("up", "a", "b", "--egress", "off");
  const before = await box.ls();
  await box.ok("join", "c", "--via", "a"); // without an option it gets what its group has
  assert.ok(isRestricted(box));
  const opened = await box.ok("join", "d", "--via", "a", "--host-access");
  assert.match(opened.stderr, /gateway was started again, so that "d" has its way out/, told(opened));
  assert.equal(await uses(box), "a=off b=off c=off d=off+host");
  assert.ok(!isRestricted(box));
  const after = await box.ls();
  for (const name of ["a", "b"]) assert.deepEqual(after[name].ssh, before[name].ssh, name);
  for (const name of ["a", "b", "c", "d"]) await answers(box, name, after[name].ssh.port);
  const gateway = box.process("gateway").pid;
  await box.ok("stop", "d");
  assert.equal(box.process("gateway").pid, gateway, "d may boot again: its stop must not cut the others' SSH sessions");
});

test("a new member with egress whose boot fails leaves the gateway as closed as it was", async () => {
  await using box = await sandbox({ fakeQemu: { b: { dieAfterMs: 300, bootMs: 60_000 } } });
  await box.ok("up", "a", "--egress", "off");
  const { a } = await box.ls();
  assert.equal((await box.run("join", "b", "--via", "a", "--host-access")).code, 1);
  // The gateway is started again: for a moment there is none.
  await until("the gateway is closed", () => {
    const gateways = box.processes("gateway");
    return gateways.length === 1 && restricts(gateways[0].command);
  });
  await box.ok("wait", "a");
  await answers(box, "a", a.ssh.port);
});

test("a killed gateway comes back as open as its members need it, also when its holder died in between", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.ok("up", "a", "--egress", "off");
  await box.ok("join", "b", "--via", "a", "--host-access");
  await kill(box.process("gateway"));
  await box.ok("wait", "a", "b");
  assert.ok(!isRestricted(box));
  await box.killHolder("a");
  await box.ok("up", "a");
  assert.equal(await uses(box), "a=off b=off+host");
  assert.ok(!isRestricted(box));
});

test("a group of an earlier version, whose configs do not have egress: its members get what its record says", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.ok("up", "a", "b", "c", "--egress", "off");
  await box.ok("stop", "c");
  const gateway = box.process("gateway").pid;
  await box.killHolder("a");
  for (const name of ["a", "b", "c"]) {
    const { egress: _, host_access: __, ...old } = box.store.config(name)!;
    Deno.writeTextFileSync(box.store.member(name).config, JSON.stringify(old));
  }
  const [record] = box.store.groupRecords();
  const { gateway_restricted: _, ...old } = record;
  await box.store.writeGroupRecord(old);
  await box.ok("up", "a");
  assert.equal(box.process("gateway").pid, gateway, "it is adopted");
  assert.equal(await uses(box), "a=off b=off c=off");
  await box.ok("join", "d", "--via", "a", "--host-access");
  await box.killHolder("a");
  await box.ok("up", "a", "b", "c");
  assert.equal(await uses(box), "a=off b=off c=off d=off+host");
});

test("an option without effect on a running member is named, with what to do; the others take effect for each member of the command", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.ok("up", "s", "--egress", "off");
  const up = await box.ok("up", "s", "t", "--egress", "off", "--cpus", "2", "--ready", "ssh", "-p", "80");
  assert.match(
    up.stderr,
    /s runs with --cpus 1 \(asked: 2\): that changes with a boot\. To boot it so: fleetbox restart s --cpus 2/,
  );
  assert.match(up.stderr, /s runs already: --ready ssh is for a boot\. To boot it with that: fleetbox stop s/);
  assert.doesNotMatch(up.stderr, /t (keeps|runs)/, told(up));
  const { s, t } = await box.ls();
  assert.deepEqual([s.cpus, t.cpus], [1, 2]);
  assert.deepEqual([s, t].map(({ forwards }) => forwards.length), [1, 1]);
  const joined = await box.ok("join", "t", "--via", "s", "--memory", "1G");
  assert.match(joined.stderr, /t runs with --memory 256M/);
});

test("up, wait and exec wait for a gateway that is being started again before they call a member running", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const bin = join(box.root, "bin");
  Deno.mkdirSync(bin);
  // Connects once, as ssh does, and prints the banner.
  const client = `#!/bin/bash\nwhile [ "$1" != -p ]; do shift; done\nexec 3<>/dev/tcp/127.0.0.1/$2 && head -c 7 <&3\n`;
  Deno.writeTextFileSync(join(bin, "ssh"), client, { mode: 0o755 });
  const env = { PATH: `${bin}:${Deno.env.get("PATH")}` };
  await box.up("a,b,c");
  const ports = Object.values(await box.ls()).map(({ ssh }) => ssh.port);
  box.behave({ gateway: { startMs: 1_000 } });
  for (const command of [["up", "a,b,c"], ["wait", "a,b,c"]]) {
    await kill(box.process("gateway"));
    await box.ok(...command);
    for (const port of ports) await answers(box, "a", port);
  }
  await kill(box.process("gateway"));
  const execs = await Promise.all(["a", "b", "c"].map((name) => box.start(["exec", name, "--", "true"], { env }).done));
  for (const result of execs) assert.equal(result.stdout, "SSH-2.0", told(result));
});

test("when the gateway does not come back, they say so instead of calling a member running", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  box.behave({ gateway: { start: "die", message: "no luck" } });
  await kill(box.process("gateway"));
  for (const command of [["up", "a"], ["wait", "a"], ["exec", "a", "--", "true"]]) {
    const result = await box.fails(1, /no luck/, ...command);
    assert.equal(result.stdout, "", told(result));
  }
  box.behave({});
  await box.ok("wait", "a");
  assert.ok(exists(box.store.member("a").socket));
});

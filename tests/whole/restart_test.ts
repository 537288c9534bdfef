/** `restart`, and a member that gets other CPUs, other memory and a larger disk when it boots. */

import * as assert from "#assert";
import { run } from "../../src/system/process.ts";
import { sandbox, test, told } from "../support/sandbox.ts";

/** What a disk's file says of its size, in MiB. */
async function virtualMiB(disk: string): Promise<number> {
  return JSON.parse(await run("qemu-img", ["info", "-U", "--output=json", disk]))["virtual-size"] / 1024 / 1024;
}

test("restart boots members again in their group, with what they have; the others go on", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a,b,c", "--cpus", "2");
  await box.up("alone");
  const before = Object.fromEntries(box.processes("machine").map(({ name, pid }) => [name, pid]));
  await box.ok("stop", "b");
  const { stdout, stderr } = await box.ok("restart", "a", "b", "alone");
  assert.match(stdout, /^a: stopped[^]*^a: running/m);
  assert.match(stdout, /^a {6}10\.88\.0\.11 {2}fleetbox ssh a$/m);
  assert.match(stderr, /^b is stopped: it is booted$/m);
  const { a, b, c, alone } = await box.ls();
  assert.deepEqual([a, b, c, alone].map(({ state, group, ip, cpus }) => `${state} ${group} ${ip} ${cpus}`), [
    ...["11", "12", "13"].map((slot) => `running a 10.88.0.${slot} 2`),
    "running alone 10.88.0.11 1",
  ]);
  const after = Object.fromEntries(box.processes("machine").map(({ name, pid }) => [name, pid]));
  assert.deepEqual(["a", "b", "c", "alone"].filter((name) => after[name] !== before[name]), ["a", "b", "alone"]);

  const whole = JSON.parse((await box.ok("reboot", "--all", "--force", "--json")).stdout.trim().split("\n").at(-1)!);
  assert.deepEqual([whole.event, whole.members.length], ["restart", 4]);
  assert.deepEqual(
    Object.values(await box.ls()).map(({ name, group }) => `${name}=${group}`).join(" "),
    "a=a alone=alone b=a c=a",
  );
  await box.fails(3, /There is no member "nobody"/, "restart", "c", "nobody");
  await box.fails(2, /Which members\?/, "restart");
  await box.fails(1, /"c" wants 1048576 MiB of memory, and this host has/, "restart", "c", "--memory", "1T");
  assert.equal(await box.states(), "a=running alone=running b=running c=running", "nothing was stopped");
});

test("Ctrl-C during the boot of a restart stops the member again, and its disk stays", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  box.behave({ a: { bootMs: 60_000 } });
  const restart = box.start(["restart", "a"]);
  await restart.printed(/^a: boot/m);
  restart.kill("SIGINT");
  const ended = await restart.done;
  assert.equal(ended.code, 130, told(ended));
  assert.match(ended.stderr, /Interrupted; stopped again: a/);
  assert.equal(await box.states(), "a=stopped");
});

test("up gives a stopped member other CPUs, memory and a larger disk; one that runs is told how", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a", "b", "--disk", "2G");
  const running = await box.up("a", "--memory", "1G", "--disk", "3G");
  assert.match(running.stderr, /a runs with --memory \S+ \(asked: 1G\)[^]*fleetbox restart a --memory 1G/);
  assert.match(running.stderr, /fleetbox restart a --disk 3G/);
  await box.ok("stop", "a");
  await box.fails(2, /The disk of "a" has 2048 MiB and cannot shrink: found 1024 MiB/, "up", "a", "--disk", "1G");
  const up = await box.up("a", "--memory", "512M", "--cpus", "3", "--disk", "3G");
  assert.equal(up.stderr, "", told(up));
  const sizes = async (name: string) => {
    const { cpus, memory_mb, disk_mb } = (await box.ls())[name];
    return [cpus, memory_mb, disk_mb, await virtualMiB(box.store.member(name).disk)];
  };
  assert.deepEqual(await sizes("a"), [3, 512, 3072, 3072]);
  await box.fails(2, /cannot shrink/, "restart", "a", "b", "--disk", "2.5G");
  assert.equal(await box.states(), "a=running b=running", "nothing was stopped");

  // What a group was started with is for its new members, not for one that comes back.
  await box.ok("stop", "--all");
  await box.up("a", "--memory", "1G", "--disk", "4G");
  const others = (await sizes("b")).slice(0, 3);
  await box.up("a", "b");
  assert.deepEqual([(await sizes("a"))[1], await sizes("b")], [1024, [...others, 2048]]);
});

test("a suspended member keeps its machine: other memory is refused, and --cold boots with it", async () => {
  await using box = await sandbox({ fakeQemu: {}, fakeSsh: true, templates: true });
  await box.up("a");
  await box.ok("suspend", "a");
  const words = [
    /"a" is suspended/,
    /restart it with these options then: fleetbox up a; or .*: fleetbox up a --cold$/m,
  ];
  await box.fails(1, words, "up", "a", "--memory", "1G");
  await box.up("b");
  const { since } = (await box.ls()).b;
  await box.fails(1, words, "restart", "b", "a", "--memory", "1G");
  assert.equal((await box.ls()).b.since, since, "nothing was stopped");
  assert.equal(JSON.parse((await box.ok("ls", "--json")).stdout)[0].suspended, true);
  await box.up("a", "--memory", "1G", "--cold");
  assert.equal((await box.ls()).a.memory_mb, 1024);
});

test("restart does not make a member anew that is removed while others shut down", async () => {
  await using box = await sandbox({ fakeQemu: { b: { powerdownMs: 3_000 } } });
  await box.up("a", "b");
  const restart = box.start(["restart", "a", "b"]);
  await restart.printed(/^a: stopped/m);
  await box.ok("rm", "a");
  const ended = await restart.done;
  assert.equal(ended.code, 3, told(ended));
  assert.match(ended.stderr, /"a" was removed while it was being restarted/, told(ended));
  assert.equal(await box.states(), "b=running");
});

/** A client of protocol 1 that was not written for this program: it looks at the pidfile first, and reads once. */

import * as assert from "#assert";
import { rawDisk, serve } from "../../src/image/testing.ts";
import { exists } from "../../src/system/files.ts";
import { OriginalClient } from "../support/original_client.ts";
import { until } from "../support/processes.ts";
import { sandbox, test } from "../support/sandbox.ts";
import { talk } from "../support/socket.ts";

test("protocol 1: two members come up, one is stopped and added again", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const client = new OriginalClient(box);
  const ended = client.spawn(["a", "b"], { cpus: 1, egress: "off" });
  await client.waitMembers(["a", "b"], 60_000);
  await client.stop("a");
  assert.equal(client.isRunning("a"), false);
  assert.equal(await client.ask("b", "addmember a", 256), "ok");
  assert.equal((await client.status("a")).state, "running");
  await client.stop("a");
  await client.stop("b");
  assert.equal(await ended, 0);
});

test("protocol 1: the pidfile is there before the image; `downloading` is seen, and does not count against the boot's limit", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await using server = serve(rawDisk(1024 * 1024), "silent");
  const client = new OriginalClient(box);
  const ended = client.spawn(["a"], { image: server.url, egress: "off", ready: "ssh" });
  await until("the pidfile is there", () => client.isRunning("a"));
  await until("the download is seen", async () => (await client.status("a")).state === "downloading");
  assert.ok(!exists(box.store.member("a").config));
  assert.equal((await client.status("a")).running, true);
  assert.equal((await box.ls()).a.state, "downloading");

  await client.stop("a");
  assert.equal(await ended, 0, "the machine came up all the same");
  assert.deepEqual(box.processes(), []);
  assert.ok(!exists(box.store.member("a").dir), "an empty directory is left");
});

test("protocol 1: a stop while the disk is made works, and the machine does not boot", async () => {
  await using box = await sandbox({ fakeQemu: { "*": { startMs: 60_000 } } });
  const client = new OriginalClient(box);
  const ended = client.spawn(["a", "b"], { egress: "off" });
  await until("the pidfile is there", () => client.isRunning("a"));
  await client.stop("a");
  await client.stop("b");
  assert.equal(await ended, 0);
  assert.deepEqual(box.processes("machine"), []);
});

test("protocol 1: stop of a guest that does not shut down and a QEMU that does not quit is within the client's limit", async () => {
  await using box = await sandbox({ fakeQemu: { a: { powerdown: "ignore", quit: "ignore" } } });
  const client = new OriginalClient(box);
  const ended = client.spawn(["a"], { egress: "off" });
  await client.waitMembers(["a"], 60_000);
  await client.stop("a");
  assert.deepEqual(box.processes("machine"), []);
  assert.equal(await ended, 0);
});

test("protocol 1: the client learns why a first boot failed, whatever happened meanwhile, and then the names are free", async () => {
  await using box = await sandbox({ fakeQemu: { b: { start: "die", message: "b has no luck" } } });
  const client = new OriginalClient(box);
  const ended = client.spawn(["a", "b"], { egress: "off" });
  await until("b has failed", async () => /^b +error/m.test((await box.ok("ls")).stdout));
  const told = client.waitMembers(["a", "b"], 60_000);
  await assert.rejects(told, /^Error: b failed: Cannot boot "b": .*b has no luck/);
  assert.equal(await ended, 0);
  assert.deepEqual([client.isRunning("a"), client.isRunning("b")], [false, false]);
  assert.ok(!exists(box.store.clustersDir + "/a") && !exists(box.store.clustersDir + "/b"));
});

test("protocol 1: an unknown image is reported as the error, not as a time-out", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const client = new OriginalClient(box);
  const ended = client.spawn(["a"], { image: "debain-12", egress: "off" });
  await assert.rejects(client.waitMembers(["a"], 60_000), /a failed: .*Unknown image "debain-12"/);
  assert.equal(await ended, 0);
  assert.ok(!exists(box.store.member("a").dir));
});

test("protocol 1: a start that fails before it serves is reported as its members' error", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const client = new OriginalClient(box);
  const failed = async (names: string[], options: object, why: RegExp) => {
    const ended = client.spawn(names, options);
    await assert.rejects(client.waitMembers(names, 60_000), why);
    assert.equal(await ended, 1);
    assert.deepEqual(box.debris(), []);
  };
  await failed(["a", "b"], { cpus: 100 }, /a failed: Bad value for cpus: found 100/);
  const fixtures = [{ host_path: `${box.root}/nothing`, guest_path: "/data" }];
  await failed(["a"], { fixtures }, /a failed: .*nothing/);
  assert.ok(!exists(box.store.member("a").dir), "an empty directory is left");

  const ended = client.spawn(["z"], { egress: "off" });
  await client.waitMembers(["z"], 60_000);
  const second = client.spawn(["y", "z"], { egress: "off" });
  await assert.rejects(client.waitMembers(["z", "y"], 60_000), /y failed: "z" is already served by another holder/);
  assert.equal(await second, 1);
  assert.equal((await client.status("z")).state, "running", "the other holder's member goes on");
  await client.stop("z");
  assert.equal(await ended, 0);
});

test("protocol 1: a start succeeds after a failed one", async () => {
  await using box = await sandbox({ fakeQemu: { b: { start: "die" } } });
  const client = new OriginalClient(box);
  const first = client.spawn(["a"], { cpus: 100 });
  await until("its failure is served", () => client.isRunning("a"));
  await box.up("a");
  assert.equal(await first, 1);
  await box.ok("rm", "a");

  const second = client.spawn(["a", "b"], { egress: "off" });
  await until("b has failed", async () => /^b +error/m.test((await box.ok("ls")).stdout));
  box.behave({});
  const third = client.spawn(["a", "b"], { egress: "off" });
  assert.equal(await second, 0, "it has made room");
  await client.waitMembers(["a", "b"], 60_000);
  await client.stop("a");
  await client.stop("b");
  assert.equal(await third, 0);
});

test("up whose first boot fails gets the error, and its holder ends", async () => {
  await using box = await sandbox({ fakeQemu: { a: { start: "die", message: "no luck" } } });
  await box.fails(1, /no luck/, "up", "a");
  assert.ok(!exists(box.store.memberSocket("a")), "a is still served");
  await box.empty();
  assert.deepEqual(box.store.groupRecords(), []);
});

test("stop, rm and the text request end a machine whose member's directory was deleted", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a,b,c,d");
  const machines = () => box.processes("machine").map(({ name }) => name).sort().join();
  for (const name of ["a", "b", "c"]) Deno.removeSync(box.store.member(name).dir, { recursive: true });
  assert.match((await box.ok("stop", "a")).stdout, /^a: stopped/m);
  assert.match((await box.ok("rm", "-f", "b")).stdout, /^b removed$/m);
  assert.equal(await talk(box.store.memberSocket("c"), "stop"), "ok");
  await until("c has left", () => !exists(box.store.memberSocket("c")));
  assert.equal(machines(), "d");
  assert.equal(await box.states(), "d=running");
});

test("stop, rm and the text request also end it when its holder was killed", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a,b,c,d");
  const machines = () => box.processes("machine").map(({ name }) => name).sort().join();
  await box.killHolder("d");
  for (const name of ["a", "b", "c"]) Deno.removeSync(box.store.member(name).dir, { recursive: true });
  assert.equal(await box.states(), "a=orphaned b=orphaned c=orphaned d=orphaned");
  await box.ok("rm", "-f", "b");
  assert.equal(machines(), "a,c,d");
  assert.match((await box.ok("stop", "a")).stdout, /^a: stopped/m);
  assert.equal(await talk(box.store.memberSocket("c"), "stop"), "ok");
  await until("c has left", () => !exists(box.store.memberSocket("c")));
  assert.equal(machines(), "d");
  assert.equal(await box.states(), "d=running");
});

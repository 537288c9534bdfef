/** A holder that was killed in the middle of a checkpoint or a restore: the next one makes good what it left of its machines. */

import * as assert from "#assert";
import { join } from "../../src/system/path.ts";
import { identify, run } from "../../src/system/process.ts";
import { diskOf } from "../../src/store/disk.ts";
import { newLayerId, snapshotPaths } from "../../src/store/snapshots.ts";
import { QmpClient } from "../../src/vmm/qemu/qmp.ts";
import { exists } from "../../src/system/files.ts";
import { kill, until } from "../support/processes.ts";
import { type Sandbox, sandbox, test, told } from "../support/sandbox.ts";

/** Talks to the QEMU of a machine that no holder holds. */
async function withQmp<T>(box: Sandbox, name: string, talk: (qmp: QmpClient) => Promise<T>): Promise<T> {
  const qmp = await QmpClient.connect(box.store.member(name).qmpSocket);
  try {
    return await talk(qmp);
  } finally {
    qmp.close();
  }
}

const statusOf = async (qmp: QmpClient) => (await qmp.execute<{ status: string }>("query-status")).status;

/** The file that its QEMU writes to. */
async function diskOfQemu(qmp: QmpClient): Promise<string> {
  const [{ inserted }] = await qmp.execute<{ inserted: Record<string, string> }[]>("query-block");
  const nodes = await qmp.execute<Record<string, string>[]>("query-named-block-nodes", { flat: true });
  return nodes.find((node) => node["node-name"] === inserted["node-name"])!.file;
}

/** As a holder begins to save a paused machine, and gets no further. */
async function beginSave(box: Sandbox, qmp: QmpClient): Promise<void> {
  const path = join(box.root, "save.sock");
  const listener = Deno.listen({ transport: "unix", path });
  await qmp.execute("migrate", { uri: `unix:${path}` });
  using conn = await listener.accept();
  if ((await conn.read(new Uint8Array(1000))) === null) throw new Error("nothing was saved");
  listener.close();
}

test("a machine that was paused or saved when its holder was killed runs again as soon as it is adopted", async () => {
  await using box = await sandbox({ fakeQemu: { c: { save: "hang" } } });
  await box.up("a,b,c");
  const machines = box.machines();
  await box.killHolder("a");
  await withQmp(box, "a", async (qmp) => {
    await qmp.execute("stop");
    assert.equal(await statusOf(qmp), "paused");
  });
  await withQmp(box, "b", async (qmp) => {
    await qmp.execute("stop");
    await beginSave(box, qmp);
    await until("b is saved", async () => await statusOf(qmp) === "postmigrate");
  });
  await withQmp(box, "c", async (qmp) => {
    await qmp.execute("stop");
    void beginSave(box, qmp).catch(() => {});
    await until("c is being saved", async () => await statusOf(qmp) === "finish-migrate");
  });
  await box.up("a,b,c");
  assert.equal(await box.states(), "a=running b=running c=running");
  assert.deepEqual(box.machines(), machines);
  for (const name of ["a", "b", "c"]) {
    assert.match(
      box.holderLog("a"),
      new RegExp(`^.*${name}: it was paused when its holder was killed: resuming$`, "m"),
    );
    assert.equal((await box.status(name))!.stage, undefined);
  }
  await box.killHolder("a");
  for (const name of ["a", "b", "c"]) assert.equal(await withQmp(box, name, statusOf), "running", name);
  await box.ok("ls", "--repair");
  assert.equal(box.holderLog("a").match(/was paused when/g)!.length, 3, "what runs is not resumed");
});

/** As a freeze of a member's disk begins: the config is written, and the machine is still on the old file. */
async function beginFreeze(box: Sandbox, name: string): Promise<string> {
  const { store } = box;
  const [config, id] = [store.config(name)!, newLayerId()];
  const layer = snapshotPaths(store).layer(id);
  Deno.mkdirSync(snapshotPaths(store).layersDir, { recursive: true, mode: 0o700 });
  Deno.linkSync(diskOf(store, config), layer);
  const frozen = { ...config, disk_file: "disk-1.qcow2", layers: [id] };
  const disk = diskOf(store, frozen);
  await run("qemu-img", ["create", "-q", "-f", "qcow2", "-b", layer, "-F", "qcow2", disk, `${config.disk_mb}M`]);
  await store.writeConfig(frozen);
  return disk;
}

test("a machine is moved to the disk of its config, paused or running, when it is adopted, and boots from it later", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a,b");
  await box.killHolder("a");
  await withQmp(box, "a", async (qmp) => void await qmp.execute("stop"));
  const disks = { a: await beginFreeze(box, "a"), b: await beginFreeze(box, "b") };
  await box.up("a,b");
  assert.equal(await box.states(), "a=running b=running");
  await box.killHolder("a");
  for (const name of ["a", "b"] as const) assert.equal(await withQmp(box, name, diskOfQemu), disks[name]);

  await box.up("a,b"); // it is there: nothing to do
  assert.doesNotMatch(box.holderLog("a"), /earlier disk/);
  await box.ok("stop", "a");
  await box.up("a");
  assert.match(box.process("machine", "a").command, /disk-1\.qcow2/);
  assert.ok(!exists(box.store.member("a").disk), "its old name is gone; the layer has it");
});

test("a machine that cannot be moved to the disk of its config goes on, and the log says so", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  await box.killHolder("a");
  const disk = await beginFreeze(box, "a");
  Deno.renameSync(disk, `${disk}.away`);
  await box.up("a");
  assert.equal(await box.states(), "a=running");
  assert.match(box.holderLog("a"), /a: it writes to its earlier disk until it is started again: .*disk-1\.qcow2/);
  Deno.renameSync(`${disk}.away`, disk);
  await box.killHolder("a");
  await box.up("a");
  await box.killHolder("a");
  assert.equal(await withQmp(box, "a", diskOfQemu), disk);
  await box.up("a");
});

test("a machine that had not been restored when its holder was killed is ended, and started anew", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a,b");
  const before = box.process("machine", "a");
  const args = Deno.readTextFileSync(`/proc/${before.pid}/cmdline`).split("\0").slice(0, -1);
  const options = args.slice(args.findIndex((arg) => arg.endsWith("/qemu.ts")) + 1);
  await box.killHolder("a");
  await kill(before);
  const { qmpSocket, netSocket, consoleSocket } = box.store.member("a");
  for (const socket of [qmpSocket, netSocket, consoleSocket]) Deno.removeSync(socket);
  // As a restore begins.
  const restoring = new Deno.Command(box.env.FLEETBOX_QEMU, {
    args: [...options, "-S", "-incoming", "defer"],
    env: box.env,
    stdout: "null",
    stderr: "null",
  }).spawn();
  try {
    assert.equal(await withQmp(box, "a", statusOf), "inmigrate");
    await box.up("a");
    assert.match(box.holderLog("a"), /"a" had not been restored when its holder was killed; nothing ran in it yet/);
    assert.notEqual(box.process("machine", "a").pid, restoring.pid);
    assert.equal(await box.states(), "a=running b=running");
  } finally {
    const left = identify(restoring.pid);
    if (left) await kill(left);
    await restoring.status;
  }
});

test("a guest whose holder was killed before it had told it what has changed is told by the next holder", async () => {
  await using box = await sandbox({ fakeQemu: {}, fakeSsh: true });
  await box.up("a");
  await box.ok("checkpoint", "a", "--as", "seeded");
  box.behave({ "*": { renewal: "hang" } });
  const fork = box.start(["fork", "seeded", "--as", "f"]);
  await until("its guest is being told", () => box.processes("other").some(({ command }) => /ssh\.ts/.test(command)));
  const machine = box.process("machine", "f-a");
  const sessions = box.processes("other").filter(({ command }) => /ssh\.ts/.test(command));
  box.behave({});
  const holder = box.processes("holder").find(({ name }) => name === "f-a")!;
  await kill(holder);
  for (const session of sessions) await kill(session);
  await until("its guardian has adopted it", async () => (await box.ls())["f-a"]?.state === "running");
  assert.deepEqual(box.process("machine", "f-a").pid, machine.pid);
  assert.equal(box.renewals().length, 1);
  assert.deepEqual([box.renewals()[0].hostName, box.renewals()[0].isClockSet], ["a", true]);
  assert.match((await fork.done).stderr, /The holder of "f-a" ended/);

  // What had been told, or has booted, is left alone.
  await box.killHolder("f-a");
  await box.killHolder("a");
  await box.up("a");
  await box.up("f-a");
  assert.equal(box.renewals().length, 1);
});

test("a fork whose holder was killed before it went on: nothing of it runs, and the same command makes it", async () => {
  await using box = await sandbox({ fakeQemu: {}, fakeSsh: true });
  await box.up("a,b");
  await box.ok("checkpoint", "a,b", "--as", "seeded");
  for (const withGuardian of [false, true]) {
    box.behave({ "*": {}, "f-b": { incoming: "hang" } });
    const fork = box.start(["fork", "seeded", "--as", "f"]);
    await until(
      "one is loaded, the other is not",
      () =>
        box.processes("machine").filter(({ name }) => /^f-/.test(name)).length === 2 &&
        box.store.groupRecords().some(({ hypervisors }) => "f-a" in hypervisors),
    );
    const holder = box.processes("holder").find(({ name }) => name.startsWith("f-"))!;
    if (withGuardian) await kill(holder);
    else await box.killOrphaning(holder);
    const end = await fork.done;
    assert.notEqual(end.code, 0, told(end));
    box.behave({});
    const left = withGuardian ? "f-a=stopped f-b=stopped" : "f-a=orphaned f-b=orphaned";
    await until("its guardian has ended what was left", async () => (await box.states()).endsWith(left));
    const again = await box.ok("fork", "seeded", "--as", "f");
    assert.match(again.stdout, /^f-a: running .*warm/m);
    await box.ok("rm", "--force", "f-a,f-b");
  }
});

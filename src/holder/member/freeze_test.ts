import * as assert from "#assert";
import { FleetboxError } from "../../core/errors.ts";
import { exists } from "../../system/files.ts";
import { run } from "../../system/process.ts";
import { diskOf } from "../../store/disk.ts";
import { collectLayers, snapshotPaths } from "../../store/snapshots.ts";
import { addMember, withStore } from "../../store/snapshots/testing.ts";
import type { Store } from "../../store.ts";
import type { MachineSpec } from "../../vmm/contract.ts";
import { qemu } from "../../vmm/qemu/driver.ts";
import { findQemu } from "../../vmm/qemu/program.ts";
import { Workspace } from "../../../tests/fake_qemu/machine.ts";
import { driven, filesIn } from "../../../tests/support/driven_machine.ts";
import { prepareFreeze, removeOldDisks } from "./freeze.ts";

const code = (expected: string, message: RegExp) => (error: unknown) =>
  error instanceof FleetboxError && error.code === expected && message.test(error.message);

const disksOf = (store: Store) =>
  [...Deno.readDirSync(store.member("a").dir)].map(({ name }) => name).filter((name) => /^disk/.test(name)).sort();

/** A member with a real disk, as the holder has it, and the spec of its machine. */
async function memberOf(store: Store, workspace: Workspace, binary?: string) {
  const config = await addMember(store, "a", { disk_mb: 16 });
  const disk = diskOf(store, config);
  Deno.removeSync(disk);
  await run("qemu-img", ["create", "-q", "-f", "qcow2", disk, "16M"]);
  const spec: MachineSpec = { ...await workspace.spec(binary ? { binary } : {}), disk };
  return { member: { name: "a", config: store.config("a"), context: { store, driver: qemu } }, spec };
}

/** The files that a process has open. */
const opened = (pid: number) =>
  [...Deno.readDirSync(`/proc/${pid}/fd`)].flatMap(({ name }) => {
    try {
      return [Deno.readLinkSync(`/proc/${pid}/fd/${name}`)];
    } catch {
      return []; // closed meanwhile
    }
  });

Deno.test("a frozen disk is a layer, and the machine goes on with the disk of its config; what others wrote there is kept", () =>
  withStore(async (store) => {
    await using workspace = new Workspace();
    const { member, spec } = await memberOf(store, workspace);
    await using a = await driven(spec, await qemu.start(spec));
    await store.withMemberLock("a", () => store.writeConfig({ ...store.config("a")!, egress: "on" }));
    const frozen = await prepareFreeze(member);
    assert.equal(frozen.old, spec.disk);
    assert.deepEqual(store.config("a"), {
      ...member.config!,
      egress: "on",
      disk_file: "disk-1.qcow2",
      layers: [frozen.layer],
    });
    assert.equal(diskOf(store, member.config!), frozen.next, "the holder's own config has it, too");
    const options = { disk: frozen.next };
    await assert.rejects(
      a.machine.save(filesIn(workspace.path), options),
      code("conflict", /^Cannot save "a": it is running, expected paused$/),
    );
    assert.ok(!opened(a.machine.process.pid).includes(frozen.next));
    await a.machine.pause();
    await a.machine.save(filesIn(workspace.path), options);
    assert.ok(opened(a.machine.process.pid).includes(frozen.next));
    await a.machine.resume();
    assert.deepEqual(disksOf(store), ["disk-1.qcow2", "disk.qcow2"]);
    await removeOldDisks(store, "a");
    assert.deepEqual(disksOf(store), ["disk-1.qcow2"]);
    assert.ok(exists(snapshotPaths(store).layer(frozen.layer)));
    assert.deepEqual((await collectLayers(store)).removed, []);
  }));

Deno.test("a freeze that was begun and not finished is made good by the next one", () =>
  withStore(async (store) => {
    await using workspace = new Workspace();
    const { member, spec } = await memberOf(store, workspace);
    await using a = await driven(spec, await qemu.start(spec));
    const first = await prepareFreeze(member);
    const second = await prepareFreeze(member);
    assert.deepEqual(member.config!.layers, [second.layer, first.layer]);
    await a.machine.pause();
    await a.machine.moveToOverlay(second.next);
    await a.machine.resume();
    const files = opened(a.machine.process.pid);
    assert.deepEqual([first.next, second.next].map((path) => files.includes(path)), [false, true]);
    await removeOldDisks(store, "a");
    assert.deepEqual(disksOf(store), ["disk-2.qcow2"]);
  }));

Deno.test("a disk that was made and that no config names yet is removed by the next freeze; the member's own stays", () =>
  withStore(async (store) => {
    await using workspace = new Workspace();
    const { member } = await memberOf(store, workspace);
    await prepareFreeze(member);
    const { dir } = store.member("a");
    for (const number of [2, 12]) Deno.writeTextFileSync(`${dir}/disk-${number}.qcow2`, "of a killed restore");
    const { next, old } = await prepareFreeze(member);
    assert.deepEqual([old, next], [`${dir}/disk-1.qcow2`, `${dir}/disk-2.qcow2`]);
    assert.deepEqual(disksOf(store), ["disk-1.qcow2", "disk-2.qcow2"]);
  }));

Deno.test("a member that is gone is not frozen, and does not come back as a directory", () =>
  withStore(async (store) => {
    await using workspace = new Workspace();
    const { member } = await memberOf(store, workspace);
    const { config, dir } = store.member("a");
    Deno.removeSync(config);
    await assert.rejects(prepareFreeze(member), code("damaged", /./));
    Deno.removeSync(dir, { recursive: true });
    await removeOldDisks(store, "a");
    assert.ok(!exists(dir));
    await assert.rejects(prepareFreeze(member), code("not-found", /^Cannot freeze the disk of "a": it has no config$/));
    assert.equal(exists(snapshotPaths(store).layersDir), false);
  }));

Deno.test("real QEMU: a disk is frozen and its old name removed, again and again, and the machine is saved and goes on", () =>
  withStore(async (store) => {
    await using workspace = new Workspace();
    const { member, spec } = await memberOf(store, workspace, findQemu("x86_64"));
    await using a = await driven(spec, await qemu.start(spec));
    const { machine } = a;
    const layers: string[] = [];
    for (let round = 0; round < 3; round++) {
      const frozen = await prepareFreeze(member);
      const layer = snapshotPaths(store).layer(frozen.layer);
      assert.ok(await isWritten(layer));
      await machine.pause();
      await machine.save(filesIn(workspace.path, `${round}`), { disk: frozen.next });
      await machine.resume();
      await removeOldDisks(store, "a");
      assert.deepEqual([await isWritten(layer), await isWritten(frozen.next)], [false, true]);
      assert.deepEqual(disksOf(store), [`disk-${round + 1}.qcow2`]);
      layers.unshift(layer);
    }
    assert.equal((await machine.state()).kind, "running");
    await machine.kill();
    const disk = diskOf(store, member.config!);
    const chain = JSON.parse(await run("qemu-img", ["info", "--backing-chain", "--output=json", disk]));
    assert.deepEqual(chain.map(({ filename }: { filename: string }) => filename), [disk, ...layers]);
    await run("qemu-img", ["check", "-q", disk]);
    // And it starts from there.
    await (await qemu.start({ ...spec, disk })).kill();
  }));

/** Whether a QEMU writes to a disk: then nobody else may look at it. */
async function isWritten(disk: string): Promise<boolean> {
  return await run("qemu-img", ["info", disk]).then(() => false, (thrown) => {
    assert.match(String(thrown), /lock/);
    return true;
  });
}

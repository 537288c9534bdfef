import * as assert from "#assert";
import { FleetboxError } from "../../../core/errors.ts";
import { exists } from "../../../system/files.ts";
import { darwin, replaceHost } from "../../../system/os.ts";
import { isAlive } from "../../../system/process.ts";
import { Workspace } from "../../../../tests/fake_qemu/machine.ts";
import { drive, filesIn } from "../../../../tests/support/driven_machine.ts";
import { until } from "../../../../tests/support/processes.ts";
import type { MachineEvent, MachineSpec } from "../../contract.ts";
import { machineArguments } from "../arguments.ts";
import { disks } from "../disks.ts";
import { volumeOfNode } from "./disk_switch.ts";
import { qemu } from "../driver.ts";
import { machineEvent } from "../machine.ts";

const code = (expected: string, message = /./) => (error: unknown) =>
  error instanceof FleetboxError && error.code === expected && message.test(error.message);
const names = (path: string) => [...Deno.readDirSync(path)].map(({ name }) => name).sort();
const modes = (paths: string[]) => paths.map((path) => Deno.statSync(path).mode! & 0o777);
const MIB = 1024 * 1024;

/** Where a second machine may run beside the first. */
const other = (spec: MachineSpec, changes: Partial<MachineSpec> = {}): MachineSpec => ({
  ...spec,
  disk: spec.disk.replace("disk", "disk2"),
  controlSocket: `${spec.controlSocket}2`,
  netSocket: `${spec.netSocket}2`,
  consoleSocket: `${spec.consoleSocket}2`,
  ...changes,
});

Deno.test("the machine's memory is a file where the system has such, and the code buffer of emulation is bounded", async () => {
  await using workspace = new Workspace();
  const args = (spec: MachineSpec) => machineArguments(spec).join(" ");
  const spec = await workspace.spec();
  assert.match(args(spec), /-machine q35,\S*,memory-backend=pc\.ram -accel tcg,tb-size=\d+ /);
  assert.match(args(spec), / -object memory-backend-memfd,id=pc\.ram,size=64M,share=on,seal=off /);
  assert.match(args({ ...spec, accelerator: "kvm" }), / -accel kvm /);
  assert.match(
    args({ ...spec, binary: "/usr/bin/qemu-system-aarch64" }),
    /memory-backend=mach-virt\.ram .*id=mach-virt\.ram,/,
  );
  using _ = replaceHost(darwin());
  assert.doesNotMatch(args(spec), /memory-backend/);
});

Deno.test("a machine with more memory than the host has is refused, as it was before its memory was a file", async () => {
  await using workspace = new Workspace();
  const { total, swapTotal } = Deno.systemMemoryInfo();
  const spec = await workspace.spec({ memoryMiB: Math.ceil((total + swapTotal) / MIB) + 1 });
  await assert.rejects(qemu.start(spec), code("no-space", /^QEMU of "a" cannot have \d+ MiB of memory: this host has/));
});

Deno.test("a saved machine goes on in another process, with what its memory held; so does the original", async () => {
  await using workspace = new Workspace();
  const files = filesIn(workspace.path);
  await using first = await drive(await workspace.spec());
  await first.console.says(/fleetbox-micro: ssh/, 0);
  await first.console.type("remember the nonce\r");
  await first.machine.pause();
  assert.equal((await first.machine.state()).kind, "paused");
  await first.machine.save(files);
  assert.deepEqual(modes([files.devices, files.memory]), [0o600, 0o600]);
  assert.equal(Deno.statSync(files.memory).size, 64 * MIB);
  assert.ok(Deno.statSync(files.memory).blocks! * 512 < MIB, "holes are kept");
  assert.equal((await first.machine.state()).kind, "paused");
  const again = filesIn(workspace.path, "again");
  await first.machine.save(again);
  assert.ok(exists(again.devices) && exists(again.memory) && !exists(files.socket));
  await first.machine.resume();
  assert.equal((await first.machine.state()).kind, "running");

  const spec = other(first.spec);
  Deno.copyFileSync(first.spec.disk, spec.disk);
  await using second = await drive(spec, { ...again, paused: true });
  assert.equal((await second.machine.state()).kind, "paused");
  await second.machine.resume();
  const from = first.console.text.length;
  await first.console.type("remember another\rrecall\r");
  await first.console.says(/recalled "another"/, from);
  await second.console.type("recall\r");
  await second.console.says(/recalled "the nonce"/, 0);
  assert.equal((await second.machine.stop({ graceMs: 10_000 })).how, "shutdown");
});

Deno.test("only a paused machine is saved, once at a time, into files that are new, and not resumed meanwhile", async () => {
  await using workspace = new Workspace();
  using _ = workspace.behave({ a: { save: "hang" } });
  const files = filesIn(workspace.path);
  await using a = await drive(await workspace.spec());
  await assert.rejects(a.machine.save(files), code("conflict", /^Cannot save "a": it is running, expected paused$/));
  await a.machine.pause();
  Deno.writeTextFileSync(files.memory, "");
  await assert.rejects(a.machine.save(files), code("conflict", /saved\.memory exists, expected nothing there$/));
  Deno.removeSync(files.memory);
  const abort = new AbortController();
  const saving = a.machine.save(files, { signal: abort.signal });
  saving.catch(() => {});
  await until("its socket is there", () => exists(files.socket));
  await assert.rejects(a.machine.save(filesIn(workspace.path, "b")), code("conflict", /being saved/));
  await assert.rejects(a.machine.resume(), code("conflict", /^Cannot resume "a": it is being saved$/));
  await assert.rejects(a.machine.moveToOverlay("/x"), code("conflict", /being saved/));
  abort.abort(new Error("enough"));
  await assert.rejects(saving, /enough/);
  assert.deepEqual(names(workspace.path).filter((name) => /saved|save\.sock|tmp/.test(name)), []);
  assert.equal((await a.machine.state()).kind, "paused");
  await a.machine.resume();
  assert.equal((await a.machine.state()).kind, "running");
});

Deno.test("a save that fails says so in QEMU's words, and leaves the machine paused and nothing behind", async () => {
  await using workspace = new Workspace();
  using _ = workspace.behave({ a: { save: "fail" } });
  await using a = await drive(await workspace.spec());
  const before = names(workspace.path);
  await a.machine.pause();
  for (let times = 0; times < 2; times++) {
    await assert.rejects(
      a.machine.save(filesIn(workspace.path)),
      code("failed", /^Cannot save "a": QEMU did not save its devices: it was told to fail$/),
    );
  }
  assert.deepEqual(names(workspace.path), before);
  assert.equal((await a.machine.state()).kind, "paused");
  await a.machine.resume();
  const nowhere = { ...filesIn(`${workspace.path}/missing`), socket: `${workspace.path}/s` };
  await a.machine.pause();
  await assert.rejects(a.machine.save(nowhere), code("not-found", /^Cannot save "a": /));
});

Deno.test("kill() and stop() end a save, and the machine", async () => {
  for (const end of ["kill", "stop"] as const) {
    await using workspace = new Workspace();
    using _ = workspace.behave({ a: { save: "hang" } });
    const files = filesIn(workspace.path);
    await using a = await drive(await workspace.spec());
    await a.console.says(/fleetbox-micro: ssh/, 0);
    await a.machine.pause();
    const saving = a.machine.save(files);
    saving.catch(() => {});
    await until("its socket is there", () => exists(files.socket));
    const exit = end === "kill" ? await a.machine.kill() : await a.machine.stop({ graceMs: 10_000 });
    assert.equal(exit.how, end === "kill" ? "quit" : "shutdown");
    await assert.rejects(saving, code("interrupted", /"a" is stopped while it is saved/));
    assert.ok(!exists(files.devices) && !exists(files.memory) && !exists(files.socket));
  }
});

Deno.test("a machine of an earlier fleetbox cannot be saved, and the way out is told", async () => {
  await using workspace = new Workspace();
  using _ = workspace.behave({ a: { memory: "plain" } });
  await using a = await drive(await workspace.spec());
  await a.machine.pause();
  await assert.rejects(
    a.machine.save(filesIn(workspace.path)),
    (error) =>
      code("unavailable", /^"a" cannot be saved: its memory/)(error) &&
      /stop it and start it/.test((error as FleetboxError).hint!),
  );
  await a.machine.resume();
});

Deno.test("what does not fit the saved machine is refused before anything is started, and says what it is", async () => {
  await using workspace = new Workspace();
  const saved = filesIn(workspace.path);
  const spec = await workspace.spec();
  {
    await using a = await drive(spec);
    await a.machine.pause();
    await a.machine.save(saved);
  }
  const before = names(workspace.path);
  const start = (changes: Partial<MachineSpec>) => qemu.start({ ...spec, ...changes }, undefined, saved);
  await assert.rejects(
    start({ memoryMiB: 65 }),
    code("conflict", /found 65 MiB of memory, expected 64 MiB of memory$/),
  );
  await assert.rejects(start({ mac: "52:54:00:00:00:0c" }), code("conflict", /found network card 52:54:00:00:00:0c/));
  await assert.rejects(
    qemu.start(spec, undefined, filesIn(workspace.path, "none")),
    code("not-found", /none\.devices/),
  );
  {
    using _ = workspace.behave({ a: { version: "7.2.23" } });
    await assert.rejects(start({}), code("conflict", /found QEMU 7\.2\.23 .*, expected QEMU 7\.2\.22 /));
  }
  {
    using _ = replaceHost(darwin());
    await assert.rejects(start({}), code("unavailable", /cannot be saved on macOS/));
  }
  Deno.truncateSync(saved.memory, 64 * MIB - 1);
  await assert.rejects(
    start({}),
    code("damaged", /saved\.memory is damaged: it has 67108863 bytes, expected 67108864$/),
  );
  assert.deepEqual(names(workspace.path), before);
});

Deno.test("a state that cannot be loaded ends its process: nothing is left", async () => {
  await using workspace = new Workspace();
  const saved = filesIn(workspace.path);
  const spec = await workspace.spec();
  {
    await using a = await drive(spec);
    await a.machine.pause();
    await a.machine.save(saved);
  }
  const before = names(workspace.path);
  {
    using _ = workspace.behave({ a: { incoming: "fail" } });
    await assert.rejects(
      qemu.start(spec, undefined, saved),
      code("damaged", /^The saved state of "a" cannot be loaded: load of migration failed: Invalid argument$/),
    );
    assert.deepEqual(names(workspace.path), before);
  }
  using _ = workspace.behave({ a: { incoming: "hang" } });
  const abort = new AbortController();
  const starting = qemu.start(spec, abort.signal, saved);
  starting.catch(() => {});
  await until("its state is loaded", () => exists(saved.socket));
  abort.abort(new Error("enough"));
  await assert.rejects(starting, /enough/);
  assert.deepEqual(names(workspace.path), before);
});

Deno.test("a disk moves any number of times, and its errors are still told by its name", async () => {
  await using workspace = new Workspace();
  const spec = await workspace.spec();
  await using a = await drive(spec);
  const overlay = async (number: number, base: string) => {
    const path = `${workspace.path}/overlay${number}`;
    await disks.overlay(path, { disk: base, format: "qcow2" }, 16);
    return path;
  };
  const first = await overlay(1, spec.disk);
  await a.machine.moveToOverlay(first);
  await a.machine.moveToOverlay(first);
  const second = await overlay(2, first);
  await a.machine.pause();
  await a.machine.moveToOverlay(second);
  await assert.rejects(
    a.machine.moveToOverlay("/nowhere"),
    code("failed", /^Cannot move the disk of "a" to \/nowhere: /),
  );
  await a.machine.save(filesIn(workspace.path));
  await assert.rejects(a.machine.moveToOverlay(first), code("conflict", /was saved and has not run since/));
  await a.machine.resume();
  await a.machine.moveToOverlay(await overlay(3, second));

  const data = { "node-name": "disk-3", operation: "write", action: "stop", nospace: true, reason: "full" };
  const event = machineEvent({ event: "BLOCK_IO_ERROR", data }) as MachineEvent & { kind: "ioError" };
  assert.deepEqual([event.volume, event.message], ["disk", 'write on volume "disk" failed: full']);
  assert.deepEqual(["disk", "disk-12", "disk-1-file", "seed", "extra0", "disks"].map(volumeOfNode), [
    ...["disk", "disk", "disk", "seed", "extra0", "disks"],
  ]);
  assert.ok(isAlive(a.machine.process));
});

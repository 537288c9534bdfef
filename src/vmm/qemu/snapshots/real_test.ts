/**
 * Saving and restoring on real QEMU, machines without a guest: a nonce is put into their memory from outside.
 * `tests/real/snapshot_test.ts` does it with a guest that counts.
 */

import * as assert from "#assert";
import { FleetboxError } from "../../../core/errors.ts";
import { exists } from "../../../system/files.ts";
import { identify, run } from "../../../system/process.ts";
import { Workspace } from "../../../../tests/fake_qemu/machine.ts";
import { amid, filesIn } from "../../../../tests/support/driven_machine.ts";
import { until } from "../../../../tests/support/processes.ts";
import type { Machine, MachineSpec, SnapshotFiles } from "../../contract.ts";
import { findHypervisors } from "../../processes.ts";
import { disks } from "../disks.ts";
import { qemu } from "../driver.ts";
import { findQemu } from "../program.ts";
import { QmpClient } from "../qmp.ts";
import { hardwareFit } from "./fit.ts";
import { memoryFile } from "./memory.ts";
import { INCOMING } from "./restore.ts";
import { readState, receiveState } from "./saved_state.ts";

const BINARY = findQemu("x86_64");
const MIB = 1024 * 1024;
/** Where the firmware has nothing. */
const NONCE_AT = 40 * MIB;
const NONCE_BYTES = 36;

const code = (expected: string, message = /./) => (error: unknown) =>
  error instanceof FleetboxError && error.code === expected && message.test(error.message);

class Lab extends Workspace {
  #count = 0;

  /** A machine's spec, with an empty disk over `base`. */
  async machine(base?: string): Promise<MachineSpec> {
    const number = this.#count++;
    const spec = await this.spec({
      binary: BINARY,
      controlSocket: `${this.path}/${number}q`,
      netSocket: `${this.path}/${number}n`,
      consoleSocket: `${this.path}/${number}c`,
      serialLog: `${this.path}/${number}.log`,
    });
    if (base !== undefined) return { ...spec, disk: await this.overlay(base) };
    const disk = `${this.path}/${number}.first`;
    await Deno.rename(spec.disk, disk);
    return { ...spec, disk };
  }

  async overlay(base: string): Promise<string> {
    const path = `${this.path}/${this.#count++}.disk`;
    await disks.overlay(path, { disk: base, format: "qcow2" }, 16);
    return path;
  }

  files(): SnapshotFiles {
    return filesIn(this.path, `${this.#count++}`);
  }

  /** What only a save or a restore under way has. */
  leftovers(): string[] {
    return [...Deno.readDirSync(this.path)].map(({ name }) => name).filter((name) => /tmp|save\.sock/.test(name));
  }
}

const memoryOf = (machine: Machine) => memoryFile(machine.name, machine.process.pid, BINARY);

function remember(machine: Machine, nonce: string): void {
  using file = Deno.openSync(memoryOf(machine), { write: true });
  file.seekSync(NONCE_AT, Deno.SeekMode.Start);
  file.writeSync(new TextEncoder().encode(nonce));
}

function recall(machine: Machine): string {
  using file = Deno.openSync(memoryOf(machine));
  file.seekSync(NONCE_AT, Deno.SeekMode.Start);
  const bytes = new Uint8Array(NONCE_BYTES);
  file.readSync(bytes);
  return new TextDecoder().decode(bytes);
}

const isRunning = async (machine: Machine) => (await machine.state()).kind === "running";

/** Whether a QEMU writes to a disk: then nobody else may look at it. */
async function isWritten(disk: string): Promise<boolean> {
  return await run("qemu-img", ["info", disk]).then(() => false, (thrown) => {
    assert.match(String(thrown), /lock/);
    return true;
  });
}

/** As a holder takes it: the disk that it had is part of it. */
async function snapshot(lab: Lab, machine: Machine, disk: string): Promise<{ files: SnapshotFiles; overlay: string }> {
  const [files, overlay] = [lab.files(), await lab.overlay(disk)];
  await machine.pause();
  await machine.save(files, { disk: overlay });
  return { files, overlay };
}

Deno.test("real QEMU: what is in memory goes on in a copy of a copy of a copy, and in each original", async () => {
  await using lab = new Lab();
  await using stack = new AsyncDisposableStack();
  const start = async (spec: MachineSpec, files?: SnapshotFiles) => {
    const machine = await qemu.start(spec, undefined, files);
    stack.defer(async () => void await machine.kill());
    return machine;
  };
  let spec = await lab.machine();
  let machine = await start(spec);
  const nonce = crypto.randomUUID();
  remember(machine, nonce);
  for (let generation = 1; generation <= 4; generation++) {
    const { files, overlay } = await snapshot(lab, machine, spec.disk);
    assert.deepEqual([files.devices, files.memory].map((path) => Deno.statSync(path).mode! & 0o777), [0o600, 0o600]);
    assert.ok(Deno.statSync(files.memory).blocks! * 512 < 32 * MIB, "holes are kept");
    await machine.resume();
    assert.ok(await isRunning(machine));
    assert.deepEqual([await isWritten(spec.disk), await isWritten(overlay)], [false, true]);
    const copySpec = await lab.machine(spec.disk);
    const copy = await start(copySpec, files);
    assert.ok(await isRunning(copy));
    assert.equal(recall(copy), nonce);
    remember(machine, crypto.randomUUID());
    assert.equal(recall(copy), nonce, "each has its own memory");
    const events: string[] = [];
    copy.onEvent(({ kind }) => events.push(kind));
    {
      using _ = await Deno.connect({ transport: "unix", path: copySpec.netSocket });
      await until("its network card is connected", () => events.includes("netConnected"));
    }
    [machine, spec] = [copy, copySpec];
  }
});

Deno.test("real QEMU: a machine is paused for long, saved twice, adopted, saved again, and its disk moves each time", async () => {
  await using lab = new Lab();
  const spec = { ...await lab.machine(), bound: false };
  const [program, ...args] = qemu.commandLine(spec);
  const child = new Deno.Command(program, { args, stdout: "null", stderr: "null" }).spawn();
  try {
    const opener = await QmpClient.connect(spec.controlSocket);
    await opener.execute("blockdev-add", { driver: "null-co", "node-name": "disk-1" }); // an earlier move's
    opener.close();
    const machine = await qemu.adopt(spec, identify(child.pid)!);
    const nonce = crypto.randomUUID();
    remember(machine, nonce);
    const first = await snapshot(lab, machine, spec.disk);
    assert.deepEqual(await machine.state(), { kind: "paused", detail: "postmigrate" });
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    const twice = lab.files();
    await machine.save(twice);
    await machine.resume();
    assert.ok(await isRunning(machine));
    const second = await snapshot(lab, machine, first.overlay);
    await assert.rejects(machine.moveToOverlay(second.overlay), code("conflict", /was saved and has not run since/));
    await machine.resume();
    await machine.moveToOverlay(second.overlay);
    const on = await Promise.all([spec.disk, first.overlay, second.overlay].map(isWritten));
    assert.deepEqual(on, [false, false, true]);
    await assert.rejects(machine.moveToOverlay(`${lab.path}/nowhere`), code("failed", /No such file/));
    assert.deepEqual([await isWritten(second.overlay), await isRunning(machine)], [true, true]);
    const saved: [SnapshotFiles, string][] = [[first.files, spec.disk], [twice, spec.disk], [
      second.files,
      first.overlay,
    ]];
    for (const [files, disk] of saved) {
      const copy = await qemu.start(await lab.machine(disk), undefined, { ...files, paused: true });
      try {
        assert.equal((await copy.state()).kind, "paused");
        assert.equal(recall(copy), nonce);
        await copy.resume();
        assert.ok(await isRunning(copy));
      } finally {
        await copy.kill();
      }
    }
    assert.deepEqual(lab.leftovers(), []);
  } finally {
    child.kill("SIGKILL");
    await child.status;
  }
});

Deno.test("real QEMU: whatever ends a save, nothing of it is left, and the machine can be saved, resumed and stopped", async () => {
  await using lab = new Lab();
  const spec = await lab.machine();
  const machine = await qemu.start(spec);
  await machine.pause();
  let [files, abort] = [lab.files(), new AbortController()];
  const isOn = () => lab.leftovers().length > 0;
  const begin = () => {
    [files, abort] = [lab.files(), new AbortController()];
    return { work: machine.save(files, { signal: abort.signal }), isOn };
  };
  const isClean = () => !exists(files.devices) && !exists(files.memory) && lab.leftovers().length === 0;
  for (let times = 0; times < 3; times++) {
    assert.match(String(await amid(begin, () => abort.abort(new Error("enough")))), /enough/);
    assert.ok(isClean());
    assert.equal((await machine.state()).kind, "paused");
  }
  await machine.save(lab.files());
  await machine.resume();
  assert.ok(await isRunning(machine));
  await machine.pause();
  const failure = await amid(begin, () => Deno.kill(machine.process.pid, "SIGKILL"));
  assert.ok(failure instanceof FleetboxError && /^Cannot save "a": /.test(failure.message), String(failure));
  assert.equal((await machine.exited).how, "killed");
  assert.ok(isClean());
  await run("qemu-img", ["check", "-q", spec.disk]);
});

Deno.test("real QEMU: whatever ends a restore, its process is gone, and the same files can be restored", async () => {
  await using lab = new Lab();
  const original = await lab.machine();
  const machine = await qemu.start(original);
  const { files } = await snapshot(lab, machine, original.disk);
  await machine.kill();
  for (const how of ["abort", "kill"] as const) {
    const spec = await lab.machine(original.disk);
    let [abort, pid] = [new AbortController(), 0];
    const isOn = () => {
      findHypervisors(new Map([[spec.controlSocket, (found: number) => void (pid = found)]]));
      return pid !== 0 && exists(spec.controlSocket);
    };
    const failure = await amid(() => {
      [abort, pid] = [new AbortController(), 0];
      return { work: qemu.start(spec, abort.signal, files), isOn };
    }, () => how === "abort" ? abort.abort(new Error("enough")) : Deno.kill(pid, "SIGKILL"));
    if (how === "abort") assert.match(String(failure), /enough/);
    else assert.ok(code("failed", /"a"/)(failure), String(failure));
    assert.equal(identify(pid), undefined);
    assert.deepEqual([lab.leftovers(), exists(spec.controlSocket), exists(spec.netSocket)], [[], false, false]);
  }
  // A state that begins as one, and is none for QEMU.
  const spec = await lab.machine(original.disk);
  const bad = { ...lab.files(), memory: files.memory };
  Deno.writeTextFileSync(bad.devices, "");
  const pieces = [new Uint8Array(1000)];
  const nothing = {
    read: (to: Uint8Array) => Promise.resolve((to.set(pieces[0] ?? []), pieces.pop()?.length ?? null)),
  };
  await receiveState(nothing, bad.devices, {
    host: (await readState(files.devices)).host,
    hardware: hardwareFit(spec),
  });
  await assert.rejects(
    qemu.start(spec, undefined, bad),
    code("damaged", /^The saved state of "a" cannot be loaded: .*load of migration failed/),
  );
  assert.deepEqual([lab.leftovers(), exists(spec.controlSocket), exists(spec.netSocket)], [[], false, false]);
  await (await qemu.start(spec, undefined, files)).kill();
});

Deno.test({
  name: "real QEMU: a save onto a full disk says how much room it needs, leaves nothing there, and the machine goes on",
  ignore: Deno.uid() !== 0, // it mounts
  async fn() {
    await using lab = new Lab();
    const machine = await qemu.start(await lab.machine());
    const small = `${lab.path}/small`;
    Deno.mkdirSync(small);
    await run("mount", ["-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", small]);
    try {
      {
        using memory = Deno.openSync(memoryOf(machine), { write: true });
        memory.seekSync(NONCE_AT, Deno.SeekMode.Start);
        memory.writeSync(new Uint8Array(2 * MIB).fill(1));
      }
      await machine.pause();
      await assert.rejects(
        machine.save({ ...filesIn(small), socket: `${lab.path}/save.sock` }),
        code("no-space", /^Cannot save "a": no space left; its memory and devices need up to \d+ MiB$/),
      );
      assert.deepEqual([[...Deno.readDirSync(small)], lab.leftovers()], [[], []]);
      await machine.save(lab.files());
      await machine.resume();
      assert.ok(await isRunning(machine));
    } finally {
      await run("umount", [small]);
      await machine.kill();
    }
  },
});

Deno.test("real QEMU: another holder lets a machine go on whose save had not ended, and knows one that was never loaded", async () => {
  await using lab = new Lab();
  await using stack = new AsyncDisposableStack();
  const started = async (more: string[] = []) => {
    const spec = { ...await lab.machine(), bound: false };
    const [program, ...args] = qemu.commandLine(spec);
    const child = new Deno.Command(program, { args: [...args, ...more], stdout: "null", stderr: "null" }).spawn();
    stack.defer(async () => {
      try {
        child.kill("SIGKILL");
      } catch { /* it has ended */ }
      await child.status;
    });
    return { spec, child, qmp: await QmpClient.connect(spec.controlSocket) };
  };
  const { spec, child, qmp } = await started();
  await qmp.execute("stop");
  await qmp.execute("migrate-set-capabilities", { capabilities: [{ capability: "x-ignore-shared", state: true }] });
  const socket = `${lab.path}/killed.sock`;
  using listener = Deno.listen({ transport: "unix", path: socket });
  await qmp.execute("migrate", { uri: `unix:${socket}` });
  const conn = await listener.accept();
  await conn.read(new Uint8Array(1000)); // it has more to say, and answers nothing meanwhile
  qmp.close();
  conn.close();
  const machine = await qemu.adopt(spec, identify(child.pid)!);
  assert.equal((await machine.state()).kind, "paused");
  await machine.resume();
  assert.ok(await isRunning(machine));
  const { files } = await snapshot(lab, machine, spec.disk);
  assert.ok(exists(files.devices));
  await machine.resume();
  await machine.kill();

  const empty = await started(INCOMING);
  empty.qmp.close();
  const waiting = await qemu.adopt(empty.spec, identify(empty.child.pid)!);
  assert.deepEqual(await waiting.state(), { kind: "unloaded", detail: "inmigrate" });
  await waiting.kill();
});

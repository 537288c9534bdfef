/** On real QEMU, a machine without a guest. */

import * as assert from "#assert";
import { join } from "../../../core/paths.ts";
import { FleetboxError } from "../../../core/errors.ts";
import { Workspace } from "../../../../tests/fake_qemu/machine.ts";
import { disks } from "../disks.ts";
import { qemu } from "../driver.ts";
import { launch } from "../process.ts";
import { findQemu } from "../program.ts";
import { lookAtDisk, moveDisk } from "../snapshots/disk_switch.ts";
import { stopWrites } from "./cut.ts";
import { limitLog } from "./limit.ts";

const conflict = (message: RegExp) => (error: unknown) =>
  error instanceof FleetboxError && error.code === "conflict" && message.test(error.message);

/** A machine with a log of writes, or without one. */
async function started(workspace: Workspace, isLogged = true) {
  const writeLog = join(workspace.path, "disk.writes");
  Deno.writeTextFileSync(writeLog, "");
  const spec = await workspace.spec({ binary: findQemu("x86_64"), ...(isLogged ? { writeLog } : {}) });
  const { controlSocket, netSocket, consoleSocket } = spec;
  const process = await launch({
    label: "a",
    commandLine: [...qemu.commandLine(spec), "-S"],
    controlSocket,
    sockets: [netSocket, consoleSocket],
    bound: true,
  });
  return { process, writeLog, spec, [Symbol.asyncDispose]: async () => void await process.kill() };
}

Deno.test("a guest has no disk any more once its power is being cut; another holder goes on from there", async () => {
  await using workspace = new Workspace();
  await using a = await started(workspace);
  await assert.rejects(stopWrites(a.process, "a", `${a.writeLog}.other`), conflict(/not logged in .*\.other$/));
  assert.equal((await lookAtDisk(a.process)).top, "disk-log");
  await stopWrites(a.process, "a", a.writeLog);
  const { top, log } = await lookAtDisk(a.process);
  assert.deepEqual([top, log?.file], ["disk-dead", a.writeLog]);

  await moveDisk(a.process, "a", join(workspace.path, "next.qcow2"), a.writeLog); // as for any adopted machine
  await assert.rejects(stopWrites(a.process, "a", `${a.writeLog}.other`), conflict(/not logged in/));
  await stopWrites(a.process, "a", a.writeLog);
  assert.equal((await a.process.kill()).signal, "SIGKILL");
});

Deno.test("a moved disk has a log of its own, and with no name for one it has none", async () => {
  await using workspace = new Workspace();
  await using a = await started(workspace);
  await limitLog(a.process, "a", 1024 * 1024);
  const [first, second] = ["1", "2"].map((name) => join(workspace.path, `${name}.qcow2`));
  await disks.overlay(first, { disk: a.spec.disk, format: "qcow2" }, 16);
  await disks.overlay(second, { disk: first, format: "qcow2" }, 16);
  const log = `${first}.writes`;
  Deno.writeTextFileSync(log, "");
  await moveDisk(a.process, "a", first, log);
  const { top, file, log: found, names } = await lookAtDisk(a.process);
  assert.deepEqual([top, file, found?.file], ["disk-1-log", first, log]);
  assert.ok(!names.has("disk-log") && !names.has("disk-log-file"));
  await limitLog(a.process, "a", 1024 * 1024);

  await moveDisk(a.process, "a", second);
  const after = await lookAtDisk(a.process);
  assert.deepEqual([after.top, after.file, after.log], ["disk-2", second, undefined]);
  await assert.rejects(stopWrites(a.process, "a", log), conflict(/its writes are not logged$/));
  await assert.rejects(limitLog(a.process, "a", 1), conflict(/not logged/));
});

Deno.test("a machine whose writes are not logged is not cut", async () => {
  await using workspace = new Workspace();
  await using a = await started(workspace, false);
  await assert.rejects(stopWrites(a.process, "a", a.writeLog), conflict(/its writes are not logged$/));
  assert.equal((await lookAtDisk(a.process)).top, "disk");
});

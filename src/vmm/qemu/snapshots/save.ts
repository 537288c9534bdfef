/**
 * Saves a paused machine: its devices' state and its memory, at the same time, into two files. Most of that time is the
 * memory's, so its copying begins first, and the disk is moved meanwhile.
 *
 * Both are written aside and renamed when both are complete, the devices' state last: where that is, the rest is. QEMU
 * connects to a socket of ours for its part, because it may start no program (`SANDBOX`) and writes no file before 8.2.
 * Whatever fails, the machine is still paused; a migration that failed leaves it able to go on.
 */

import { unlessAborted } from "../../../core/deadline.ts";
import { FleetboxError, isNoSpace, isNotFound, messageOf } from "../../../core/errors.ts";
import { exists, removeIfThere, temporaryOf } from "../../../system/files.ts";
import type { SnapshotFiles } from "../../contract.ts";
import { checkSocketPaths } from "../arguments.ts";
import { moveDisk } from "./disk_switch.ts";
import { bytesOf, copyMemory, memoryFile, MIB } from "./memory.ts";
import { cancelMigration, finalRunState, MigrationEnd, migrationError, prepareMigration } from "./migration.ts";
import type { QemuProcess } from "../process.ts";
import { type Fit, receiveState } from "./saved_state.ts";

/** Devices' states, at most: most of it is firmware. */
const DEVICES_MIB = 8;

export interface SaveRequest {
  /** The machine in errors: `"a"`. */
  label: string;
  /** The machine's QEMU program. */
  binary: string;
  fit: Fit;
  /** The overlay that its disk is moved to, before the devices are saved. */
  disk?: string;
  /** Where the writes to that are logged. */
  writeLog?: string;
  signal?: AbortSignal;
}

/** @see Machine.save */
export async function saveMachine(qemu: QemuProcess, files: SnapshotFiles, options: SaveRequest): Promise<void> {
  const { label, binary, fit, disk, writeLog, signal } = options;
  checkSocketPaths({ socket: files.socket });
  signal?.throwIfAborted();
  for (const path of [files.devices, files.memory]) {
    if (exists(path)) {
      throw new FleetboxError("conflict", `Cannot save ${label}: ${path} exists, expected nothing there`);
    }
  }
  await ensurePaused(qemu, label);
  const memory = memoryFile(label, qemu.identity.pid, binary);
  const devicesAside = temporaryOf(files.devices);
  const memoryAside = temporaryOf(files.memory);
  const first = new AbortController(); // of two failures: the other half is ended by it
  const either = signal ? AbortSignal.any([signal, first.signal]) : first.signal;
  try {
    Deno.openSync(devicesAside, { write: true, createNew: true, mode: 0o600 }).close();
    const move = async () => {
      if (disk !== undefined) await moveDisk(qemu, label, disk, writeLog);
    };
    const halves = [
      copyMemory(memory, memoryAside, either),
      move().then(() => saveDevices(qemu, files.socket, devicesAside, fit, either)),
    ];
    for (const half of halves) half.catch((thrown) => first.abort(thrown));
    await Promise.allSettled(halves);
    either.throwIfAborted();
    await Deno.rename(memoryAside, files.memory);
    await Deno.rename(devicesAside, files.devices);
  } catch (cause) {
    removeIfThere(files.memory);
    signal?.throwIfAborted();
    throw saveError(label, memory, cause);
  } finally {
    removeIfThere(devicesAside);
    removeIfThere(memoryAside);
  }
}

/** The state of a machine that was saved and has not run since cannot be taken again: it runs for an instant. */
async function ensurePaused(qemu: QemuProcess, label: string): Promise<void> {
  const status = await finalRunState(qemu);
  if (status === "postmigrate") {
    await Promise.all([qemu.qmp.execute("cont"), qemu.qmp.execute("stop")]);
    return;
  }
  if (status === "paused" || status === "io-error") return;
  throw new FleetboxError("conflict", `Cannot save ${label}: it is ${status}, expected paused`);
}

async function saveDevices(
  qemu: QemuProcess,
  socket: string,
  path: string,
  fit: Fit,
  signal: AbortSignal,
): Promise<void> {
  removeIfThere(socket);
  const listener = Deno.listen({ transport: "unix", path: socket });
  let conn: Deno.UnixConn | undefined;
  const hangUp = () => {
    quietly(() => listener.close());
    quietly(() => conn?.close());
  };
  signal.addEventListener("abort", hangUp);
  using end = new MigrationEnd(qemu);
  let received: Promise<void> | undefined;
  let isMoving = false;
  try {
    await prepareMigration(qemu);
    received = listener.accept().then((accepted) => receiveState(conn = accepted, path, fit));
    received.catch(() => {});
    signal.throwIfAborted();
    isMoving = true;
    await qemu.qmp.execute("migrate", { uri: `unix:${socket}` });
    const broken = received.then(() => new Promise<never>(() => {}));
    const ending = await unlessAborted(Promise.race([end.promise, broken]), signal);
    isMoving = false;
    if (ending !== "completed") {
      // Ours may be the failure, which QEMU only hears of.
      quietly(() => listener.close());
      if (conn) await received;
      throw new FleetboxError("failed", `QEMU did not save its devices: ${await migrationError(qemu)}`);
    }
    await unlessAborted(received, signal);
  } finally {
    signal.removeEventListener("abort", hangUp);
    hangUp();
    await received?.catch(() => {});
    removeIfThere(socket);
    if (isMoving) await cancelMigration(qemu, end);
    if (qemu.qmp.open) await finalRunState(qemu).catch(() => {});
  }
}

function quietly(close: () => void): void {
  try {
    close();
  } catch { /* it is closed */ }
}

function saveError(label: string, memory: string, cause: unknown): FleetboxError {
  if (isNoSpace(cause) || (cause instanceof FleetboxError && cause.code === "no-space")) {
    return new FleetboxError("no-space", `Cannot save ${label}: no space left; ${needed(memory)}`, {
      cause,
      hint: "Free that much space there, and save it again",
    });
  }
  const code = cause instanceof FleetboxError ? cause.code : isNotFound(cause) ? "not-found" : "failed";
  return new FleetboxError(code, `Cannot save ${label}: ${messageOf(cause)}`, { cause });
}

function needed(memory: string): string {
  try {
    return `its memory and devices need up to ${Math.ceil(bytesOf(memory) / MIB) + DEVICES_MIB} MiB`;
  } catch {
    return "its machine has ended meanwhile";
  }
}

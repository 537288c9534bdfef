/**
 * Restores a saved machine into a QEMU that was started for it (`-S -incoming defer`): the memory first, which loading the
 * devices' state looks into, then that state.
 *
 * What does not fit, or is damaged, is found before QEMU is started as far as it can be. A QEMU that cannot load a state
 * ends; its last words are in the error.
 */

import { settles, unlessAborted } from "../../../core/deadline.ts";
import { FleetboxError, messageOf } from "../../../core/errors.ts";
import { removeIfThere, statIfThere } from "../../../system/files.ts";
import { closeQuietly, dialUnix } from "../../../system/sockets.ts";
import type { MachineSpec, SnapshotFiles } from "../../contract.ts";
import { checkSocketPaths } from "../arguments.ts";
import { lastWords } from "../exits.ts";
import { hardwareFit, hostFit, qmpBuild, refusal } from "./fit.ts";
import { fillMemory, memoryFile, MIB } from "./memory.ts";
import { MigrationEnd, prepareMigration } from "./migration.ts";
import type { QemuProcess } from "../process.ts";
import { damaged, difference, playState, readState, type SavedState } from "./saved_state.ts";

/** How long a QEMU that cannot load a state may take to say why and end. */
const LAST_WORDS_MS = 5_000;

/** What the command line of a machine that waits for its saved state has more. */
export const INCOMING = ["-S", "-incoming", "defer"];

/** Checks what can be checked without QEMU. @throws {FleetboxError} `not-found`, `damaged`, `conflict`, `unavailable` */
export async function checkSaved(spec: MachineSpec, files: SnapshotFiles): Promise<SavedState> {
  checkSocketPaths({ socket: files.socket });
  const reason = refusal(spec.accelerator);
  if (reason !== undefined) throw new FleetboxError("unavailable", reason);
  const state = await readState(files.devices);
  const differs = difference(state.hardware, hardwareFit(spec));
  if (differs) {
    throw new FleetboxError("conflict", `${labelOf(spec)} is another machine than the saved one: ${differs}`);
  }
  const size = statIfThere(files.memory)?.size;
  if (size === undefined) throw new FleetboxError("not-found", `There is no saved memory at ${files.memory}`);
  const expected = spec.memoryMiB * MIB;
  if (size !== expected) throw damaged(files.memory, `it has ${size} bytes, expected ${expected}`);
  return state;
}

/**
 * Loads it. The machine is paused then.
 * @throws {FleetboxError} `conflict`, `damaged`, `failed`; the signal's reason. QEMU is left to the caller.
 */
export async function loadMachine(
  qemu: QemuProcess,
  spec: MachineSpec,
  state: SavedState,
  files: SnapshotFiles,
  signal?: AbortSignal,
): Promise<void> {
  const differs = difference(state.host, hostFit(qmpBuild(qemu.qmp), spec.binary, spec.accelerator));
  if (differs) {
    throw new FleetboxError("conflict", `${labelOf(spec)} was saved by another hypervisor: ${differs}`, {
      hint: "Only the same hypervisor on the same kind of host can restore it; start the machine anew",
    });
  }
  const gone = new AbortController();
  qemu.exited.then(() => gone.abort(new FleetboxError("failed", "QEMU ended meanwhile")));
  const either = signal ? AbortSignal.any([signal, gone.signal]) : gone.signal;
  await fillMemory(files.memory, memoryFile(labelOf(spec), qemu.identity.pid, spec.binary), either);
  using end = new MigrationEnd(qemu);
  removeIfThere(files.socket);
  let conn: Deno.UnixConn | undefined;
  try {
    await prepareMigration(qemu);
    await qemu.qmp.execute("migrate-incoming", { uri: `unix:${files.socket}` });
    conn = await dialUnix(files.socket);
    if (!conn) throw new FleetboxError("failed", `QEMU does not listen at ${files.socket}`);
    // One that ends meanwhile breaks the connection: its last words say more than that.
    const played = playState(files.devices, conn).then(() => closeQuietly(conn!), () => {});
    const ending = await unlessAborted(end.promise, signal);
    await played;
    if (ending !== "completed") throw new FleetboxError("failed", "QEMU did not load the state");
  } catch (cause) {
    signal?.throwIfAborted();
    throw await loadError(qemu, spec, cause);
  } finally {
    if (conn) closeQuietly(conn);
    removeIfThere(files.socket);
  }
}

async function loadError(qemu: QemuProcess, spec: MachineSpec, cause: unknown): Promise<FleetboxError> {
  const isGone = await settles(qemu.exited, LAST_WORDS_MS);
  const end = isGone ? await qemu.exited : undefined;
  if (end?.signal) {
    return new FleetboxError("failed", `QEMU of ${labelOf(spec)} died of ${end.signal} while its state was loaded`, {
      cause,
    });
  }
  const words = end ? lastWords(end.tail) : messageOf(cause);
  return new FleetboxError(
    "damaged",
    `The saved state of ${labelOf(spec)} cannot be loaded: ${words || messageOf(cause)}`,
    {
      cause,
    },
  );
}

function labelOf({ name }: MachineSpec): string {
  return `"${name}"`;
}

/**
 * The ladder of a stop: ACPI power button, a bounded wait, QMP quit, SIGKILL.
 *
 * A guest that is still booting misses the button: firmware and an early kernel ignore it, and the press is forgotten.
 * So it is pressed again every second while we wait; guests that are already shutting down ignore the repetition.
 * A machine whose CPUs stand still can hear nothing and is set going first; one that stands because its disk failed is
 * tried once, and given up when the error comes again. No rung's failure ends the ladder: only the process's end does.
 */

import { startLimit } from "../../core/deadline.ts";
import type { Machine, StopOptions } from "../contract.ts";
import type { QemuProcess } from "./process.ts";

/** @internal Between two presses of the power button. */
const PRESS_AGAIN_MS = 1_000;

/** Returns when the process is gone. @throws {FleetboxError} `failed`: it cannot be killed. */
export async function stopMachine(machine: Machine, qemu: QemuProcess, options: StopOptions): Promise<void> {
  const { graceMs, onRung, signal } = options;
  if (qemu.gone) return;
  if (graceMs > 0 && !signal?.aborted && qemu.qmp.open) {
    onRung?.("acpi");
    await askGuest(machine, qemu, graceMs, signal);
  }
  if (qemu.gone) return;
  onRung?.("quit");
  await qemu.end(() => onRung?.("kill"));
}

/** Presses the button until the guest has gone, the time is over, or there is no hope. */
async function askGuest(machine: Machine, qemu: QemuProcess, graceMs: number, signal?: AbortSignal): Promise<void> {
  const over = Promise.withResolvers<void>();
  const giveUp = () => over.resolve();
  const press = () => qemu.qmp.execute("system_powerdown").catch(() => {});
  const pressing = setInterval(press, PRESS_AGAIN_MS);
  const limits = [startLimit(graceMs, giveUp)];
  signal?.addEventListener("abort", giveUp);
  if (signal?.aborted) giveUp(); // it fired while the rung was told
  let resumed = false;
  const unlisten = machine.onEvent((event) => {
    if (resumed && event.kind === "ioError" && event.stopped) giveUp();
  });
  qemu.exited.then(giveUp);
  // Without the control connection nobody can press; what has begun gets a moment to end.
  let done = false;
  qemu.qmp.closed.then(() => done || limits.push(startLimit(1_000, giveUp)));
  try {
    const state = await machine.state().catch(() => undefined);
    if (state?.kind === "paused" || state?.kind === "io-error") {
      resumed = true;
      await qemu.qmp.execute("cont").catch(() => {});
    }
    press();
    await over.promise;
  } finally {
    done = true;
    clearInterval(pressing);
    for (const endLimit of limits) endLimit();
    signal?.removeEventListener("abort", giveUp);
    unlisten();
  }
}

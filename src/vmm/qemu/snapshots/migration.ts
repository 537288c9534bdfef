/**
 * QEMU's migration, as far as saving and restoring a machine need it: a stream of device states to or from a unix socket.
 *
 * The memory is not in the stream (capability `x-ignore-shared`): it is a file that is copied beside it. The machine is
 * paused first, always: migration of a running one loses pages under TCG. How a migration ends is an event (capability
 * `events`); the run state follows a moment later, without one.
 */

import { pause, settles, startLimit } from "../../../core/deadline.ts";
import { FleetboxError } from "../../../core/errors.ts";
import type { QemuProcess } from "../process.ts";
import { asText } from "../qmp.ts";

/** How long a cancelled migration may take to end. */
const CANCEL_TIMEOUT_MS = 5_000;
/** How long the run state may lag behind the event. */
const FINAL_TIMEOUT_MS = 10_000;

export type Ending = "completed" | "failed" | "cancelled";

/** Watches for the end of the next migration. Rejects when the control connection ends. Dispose of it. */
export class MigrationEnd implements Disposable {
  readonly promise: Promise<Ending>;
  readonly #unobserve: () => void;

  constructor(qemu: QemuProcess) {
    const { promise, resolve, reject } = Promise.withResolvers<Ending>();
    promise.catch(() => {});
    this.promise = promise;
    this.#unobserve = qemu.observe(({ event, data }) => {
      if (event !== "MIGRATION") return;
      const status = asText(data.status, "");
      if (status === "completed" || status === "failed" || status === "cancelled") resolve(status);
    });
    qemu.qmp.closed.then((cause) => reject(new FleetboxError("failed", "QEMU ended meanwhile", { cause })));
  }

  [Symbol.dispose](): void {
    this.#unobserve();
  }
}

/** Sets what every migration here needs. @throws {FleetboxError} QEMU refuses */
export async function prepareMigration(qemu: QemuProcess): Promise<void> {
  const on = (capability: string) => ({ capability, state: true });
  await qemu.qmp.execute("migrate-set-capabilities", { capabilities: [on("events"), on("x-ignore-shared")] });
}

/** Why the last migration failed, in QEMU's words. */
export async function migrationError(qemu: QemuProcess): Promise<string> {
  const answer = await qemu.qmp.execute<Record<string, unknown> | undefined>("query-migrate").catch(() => undefined);
  return asText(answer?.["error-desc"], "without a reason");
}

/** Ends a migration that still goes on. */
export async function cancelMigration(qemu: QemuProcess, end: MigrationEnd): Promise<void> {
  await qemu.qmp.execute("migrate_cancel").catch(() => {});
  await settles(end.promise, CANCEL_TIMEOUT_MS);
}

/** Ends a migration that another process began. */
export async function endMigration(qemu: QemuProcess): Promise<void> {
  await qemu.qmp.execute("migrate_cancel");
  await finalRunState(qemu);
}

/** QEMU's run state, once a migration that has ended lets go of it. */
export async function finalRunState(qemu: QemuProcess): Promise<string> {
  let late = false;
  const endLimit = startLimit(FINAL_TIMEOUT_MS, () => late = true);
  try {
    for (;;) {
      const answer = await qemu.qmp.execute<{ status?: unknown } | undefined>("query-status");
      const status = asText(answer?.status, "unknown");
      if (status !== "finish-migrate" || late) return status;
      await pause(1); // the thread of the migration has yet to take QEMU's lock
    }
  } finally {
    endLimit();
  }
}

/** What is done over a connection to a machine ends with the machine, which closes no connection when it does. */

import { untilMachineEnds } from "../control/machine_end.ts";
import { FleetboxError } from "../core/errors.ts";
import type { Store } from "../store.ts";

/** How long something goes on before the machine is watched for it: most is over by then, and is as quick as without. */
const WATCH_AFTER_MS = 1_000;

/**
 * Waits for what goes on on a machine, or for the end of the machine.
 * @param what names it in the error: `exec()`.
 * @param onEnd lets go of the connection.
 * @throws {FleetboxError} `failed`: the machine ended first.
 */
export async function unlessMachineEnds<T>(
  { store, name }: { store: Store; name: string },
  what: string,
  work: Promise<T>,
  onEnd: () => Promise<void>,
): Promise<T> {
  const over = new AbortController();
  const { promise: ended, reject } = Promise.withResolvers<never>();
  let watching: Promise<void> | undefined;
  const watch = async () => {
    const end = await untilMachineEnds(store, name, over.signal);
    if (!end) return;
    const { why, cause } = end;
    reject(
      new FleetboxError("failed", `${what} was cut off: ${why}`, {
        cause,
        hint: "How far it came is unknown. Start the machine again: start()",
      }),
    );
    work.catch(() => {}); // it breaks with the connection
    await onEnd();
  };
  const timer = setTimeout(() => watching = watch(), WATCH_AFTER_MS);
  try {
    return await Promise.race([work, ended]);
  } finally {
    clearTimeout(timer);
    over.abort();
    await watching;
  }
}

/** A member's serial console, through its holder: a greeting with past output, then bytes both ways. */

import type { Store } from "../../store.ts";
import { openBytes } from "./byte_stream.ts";

/** A member's serial console. */
export interface ConsoleStream extends Disposable {
  /** The end of the past output. */
  readonly replay: Uint8Array;
  /** The next output; undefined when the machine or its holder is gone. */
  read(): Promise<Uint8Array | undefined>;
  /** Types. Waits while the guest does not read. @throws when the machine or its holder is gone. */
  write(bytes: Uint8Array): Promise<void>;
}

/**
 * Attaches to a member's serial console; a starting member is silent until its machine runs. Undefined when no holder
 * serves it.
 * @param signal closes it
 * @throws {FleetboxError} `conflict`: it has no machine; `protocol`: its holder is a version without consoles.
 */
export async function openConsole(
  store: Store,
  name: string,
  signal?: AbortSignal,
): Promise<ConsoleStream | undefined> {
  const opened = await openBytes(store, name, "console", {}, signal);
  if (!opened) return undefined;
  const { greeting, stream } = opened;
  const replay = await stream.take(greeting.replay);
  return {
    replay,
    read: () => stream.read(),
    write: (bytes) => stream.write(bytes),
    [Symbol.dispose]: () => stream[Symbol.dispose](),
  };
}

/**
 * The recorder of `fleetbox trace start`: this program in the background, until its group ends or `trace stop` ends it. Its first line
 * tells which trace it is, or why it cannot be.
 */

import { Recorder } from "../../control/recording/recorder.ts";
import { toWireError } from "../../core/errors.ts";
import { Store } from "../../store.ts";

/** What a recorder says first. */
export type Greeting = { id: string; directory: string } | { error: ReturnType<typeof toWireError> };

/** @param args a member of the group, then the command line that asked for it */
export async function runRecorder([via, ...command]: string[]): Promise<void> {
  Deno.umask(0o077);
  const stop = () => void recorder?.stop();
  let recorder: Recorder | undefined;
  for (const signal of ["SIGTERM", "SIGINT"] as const) Deno.addSignalListener(signal, stop);
  Deno.addSignalListener("SIGHUP", () => {}); // its terminal was closed
  try {
    recorder = await Recorder.begin(Store.fromEnvironment(), { via, command });
  } catch (thrown) {
    return greet({ error: toWireError(thrown) });
  }
  greet({ id: recorder.id, directory: recorder.directory });
  await recorder.done;
}

function greet(greeting: Greeting): void {
  console.log(JSON.stringify(greeting));
}

/**
 * The far end of a command that a client runs at a place without a terminal: the hidden `fleetbox __there WORDS…`. sshd
 * passes no signals on, and tells a program nothing when its client is gone. So the client's standard input is the lifeline:
 * each line names a signal, and its end is a hang-up.
 */

import { LineSplitter } from "../../core/lines.ts";
import { pause } from "../../core/deadline.ts";

const PASSED: readonly string[] = ["SIGINT", "SIGTERM", "SIGHUP"];
/** How long a command may take to end in order when its client is gone. */
const HANG_UP_MS = 4_000;
/** No line of a client is longer. */
const MAX_LINE = 64;

/** Begins to listen; does not keep the process alive. */
export function holdLifeline(): void {
  void listen();
}

async function listen(): Promise<void> {
  const lines = new LineSplitter({ max: MAX_LINE });
  try {
    for await (const piece of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
      for (const line of lines.push(piece)) if (PASSED.includes(line)) Deno.kill(Deno.pid, line as Deno.Signal);
    }
  } catch { /* as its end */ }
  Deno.kill(Deno.pid, "SIGHUP");
  await pause(HANG_UP_MS);
  Deno.exit(129);
}

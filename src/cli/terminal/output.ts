/**
 * The command line's output: results go to standard output; errors, warnings and hints to standard error.
 *
 * Writes are synchronous, so that nothing is lost when the process exits. A reader that leaves (`| head -1`) is not an
 * error: later text is discarded, and a command that would write for ever checks {@link outputClosed}.
 */

import { pause } from "../../core/deadline.ts";
import { FleetboxError, isNoSpace, messageOf } from "../../core/errors.ts";

let closed = false;
let problem: FleetboxError | undefined;

/** Whether the reader is gone. */
export function outputClosed(): boolean {
  return closed;
}

/**
 * The error of a failed write, except for a reader that left. It is reported at the end, because it must not stop the
 * command.
 */
export function outputProblem(): FleetboxError | undefined {
  return problem;
}

/** Writes to standard output, as it is. */
export function write(text: string): void {
  writeBytes(new TextEncoder().encode(text));
}

/** The same for bytes. */
export function writeBytes(bytes: Uint8Array): void {
  if (closed) return;
  try {
    closed = !writeAll(Deno.stdout, bytes);
  } catch (cause) {
    fail(cause);
  }
}

/** A reader that is gone is no error. */
function fail(cause: unknown): void {
  closed = true;
  if (isReaderGone(cause)) return;
  problem = new FleetboxError(isNoSpace(cause) ? "no-space" : "failed", "Cannot write to standard output", { cause });
}

/** One line of the command's result. */
export function say(line: string): void {
  write(line + "\n");
}

/**
 * The same for a command that goes on for ever: its caller waits while the reader is slow, and signals are heard meanwhile.
 * One at a time.
 */
export async function sayInTurn(line: string): Promise<void> {
  const bytes = new TextEncoder().encode(line + "\n");
  for (let at = 0; at < bytes.length && !closed;) {
    try {
      at += await Deno.stdout.write(bytes.subarray(at));
    } catch (cause) {
      if (cause instanceof Deno.errors.WouldBlock) await pause(5);
      else fail(cause);
    }
  }
}

/** One line on standard error. */
export function warn(line: string): void {
  try {
    writeAll(Deno.stderr, new TextEncoder().encode(line + "\n"));
  } catch { /* there is no other place to report it */ }
}

/** The version of the `--json` shapes: docs/json.md says what may change within one. */
export const JSON_VERSION = 1;

/** One JSON value on a line of its own. */
export function sayJson(value: unknown): void {
  say(JSON.stringify(value));
}

/** Whether standard output is a terminal on which lines can be updated. */
export function isLive(): boolean {
  return Deno.stdout.isTerminal() && Deno.env.get("TERM") !== "dumb";
}

/** The width of the terminal in columns; undefined when standard output is not a terminal. */
export function terminalWidth(): number | undefined {
  return Deno.stdout.isTerminal() ? terminalSize().columns : undefined;
}

/** The width of a line on standard error, if that is a terminal. */
export function errorWidth(): number | undefined {
  return Deno.stderr.isTerminal() ? terminalSize().columns : undefined;
}

/** The size of the terminal; 80 by 24 where it is unknown. */
export function terminalSize(): { columns: number; rows: number } {
  try {
    const { columns, rows } = Deno.consoleSize();
    return { columns: columns || 80, rows: rows || 24 };
  } catch {
    return { columns: 80, rows: 24 };
  }
}

/** False when the reader is gone. */
function writeAll(stream: typeof Deno.stdout, bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length;) {
    try {
      at += stream.writeSync(bytes.subarray(at));
    } catch (thrown) {
      if (isReaderGone(thrown)) return false;
      // A full non-blocking pipe: its reader is slow, not gone.
      if (!(thrown instanceof Deno.errors.WouldBlock)) throw thrown;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
  return true;
}

/** Its pipe is closed, or (EIO) its terminal. */
function isReaderGone(thrown: unknown): boolean {
  return thrown instanceof Deno.errors.BrokenPipe || /\(os error 5\)/.test(messageOf(thrown));
}

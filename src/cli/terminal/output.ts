/**
 * Where the command line writes: what a command tells goes to standard output, errors, warnings and hints to standard
 * error.
 *
 * Writes are synchronous, so that nothing is lost when the process exits. A reader that went away (`| head -1`) is no
 * error: from then on the text goes nowhere, and a command that would write for ever looks at {@link outputClosed}.
 */

import { FleetboxError, isNoSpace, messageOf } from "../../core/errors.ts";

let closed = false;
let problem: FleetboxError | undefined;

/** Whether nothing that we write arrives any more. */
export function outputClosed(): boolean {
  return closed;
}

/** What kept us from writing, other than a reader that went away: told at the end, for it must not stop what is under way. */
export function outputProblem(): FleetboxError | undefined {
  return problem;
}

/** Writes to standard output, as it is. */
export function write(text: string): void {
  writeBytes(new TextEncoder().encode(text));
}

/** The same, for what is not text. */
export function writeBytes(bytes: Uint8Array): void {
  if (closed) return;
  try {
    closed = !writeAll(Deno.stdout, bytes);
  } catch (cause) {
    closed = true;
    problem = new FleetboxError(isNoSpace(cause) ? "no-space" : "failed", "Cannot write to standard output", { cause });
  }
}

/** One line of what the command tells. */
export function say(line: string): void {
  write(line + "\n");
}

/** One line on standard error. */
export function warn(line: string): void {
  try {
    writeAll(Deno.stderr, new TextEncoder().encode(line + "\n"));
  } catch { /* there is no other place to say it */ }
}

/** The version of what `--json` prints: docs/json.md says what may change within one. */
export const JSON_VERSION = 1;

/** One JSON value on a line of its own. */
export function sayJson(value: unknown): void {
  say(JSON.stringify(value));
}

/** Whether standard output is a terminal on which lines can be drawn over. */
export function isLive(): boolean {
  return Deno.stdout.isTerminal() && Deno.env.get("TERM") !== "dumb";
}

/** The width of the terminal in columns; undefined when standard output is none. */
export function terminalWidth(): number | undefined {
  return Deno.stdout.isTerminal() ? terminalSize().columns : undefined;
}

/** What a line on standard error must fit into: the terminal's width, where it is one. */
export function errorWidth(): number | undefined {
  return Deno.stderr.isTerminal() ? terminalSize().columns : undefined;
}

/** The size of the terminal; 80 by 24 where it has none, or does not say. */
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
      if (thrown instanceof Deno.errors.BrokenPipe || isTerminalGone(thrown)) return false;
      // A pipe that somebody made non-blocking, and that is full: its reader is slow, not gone.
      if (!(thrown instanceof Deno.errors.WouldBlock)) throw thrown;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
  return true;
}

/** EIO: the terminal was closed under us. */
function isTerminalGone(thrown: unknown): boolean {
  return /\(os error 5\)/.test(messageOf(thrown));
}

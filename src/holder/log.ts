/**
 * The holder's log: its standard error, which its client pointed at `runner-<first member>.log`. One line an event, with
 * the time in front. Not a logger framework: people read it with `fleetbox logs --holder`.
 */

import { causesOf, messageOf } from "../core/errors.ts";

export function log(message: string): void {
  try {
    console.error(`${new Date().toISOString()} ${message}`);
  } catch { /* the disk is full: the machines go on, and whoever asks is still answered */ }
}

/** An error in one line, with its causes. */
export function describe(thrown: unknown): string {
  return [messageOf(thrown), ...causesOf(thrown)].join(": ").replace(/\s+/g, " ");
}

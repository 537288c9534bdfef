/**
 * The holder's log: its standard error, which its client redirected to `runner-<first member>.log`. One line for each
 * event, with the time in front. People read it with `fleetbox logs --holder`.
 */

import { causesOf, messageOf } from "../core/errors.ts";

export function log(message: string): void {
  try {
    console.error(`${new Date().toISOString()} ${message}`);
  } catch { /* the disk is full: the machines run on, and clients still get answers */ }
}

/** An error in one line, with its causes. */
export function describe(thrown: unknown): string {
  return [messageOf(thrown), ...causesOf(thrown)].join(": ").replace(/\s+/g, " ");
}

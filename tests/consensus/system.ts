/** A system that is to keep what it has acknowledged, as the campaign sees it. */

import type { Vm } from "../../mod.ts";

/** What became of a write: `unknown`, when no answer came. */
export type Outcome = "acknowledged" | "refused" | "unknown";

export interface System {
  /** What its clients connect to, in the guest. */
  port: number;
  /** Starts it on one machine of these, for the first time or again; does not wait for it. */
  start(vm: Vm, all: readonly Vm[]): Promise<void>;
  /** Writes a record, through the node behind this port of the host. */
  write(port: number, record: number): Promise<Outcome>;
  /** All records that are there, as the system as a whole says. @throws while it does not answer */
  read(ports: readonly number[]): Promise<Set<number>>;
}

/** How long a client waits for an answer. */
export const ANSWER_MS = 5_000;

/** Runs a line in the background of a guest, beyond the session. */
export async function background(vm: Vm, line: string, log: string): Promise<void> {
  await vm.exec(["sh", "-c", `cd; setsid sh -c "$1" </dev/null >>"$2" 2>&1 &`, "sh", line, log], { check: true });
}

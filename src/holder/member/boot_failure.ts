/** What a boot that does not complete leaves, and what is told of it. */

import { FleetboxError, messageOf, toWireError } from "../../core/errors.ts";
import { isAlive } from "../../system/process.ts";
import type { MachineExit } from "../../vmm/contract.ts";
import { consoleTail } from "../console/console.ts";
import { describe, log } from "../log.ts";
import type { Boot } from "./boot.ts";
import type { Member } from "./member.ts";
import { bootOf, runOf, wireState } from "./phases.ts";

/** Ends a boot that does not complete. @returns the error for its caller. */
export async function endEarly(boot: Boot, thrown: unknown): Promise<FleetboxError> {
  const { member, isAdoption } = boot;
  const { name, phases } = member;
  const { exit } = boot;
  const run = bootOf(phases.now) === boot ? runOf(phases.now) : undefined;
  // An adopted machine must not be killed because of a failure here; a stop asks its guest.
  const isKept = isAdoption && !exit;
  if (run && !isKept) await run[Symbol.asyncDispose]();
  // Tells clients that wait for a console of the end.
  if (!run || !member.console.isConnected) member.console.end();
  const { now } = phases;
  if (bootOf(now) !== boot) return new FleetboxError("conflict", `"${name}" was stopped while it was booting`);
  // We killed the machine, so an orderly end is not the cause.
  const isOurs = !exit && (boot.exit?.how === "quit" || boot.exit?.how === "killed");
  const cause = failureOf(boot, thrown, isOurs ? undefined : boot.exit);
  log(`${name}: did not come up: ${describe(cause)}`);
  const failure = toWireError(cause);
  if (now.kind === "orphaned" && isAlive(now.process)) phases.to({ kind: "orphaned", process: now.process, failure });
  else phases.to({ kind: "failed", failure, ...(run && isKept ? { run } : {}) });
  return cause;
}

function failureOf({ member, logStart }: Boot, thrown: unknown, exit: MachineExit | undefined): FleetboxError {
  const tail = lastLines(member, logStart);
  const late = thrown instanceof FleetboxError && thrown.code === "timeout";
  if (late) return new FleetboxError("timeout", thrown.message, { cause: tail, hint: thrown.hint });
  const why = exit ? new Error(`its machine ended: ${exit.message}`, { cause: tail }) : thrown;
  const wire = toWireError(exit ? new FleetboxError("failed", "") : thrown);
  return new FleetboxError(wire.code, `Cannot boot "${member.name}": ${messageOf(why)}`, {
    cause: why instanceof Error ? why.cause ?? tail : tail,
    hint: wire.hint,
  });
}

/** The last lines of a boot's console, as a cause. */
export function lastLines(member: Member, logStart: number): Error | undefined {
  const lines = consoleTail(member.paths.serialLog, logStart);
  return lines.length === 0 ? undefined : new Error(`the last lines of its console:\n${lines.join("\n")}`);
}

export function tooLate({ member, denied }: Boot, limitMs: number): FleetboxError {
  const { name, phases } = member;
  const within = `within ${limitMs / 1000} s`;
  const { now } = phases;
  if (now.kind === "paused") {
    const { message, hint } = now.pause.failure;
    return new FleetboxError("timeout", `"${name}" did not come up ${within}: ${message}`, { hint });
  }
  const { stage } = wireState(now);
  if (stage === "cloud-init") {
    const refused = denied === "" ? "" : `; SSH refused the login: ${denied}`;
    return new FleetboxError(
      "timeout",
      `"${name}" answers on its SSH port, but its cloud-init did not finish ${within}${refused}`,
      { hint: "Give it longer with --timeout, or do not wait for it: --ready ssh" },
    );
  }
  return new FleetboxError(
    "timeout",
    `"${name}" did not answer on its SSH port: it came as far as ${stage}, and no further ${within}`,
    {
      hint: `Give it longer with --timeout, or read its console: fleetbox logs ${name}`,
    },
  );
}

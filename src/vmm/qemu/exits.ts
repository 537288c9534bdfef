/**
 * Interprets QEMU's end: pure functions from plain facts to a verdict.
 *
 * QEMU's exit code is 0 for a guest's shutdown, its panic, and our own `quit`. The reason of the last SHUTDOWN event
 * distinguishes them (`ShutdownCause` in qapi/run-state.json). An adopted machine was not our child: it has no code and
 * no signal, only that reason.
 *
 * A QEMU that dies before it answers has written the reason to standard error. {@link startFailure} keeps that text,
 * and adds the kind of failure and the user's next step where they are known.
 */

import { type ErrorCode, FleetboxError } from "../../core/errors.ts";
import type { ExitKind, MachineExit } from "../contract.ts";

/** The facts of an end. */
export interface QemuEnd {
  code?: number;
  signal?: string;
  /** The last SHUTDOWN event's reason. */
  reason?: string;
  /** Whether we sent SIGKILL. */
  killedByUs?: boolean;
  /** Whether the kernel has killed it because memory ran out. */
  outOfMemory?: boolean;
  /** The last lines of its standard error; empty for an adopted machine. */
  tail: string;
}

/** The verdict on a machine's end. */
export function machineExit(end: QemuEnd): MachineExit {
  const how = exitKind(end);
  const { code, signal, reason } = end;
  return {
    how,
    ...(code === undefined ? {} : { code }),
    ...(signal === undefined ? {} : { signal }),
    ...(reason === undefined ? {} : { reason }),
    message: sentence(how, end),
  };
}

function exitKind({ code, signal, reason, killedByUs }: QemuEnd): ExitKind {
  if (signal === "SIGKILL") return "killed";
  if (signal !== undefined || (code ?? 0) !== 0) return "crashed";
  switch (reason) {
    case "guest-shutdown":
    case "guest-reset":
      return "shutdown";
    case "guest-panic":
      return "panicked";
    case "host-qmp-quit":
    case "host-signal":
    case "host-ui":
      return "quit";
    default:
      // No reason is known. Our own child with code 0 ended on purpose; an adopted process may have been killed.
      if (code !== undefined) return "quit";
      return killedByUs ? "killed" : "crashed";
  }
}

function sentence(how: ExitKind, { code, signal, reason, killedByUs, outOfMemory, tail }: QemuEnd): string {
  switch (how) {
    case "shutdown":
      return "The guest shut down";
    case "panicked":
      return "The guest's kernel panicked";
    case "quit":
      return reason === "host-signal" ? "QEMU was told to end by a signal" : "QEMU was told to quit";
    case "killed":
      if (outOfMemory) return "The kernel has killed QEMU because memory ran out: its control group's, or this host's";
      return killedByUs ? "QEMU was killed" : "QEMU was killed from outside (SIGKILL; perhaps out of memory)";
    case "crashed": {
      const words = lastWords(tail);
      const ending = signal ? `died of ${signal}` : code === undefined ? "is gone" : `ended with code ${code}`;
      return `QEMU ${ending}${words ? `: ${words}` : ", without a message"}`;
    }
  }
}

/** Known messages of a QEMU that could not start, with their code and hint. */
const FAILURES: { pattern: RegExp; code: ErrorCode; hint?: string }[] = [
  { pattern: /Failed to get (shared )?"\w+( \w+)*" lock/, code: "conflict", hint: "Another process uses this disk" },
  {
    pattern: /cannot set up guest memory|Cannot allocate memory|^memory ran out$/,
    code: "no-space",
    hint: "Use less memory (--memory), or stop other machines",
  },
  { pattern: /No space left on device/, code: "no-space" },
  {
    pattern: /Parameter 'type' does not accept value 'stream'|'stream' is not a valid|-netdev stream/,
    code: "unavailable",
    hint: "fleetbox needs QEMU 7.2 or newer",
  },
  {
    pattern: /Could not access KVM kernel module|failed to initialize kvm|invalid accelerator/,
    code: "unavailable",
    hint: "Unset FLEETBOX_ACCEL, or set FLEETBOX_ACCEL=tcg",
  },
  { pattern: /No such file or directory/, code: "not-found" },
  { pattern: /Permission denied/, code: "denied" },
  { pattern: /Image is not in \w+ format|Could not (read|open) (qcow2|backing)|invalid|corrupt/i, code: "damaged" },
];

/** The error for a QEMU that ended before it answered. `label` names it: `QEMU of "a"`. */
export function startFailure(label: string, end: QemuEnd): FleetboxError {
  const words = lastWords(end.tail) || (end.outOfMemory ? "memory ran out" : "");
  const known = FAILURES.find(({ pattern }) => pattern.test(words));
  const ending = end.signal ? `died of ${end.signal}` : `ended with code ${end.code}`;
  return new FleetboxError(
    known?.code ?? "failed",
    `${label} ${ending} at its start${words ? `: ${words}` : ", without a message"}`,
    { hint: known?.hint },
  );
}

/** The lines with the reason: at most the last five, without QEMU's path in front and without warnings. */
export function lastWords(tail: string): string {
  const lines = tail.split("\n")
    .map((line) => line.trim().replace(/^(\/\S*\/)?qemu-system-\w+: /, ""))
    .filter((line) => line !== "");
  const telling = lines.filter((line) => !/^warning: /i.test(line));
  return (telling.length > 0 ? telling : lines).slice(-5).join("; ").slice(-1000);
}

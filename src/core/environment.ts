/**
 * The environment variables of fleetbox: the one table, and the one way to read them. An empty one is as one that is not
 * set. Of a switch `1`, `true`, `yes` or any other word is on; `0`, `false`, `no`, `off` or nothing is off.
 *
 * What others define (`HOME`, `PATH`, `TMPDIR`, `TERM`, `NO_COLOR`, …) is read where it is needed. `FLEETBOX_EXEC` is set in
 * guests alone, as a mark.
 */

/** For users: what each does, as `fleetbox --help` says it. */
export const VARIABLES = {
  FLEETBOX_HOME: "the store (default: ~/.fleetbox)",
  FLEETBOX_PLACE: "the place of commands without --on (default: this host)",
  FLEETBOX_IMAGE: "the image of new members (default: micro)",
  FLEETBOX_ACCEL: "kvm, hvf or tcg, instead of what a dry run finds",
  FLEETBOX_QEMU: "the QEMU to run, a path",
  FLEETBOX_FIRMWARE: "a share directory to look for UEFI firmware in first",
  FLEETBOX_MICRO: "the directory of a built micro image",
  FLEETBOX_TEMPLATES: "the room for templates of machines, a size; 0: take none (default: 4G)",
  FLEETBOX_WRITE_LOG: "how long a log of --log-writes may become, a size (default: as the disk)",
  FLEETBOX_HELPER: "the program that runs machines for the library",
  FLEETBOX_OFFLINE: "1: never open a connection to the network",
  FLEETBOX_KEEP: "1: keep the machines of tests that failed",
  FLEETBOX_TRACE: "on, off or retain-on-failure: bundles of tests (default: the last one when CI is set)",
  FLEETBOX_TRACE_DIR: "where bundles of tests go (default: fleetbox-traces)",
  FLEETBOX_DEBUG: "what is mirrored to standard error: wire, qmp, stack",
} as const;

/** Between programs: set by a client for a command that it runs at a place, by the client that starts a holder, or by the holder that starts a guardian. */
type Internal =
  | "FLEETBOX_THERE"
  | "FLEETBOX_VIEW_PORT"
  | "FLEETBOX_OPTS"
  | "FLEETBOX_PARENT_PID"
  | "FLEETBOX_GUARDIAN"
  // At a place with an engine: the job that a process belongs to; jobs that are over; whether a command only says what it needs.
  | "FLEETBOX_JOB"
  | "FLEETBOX_ENDED_JOBS"
  | "FLEETBOX_NEEDS";

type Variable = keyof typeof VARIABLES | Internal;

let replaced: Partial<Record<Variable, string>> = {};

/**
 * Replaces variables in this thread, for tests: the process's own are shared by all test files that run side by side. An
 * empty text takes a variable away. Dispose of the result to undo it.
 */
export function replaceVariables(values: Partial<Record<Variable, string>>): Disposable {
  const before = replaced;
  replaced = { ...before, ...values };
  return { [Symbol.dispose]: () => void (replaced = before) };
}

/** A variable's value, or undefined. */
export function variable(name: Variable): string | undefined {
  return (replaced[name] ?? Deno.env.get(name)) || undefined;
}

/** Those that go with a command to a place: what the user wants, and nothing of this host. */
const FOR_PLACES = [
  "FLEETBOX_IMAGE",
  "FLEETBOX_ACCEL",
  "FLEETBOX_OFFLINE",
  "FLEETBOX_TEMPLATES",
  "FLEETBOX_WRITE_LOG",
  "FLEETBOX_DEBUG",
  "FLEETBOX_ENDED_JOBS",
] as const;

/** The variables for a command at a place, with those of others that say how output looks. */
export function variablesForPlaces(): Record<string, string> {
  const ours = FOR_PLACES.map((name) => [name, variable(name)] as const);
  const others = ["NO_COLOR", "FORCE_COLOR"].map((name) => [name, Deno.env.get(name)] as const);
  return Object.fromEntries([...ours, ...others].flatMap(([name, value]) => value ? [[name, value]] : []));
}

const OFF = ["", "0", "false", "no", "off"];

/** Whether a switch is on. */
export function isOn(name: Variable): boolean {
  return !OFF.includes((variable(name) ?? "").trim().toLowerCase());
}

/** Forbids all connections to the network. */
export const OFFLINE_VARIABLE = "FLEETBOX_OFFLINE";

export function isOffline(): boolean {
  return isOn(OFFLINE_VARIABLE);
}

/** Whether this is to be mirrored to standard error. */
export function isMirrored(what: "wire" | "qmp" | "stack"): boolean {
  return variable("FLEETBOX_DEBUG")?.split(",").includes(what) ?? false;
}

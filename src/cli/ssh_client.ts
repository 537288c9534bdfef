/**
 * Runs the system's OpenSSH programs on our own standard input, output and error.
 *
 * A machine that ends closes no connection: its packets only stop coming. So the member is watched meanwhile, and the
 * program is ended with its machine. What no event tells (a guest or a hypervisor that hangs), the program's own
 * keep-alive notices (`arguments/ssh_arguments.ts`); it says nothing then, so the reason is looked for here.
 */

import { startLimit } from "../core/deadline.ts";
import { FleetboxError, isNotFound } from "../core/errors.ts";
import { untilMachineEnds } from "../control/machine_end.ts";
import { getReport } from "../control/members.ts";
import { silentMachine } from "../control/observe.ts";
import { answersSsh } from "../guest/ssh_probe.ts";
import type { Store } from "../store.ts";
import { errorText } from "./error_text.ts";
import { warn } from "./terminal/output.ts";

/** What OpenSSH's programs end with when the connection failed, and we when it is over. */
const BROKEN = 255;
/** How long a program may take to end by itself when the machine has: the command's last words may be on their way. */
const LAST_WORDS_MS = 500;
/** How long a program may take to end when it is told to. */
const TERM_MS = 500;
/** How long an SSH server may take to say what it is. */
const PROBE_MS = 2_000;
/** How long a holder may take to answer. */
const ANSWER_MS = 2_000;

/**
 * Runs a client on members until it ends, or until the machine of one of them does.
 * @returns the client's exit code; {@link BROKEN} when the connection is over, the reason on standard error. While it runs it
 * decides about Ctrl-C; what ends us ends it.
 */
export async function runClient(
  program: "ssh" | "scp",
  args: string[],
  store: Store,
  names: readonly string[],
): Promise<number> {
  const child = spawnClient(program, args);
  const ignore = () => {};
  const pass = (signal: Deno.Signal) => () => kill(child, signal);
  Deno.addSignalListener("SIGINT", ignore);
  Deno.addSignalListener("SIGTERM", pass("SIGTERM"));
  Deno.addSignalListener("SIGHUP", pass("SIGHUP"));

  const over = new AbortController();
  let end: FleetboxError | undefined;
  let isCut = false;
  let endLimit = () => {};
  const cut = (why: FleetboxError) => {
    end = why;
    endLimit = startLimit(LAST_WORDS_MS, () => {
      isCut = true;
      kill(child, "SIGTERM");
      endLimit = startLimit(TERM_MS, () => kill(child, "SIGKILL"));
    });
  };
  for (const name of names) {
    void untilMachineEnds(store, name, over.signal).then((found) => {
      if (found && !end) cut(isOver(name, found.why, `Boot it: fleetbox up ${name}`, found.cause));
    });
  }
  const { code } = await child.status;
  over.abort();
  endLimit();
  if (!isCut && code !== BROKEN) return code;
  const why = end ?? await whyBroken(store, names);
  if (why) warn(errorText(why));
  return BROKEN;
}

function spawnClient(program: "ssh" | "scp", args: string[]): Deno.ChildProcess {
  try {
    return new Deno.Command(program, { args, stdin: "inherit", stdout: "inherit", stderr: "inherit" }).spawn();
  } catch (cause) {
    if (!isNotFound(cause)) throw new FleetboxError("failed", `Cannot start ${program}`, { cause });
    throw new FleetboxError("unavailable", `The program ${program} is not installed, or not on PATH`, {
      cause,
      hint: "Install OpenSSH's client: apt install openssh-client",
    });
  }
}

function kill(child: Deno.ChildProcess, signal: Deno.Signal): void {
  try {
    child.kill(signal);
  } catch { /* it is gone: so are we, in a moment */ }
}

/** What is wrong with the members now; undefined: nothing is, and the client has said itself what was. */
async function whyBroken(store: Store, names: readonly string[]): Promise<FleetboxError | undefined> {
  const found = await Promise.all(names.map((name) => whatIsWrong(store, name)));
  return found.find((one) => one !== undefined);
}

async function whatIsWrong(store: Store, name: string): Promise<FleetboxError | undefined> {
  try {
    const before = await getReport(store, name, ANSWER_MS);
    const answers = before?.ssh !== undefined && await answersSsh(before.ssh, new AbortController().signal, PROBE_MS);
    if (answers) return undefined;
    const report = await getReport(store, name, ANSWER_MS);
    if (report?.not_answering) return silentMachine(report);
    const { state, stage, failure } = report ?? { state: "down" };
    if (stage === "paused" && failure) return isOver(name, failure.message, failure.hint ?? `fleetbox status ${name}`);
    if (state !== "running") return isOver(name, `it is ${state}`, `See what became of it: fleetbox status ${name}`);
    return isOver(name, "its SSH server does not answer", `Look at its console: fleetbox logs ${name}`);
  } catch (thrown) {
    return thrown instanceof FleetboxError ? thrown : undefined;
  }
}

function isOver(name: string, why: string, hint: string, cause?: FleetboxError): FleetboxError {
  return new FleetboxError("failed", `The connection to "${name}" is over: ${why}`, { hint, cause });
}

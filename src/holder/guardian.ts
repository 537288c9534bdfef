/**
 * The guardian of a detached group, which brings a killed holder back.
 *
 * The holder's death ends the switch, and with it every connection between the members. So each detached holder starts
 * a shell of 2 MiB that waits on a pipe from it. If the pipe ends without a farewell, the shell becomes (exec) the same
 * program as a new holder, which adopts the group before TCP connections fail. A holder that ends in order says
 * farewell. The guardian is a session of its own; it holds no terminal, log or lock.
 *
 * A program that dies at each start must not be started for ever: each holder passes the times of deaths on to the
 * next, and after the third within a minute none is started. Bound groups have no guardian: they end with their holder.
 */

import { variable } from "../core/environment.ts";
import { FleetboxError } from "../core/errors.ts";
import { shellQuote } from "../core/quoting.ts";
import { identify, type ProcessIdentity, which } from "../system/process.ts";
import { sameExecutable } from "../system/program_info.ts";
import type { GroupRecord, Store } from "../store.ts";
import { fateOf, liveMembers, settledRecords, sweepGroups } from "../store/orphans.ts";
import { settles } from "../core/deadline.ts";
import { RUNNER_FLAG } from "../wire.ts";
import { log } from "./log.ts";

/** The environment variable of a holder that a guardian became: {@link Comeback}, JSON. */
const GUARDIAN_VARIABLE = "FLEETBOX_GUARDIAN";
/** A guardian's name in the list of processes. */
export const GUARDIAN_NAME = "fleetbox-guardian";

/** This many deaths within this many seconds end it. */
const DEATHS = 3;
const WITHIN_S = 60;
/** How long a guardian may take to leave after the farewell. */
const LEAVE_MS = 2_000;
/** How long a guardian may take to take in what it is told: one that was frozen does not hold up the group. */
const TELL_MS = 1_000;

const FAREWELL = "farewell";
/** Then the machines that may stand still when the holder is killed: `PID:START PID:START`, as Linux tells start times. */
const CONTINUE = "continue";
/**
 * The command to become, quoted for a shell, and the path of its log: in the environment, so that a search for holders
 * in the list of processes finds holders only.
 */
const COMMAND_VARIABLE = "FLEETBOX_GUARDIAN_COMMAND";
const LOG_VARIABLE = "FLEETBOX_GUARDIAN_LOG";
/** @internal */
export const SCRIPT = `
machines=
while read -r word rest; do
  case "$word" in
    ${FAREWELL}) exit 0 ;;
    ${CONTINUE}) machines=$rest ;;
  esac
done
for machine in $machines; do
  pid=$\{machine%%:*}
  if read -r stat <"/proc/$pid/stat"; then
    set -- $\{stat##*") "}
    if [ "$\{20}" = "$\{machine#*:}" ]; then kill -CONT "$pid"; fi
  fi
done 2>/dev/null
if true 2>>"$${LOG_VARIABLE}"; then exec 2>>"$${LOG_VARIABLE}"; fi
eval "set -- $${COMMAND_VARIABLE}"
unset ${LOG_VARIABLE} ${COMMAND_VARIABLE}
if ! command -v "$1" >/dev/null; then
  echo "guardian: $1 is gone, so the group has no holder; adopt it with fleetbox up" >&2
  exit 1
fi
exec "$@" </dev/null >/dev/null
`;

/** The facts that a guardian passes to the holder that it becomes. */
export interface Comeback {
  /** {@link GroupRecord.id} */
  group: string;
  /** When holders of this group died, in seconds since the host's boot, without the latest death. */
  deaths: number[];
}

/** The deaths that still count. */
export function recentDeaths(deaths: readonly number[], now: number): number[] {
  return deaths.filter((death) => now - death < WITHIN_S);
}

/** Whether one more start would be one too many. */
export function isTooMany(deaths: readonly number[], now: number): boolean {
  return recentDeaths(deaths, now).length >= DEATHS;
}

/** The facts from the guardian that became this process, if one did; the latest death is among the deaths. */
export function comebackFromEnvironment(now = Deno.osUptime()): Comeback | undefined {
  const text = variable(GUARDIAN_VARIABLE);
  if (!text) return undefined;
  Deno.env.delete(GUARDIAN_VARIABLE); // children must not inherit it
  try {
    const { group, deaths } = JSON.parse(text) as Comeback;
    if (typeof group !== "string" || !deaths.every(Number.isFinite)) throw new TypeError("it is malformed");
    return { group, deaths: [...recentDeaths(deaths, now), now] };
  } catch (cause) {
    throw new FleetboxError("misuse", `Bad ${GUARDIAN_VARIABLE}: ${text}`, { cause });
  }
}

/** The members to adopt; none when there is nothing to do, or it is not allowed: the log says which. */
export async function membersToBringBack(store: Store, { group, deaths }: Comeback): Promise<string[]> {
  const find = (records: GroupRecord[]) => records.find(({ id }) => id === group);
  const before = find(store.groupRecords());
  if (!before) return []; // it has ended meanwhile, or the store is gone
  if (isTooMany(deaths, deaths.at(-1)!)) {
    log(
      `guardian: the holder of "${before.group}" died ${DEATHS} times within a minute: not started again; ` +
        `adopt the group with fleetbox up ${before.served[0] ?? before.group}`,
    );
    return [];
  }
  log(`guardian: the holder of "${before.group}", process ${before.holder.pid}, died: adopting the group`);
  const record = find(await settledRecords(store, before.served));
  if (!record || fateOf(record) === "served") {
    log("guardian: another process has adopted it");
    return [];
  }
  if (fateOf(record) === "adopt") return liveMembers(record);
  log("guardian: its machines have ended");
  await sweepGroups(store);
  return [];
}

interface GuardianOptions {
  store: Store;
  /** {@link GroupRecord.id} */
  group: string;
  /** The holder's own `--fleetbox-runner` argument, and its first name, which names its log. */
  argument: string;
  first: string;
  /** {@link Comeback.deaths} */
  deaths: readonly number[];
  /** Called with the guardian's process; undefined: there is none. */
  onChange(guardian: ProcessIdentity | undefined): void;
}

/** The holder's end. A guardian that dies is replaced, by the same rule: three deaths within a minute end it. */
export class Guardian {
  #child: Deno.ChildProcess | undefined;
  #writer: WritableStreamDefaultWriter<Uint8Array> | undefined;
  #deaths: number[] = [];
  #isOver = false;
  /** What it was told last. */
  #told = CONTINUE;
  readonly #shell = which("dash") ?? "/bin/sh"; // dash is smaller
  readonly #command: string;

  constructor(private readonly options: GuardianOptions) {
    const { program, args } = sameExecutable();
    this.#command = [program, ...args, RUNNER_FLAG, options.argument].map(shellQuote).join(" ");
  }

  start(): void {
    const { store, group, argument, first, deaths, onChange } = this.options;
    const comeback: Comeback = { group, deaths: [...deaths] };
    let child: Deno.ChildProcess;
    try {
      child = new Deno.Command(this.#shell, {
        args: ["-c", SCRIPT, GUARDIAN_NAME, argument],
        cwd: "/",
        env: {
          FLEETBOX_HOME: store.root,
          [GUARDIAN_VARIABLE]: JSON.stringify(comeback),
          [COMMAND_VARIABLE]: this.#command,
          [LOG_VARIABLE]: store.holderLog(first),
        },
        detached: true, // a session of its own: no terminal's interrupt, and no kill of our process group, reaches it
        stdin: "piped",
        stdout: "null",
        stderr: "null",
      }).spawn();
    } catch (thrown) {
      return log(`guardian: cannot start ${this.#shell}, the group has none: ${thrown}`);
    }
    this.#child = child;
    this.#writer = child.stdin.getWriter();
    this.#writer.closed.catch(() => {}); // it died: its status reports that
    if (this.#told !== CONTINUE) void this.#tell(this.#told);
    onChange(identify(child.pid));
    void child.status.then(() => this.#onEnd(child));
  }

  /** Machines that may stand still when this process is killed: they are continued at once. Resolves when that is told. */
  async toContinue(machines: readonly ProcessIdentity[]): Promise<void> {
    const line = [CONTINUE, ...machines.map(({ pid, startTime }) => `${pid}:${startTime}`)].join(" ");
    if (line === this.#told) return;
    this.#told = line;
    await settles(this.#tell(line), TELL_MS);
  }

  async #tell(line: string): Promise<void> {
    try {
      await this.#writer?.write(new TextEncoder().encode(`${line}\n`));
    } catch { /* it has just ended */ }
  }

  /** The group ends in order. Resolves when the guardian has left. */
  async farewell(): Promise<void> {
    this.#isOver = true;
    const child = this.#child;
    if (!child) return;
    await this.#tell(FAREWELL);
    await this.#writer!.close().catch(() => {}); // it has already ended
    if (await settles(child.status, LEAVE_MS)) return;
    try {
      child.kill("SIGKILL");
    } catch { /* it has just ended */ }
  }

  #onEnd(child: Deno.ChildProcess): void {
    if (this.#isOver || this.#child !== child) return;
    this.#child = undefined;
    const now = Deno.osUptime();
    this.#deaths = [...recentDeaths(this.#deaths, now), now];
    if (!isTooMany(this.#deaths, now)) {
      log("guardian: it was killed; starting another");
      return this.start();
    }
    log(`guardian: killed ${DEATHS} times within a minute: the group has none from here on`);
    this.options.onChange(undefined);
  }
}

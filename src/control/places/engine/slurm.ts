/** Slurm as an engine: its commands, run on the place's login host. Pure: the words of the commands, and how to read what they say. */

import { shellCommand } from "../../../core/quoting.ts";
import type { EngineRecord } from "../../../store/places.ts";
import type { Engine, JobRequest, JobState } from "./engine.ts";

/** The commands that it needs on the login host. */
export const SLURM_PROGRAMS = ["sbatch", "scancel", "scontrol", "squeue", "srun"];

/** States before a job has a host that is ready. */
const QUEUED = ["PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "RESV_DEL_HOLD", "SPECIAL_EXIT"];
const RUNNING = ["RUNNING", "SUSPENDED", "RESIZING", "STOPPED"];
const ENDING = ["COMPLETING", "STAGE_OUT", "SIGNALING"];

export class Slurm implements Engine {
  constructor(private readonly record: EngineRecord) {}

  /** The words of `sbatch`, which reads the script from its standard input. */
  submission({ title, cpus, memoryMiB, log }: JobRequest): string[] {
    return [
      ...["sbatch", "--parsable", `--job-name=fleetbox-${title}`, "--no-requeue", "--nodes=1", "--ntasks=1"],
      ...[
        `--cpus-per-task=${cpus}`,
        `--mem=${memoryMiB}M`,
        `--output=${log.replaceAll("%", "%%").replace("JOB", "%j")}`,
      ],
      ...["--chdir=/", "--open-mode=append"],
      ...this.#options(),
    ];
  }

  #options(): string[] {
    const { partition, account, time } = this.record;
    return Object.entries({ partition, account, time }).flatMap(([name, value]) => value ? [`--${name}=${value}`] : []);
  }

  /** `exec` is essential: Slurm tells only its own child to end. */
  script({ command, env }: JobRequest): string {
    const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    const job = `export FLEETBOX_JOB="$SLURM_JOB_ID@${this.record.cluster}"`;
    return `#!/bin/sh\n${job}\nexec ${shellCommand(["env", ...variables, ...command])}\n`;
  }

  cancellation(id: string): string[] {
    return ["scancel", id];
  }

  /** `-u` is essential: what srun buffers by lines never gets through a handshake. */
  proxyCommand(id: string, config: string): string[] {
    const find = 'exec "$(PATH=$PATH:/usr/sbin:/sbin command -v sshd || echo sshd)" -i -f "$1"';
    return [
      ...["srun", "-u", "-Q", `--jobid=${id}`, "--overlap", "--nodes=1", "--ntasks=1", "--mem=0", "--mpi=none"],
      ...["--chdir=/", "sh", "-c", find, "sh", config],
    ];
  }

  readonly statesScript = `squeue -h -u "$(id -un)" -t all -o '%i %T %r'`;

  states(text: string): JobState[] {
    return text.split("\n").flatMap((line) => {
      const [, id, state, reason] = /^\s*(\d+) ([A-Z_]+) ?(.*)$/.exec(line) ?? [];
      return id === undefined ? [] : [{ id, phase: phaseOf(state), state, ...(isReason(reason) && { reason }) }];
    });
  }

  once(command: readonly string[]): string[] {
    return ["srun", "-u", "-Q", "--nodes=1", "--ntasks=1", "--mpi=none", "--chdir=/", ...this.#options(), ...command];
  }
}

function phaseOf(state: string): JobState["phase"] {
  if (QUEUED.includes(state)) return "queued";
  if (RUNNING.includes(state)) return "running";
  return ENDING.includes(state) ? "ending" : "ended";
}

function isReason(text: string | undefined): boolean {
  return text !== undefined && text !== "" && text !== "None" && text !== "(null)";
}

/** What Slurm writes into a job's output when a step used more memory than the job has: its state may be FAILED then. */
const OVER_MEMORY = /exceeded (job )?memory limit|oom-kill/i;

/**
 * Why a job is over, for people: its state as Slurm tells it, and what to do.
 * @param said the end of its output
 */
export function endOf(state: string | undefined, said = ""): { why: string; hint?: string } {
  switch (state) {
    case "TIMEOUT":
    case "DEADLINE":
      return {
        why: `it ran out of its time (${state})`,
        hint: "Give the place's jobs more: fleetbox place add … --time",
      };
    case "OUT_OF_MEMORY":
      return overMemory(state);
    case "NODE_FAIL":
    case "BOOT_FAIL":
      return { why: `its node failed (${state})`, hint: "When that node is down for certain, boot its members again" };
    case "CANCELLED":
    case "REVOKED":
      return { why: `it was cancelled (${state})` };
    case "PREEMPTED":
      return { why: `another job took its place (${state})` };
    case "FAILED":
      if (OVER_MEMORY.test(said)) return overMemory(state);
      return {
        why: `it failed (${state}): its holder was killed, or could not be started`,
        hint: "Is the store there on a file system that the nodes share? See: fleetbox place check",
      };
    case undefined:
      return { why: "Slurm tells no more of it" };
    default:
      return { why: `Slurm says ${state}` };
  }
}

function overMemory(state: string): { why: string; hint: string } {
  return { why: `it used more memory than it had (${state})`, hint: "Smaller machines, or fewer: --memory" };
}

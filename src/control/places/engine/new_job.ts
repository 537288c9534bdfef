/** A new job for machines: submitted, and waited for in the queue, which no limit counts. */

import { pause } from "../../../core/deadline.ts";
import { FleetboxError, messageOf } from "../../../core/errors.ts";
import { listed } from "../../../core/names.ts";
import { idOf } from "../../../store/places.ts";
import { ProcessError } from "../../../system/process.ts";
import { environmentFor } from "../known.ts";
import { type EngineAccess, jobIsOver, observeJobs } from "./access.ts";
import type { JobMachine } from "./job_machine.ts";
import { forgetJob, type Jobs, needsOf, submitJob } from "./jobs.ts";

/** How often a job that waits is asked for: at first, and at most, in milliseconds. */
const BEGIN_MS = 100;
const FIRST_MS = 500;
const MOST_MS = 15_000;

/** @returns its key @throws {FleetboxError} `unavailable`: the engine takes none such, with its words */
export async function newJob(
  { login, place, engine }: EngineAccess,
  machines: readonly JobMachine[],
): Promise<string> {
  const members = machines.map(({ name }) => name);
  const request = {
    title: members[0],
    ...needsOf(machines),
    command: [place.program, "__job"],
    env: { ...environmentFor(place), FLEETBOX_THERE: "" },
    log: `${place.store}/jobs/JOB@${place.engine!.cluster}.log`,
  };
  try {
    return await submitJob(login, place, engine, request, members);
  } catch (thrown) {
    if (!(thrown instanceof ProcessError)) throw thrown;
    const { cpus, memoryMiB } = request;
    throw new FleetboxError(
      "unavailable",
      `Slurm at "${place.name}" takes no job for ${listed(members)} (CPUs: ${cpus}, memory: ${memoryMiB} MiB): ${
        thrown.stderr || messageOf(thrown)
      }`,
      {
        hint:
          `Smaller machines, or fewer? Its partition, account and time are those of: fleetbox place add ${place.name} ${place.url} --partition …`,
      },
    );
  }
}

interface Wait {
  /** Whose abort ends the wait; the job is the caller's to cancel then. */
  signal: AbortSignal;
  /** Jobs, looked at then or later, by `performance.now()`. @default looks at each call */
  look?: (notBeforeMs: number) => Promise<Jobs>;
  /** @param reason why it waits, in the engine's word */
  onQueued?: (id: string, reason: string | undefined) => void;
}

/**
 * Returns when the job has a host, with the jobs that there are then.
 * @throws {FleetboxError} `failed`: the job is over before it ran; the signal's reason
 */
export async function untilRunning(
  at: EngineAccess,
  key: string,
  members: readonly string[],
  { signal, look = () => observeJobs(at), onQueued = () => {} }: Wait,
): Promise<Jobs> {
  const submittedMs = performance.now();
  for (let waitMs = BEGIN_MS;; waitMs = Math.min(MOST_MS, Math.max(FIRST_MS, waitMs * 1.5))) {
    const jobs = await look(Math.max(submittedMs, performance.now() - waitMs / 2));
    signal.throwIfAborted();
    const job = jobs.live.find((one) => one.key === key);
    if (job && job.phase !== "queued" && job.phase !== "ending") return jobs;
    if (!job || job.phase === "ending") {
      const state = jobs.ended.find((one) => one.key === key)?.state;
      await forgetJob(at.login, at.place, key);
      throw jobIsOver({ id: idOf(key), members, state });
    }
    onQueued(job.id, job.reason);
    await pause(waitMs, signal).catch(() => {});
    signal.throwIfAborted();
  }
}

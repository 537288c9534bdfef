/**
 * `up` at a place with an engine: asks fleetbox there what the command needs, submits a job for that, waits in the queue, and then
 * runs the command in the job.
 */

import { pause } from "../../../core/deadline.ts";
import { FleetboxError, hintOf, messageOf } from "../../../core/errors.ts";
import { listed } from "../../../core/names.ts";
import { commandThere, type PlaceConnection } from "../../../control/places/connection.ts";
import { cancelJob, forgetJob, lookAtJobs, needsOf, submitJob } from "../../../control/places/engine/jobs.ts";
import { endOf } from "../../../control/places/engine/slurm.ts";
import { jobPaths } from "../../../store/places.ts";
import { ProcessError } from "../../../system/process.ts";
import { bringFiles } from "../files.ts";
import { environmentFor } from "../../../control/places/known.ts";
import { runAt, tellOfPorts } from "../there.ts";
import { Interrupt } from "../../terminal/interrupt.ts";
import { warn } from "../../terminal/output.ts";
import type { AtEngine } from "./run.ts";
import { QueueProgress } from "./queue.ts";

/** How often a job that waits is asked for: at first, and at most, in milliseconds. */
const FIRST_MS = 500;
const MOST_MS = 15_000;

interface Needs {
  members: { name: string; cpus: number; memory_mb: number }[];
}

/** @returns the exit code */
export async function upInJob(at: AtEngine, words: readonly string[]): Promise<number> {
  const { login, place, engine } = at;
  const brought = await bringFiles(login, place, words);
  const needs = await needsThere(login, at, brought.words, brought.env);
  if (typeof needs === "number") return needs;
  const members = needs.members.map(({ name }) => name);
  const key = await submit(at, members, needs);
  const id = key.split("@")[0];
  try {
    await untilRunning(at, key, members, words.includes("--json"));
  } catch (thrown) {
    await cancelJob(login, place, engine, key).catch(() => {});
    throw thrown;
  }
  let code: number;
  try {
    const connection = await at.connect(key);
    tellOfPorts(place, words);
    code = await runAt(connection, place, brought.words, { env: { ...brought.env, FLEETBOX_JOB: key } });
  } catch (thrown) {
    if (await isIdle(at, key)) await cancelJob(login, place, engine, key).catch(() => {});
    throw thrown;
  }
  if (code !== 0 && await isIdle(at, key)) {
    await cancelJob(login, place, engine, key).catch((thrown) => warn(`cannot end job ${id}: ${messageOf(thrown)}`));
  }
  return code;
}

/** What the command would start, as fleetbox beside the store there says; a number: its exit code, when it is refused. */
async function needsThere(
  login: PlaceConnection,
  { place }: AtEngine,
  words: readonly string[],
  env: Record<string, string>,
): Promise<Needs | number> {
  try {
    const variables = { ...environmentFor(place), ...env, FLEETBOX_NEEDS: "1" };
    const text = await login.command(commandThere(place, variables, words));
    return JSON.parse(text.trim().split("\n").at(-1) ?? "") as Needs;
  } catch (thrown) {
    if (!(thrown instanceof ProcessError) || thrown.exitCode === 255) throw thrown;
    warn(thrown.stderr);
    return thrown.exitCode;
  }
}

async function submit({ login, place, engine }: AtEngine, members: string[], needs: Needs): Promise<string> {
  const machines = needs.members.map(({ cpus, memory_mb: memoryMiB }) => ({ cpus, memoryMiB }));
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

/** @throws {FleetboxError} `interrupted`; `failed`: the job is over before it ran */
async function untilRunning(at: AtEngine, key: string, members: readonly string[], json: boolean): Promise<void> {
  const id = key.split("@")[0];
  using interrupt = new Interrupt(() => `left at once; the job waits on, and ends by itself: ${id}`);
  using progress = new QueueProgress(members, json);
  for (let waitMs = 100;; waitMs = Math.min(MOST_MS, Math.max(FIRST_MS, waitMs * 1.5))) {
    const jobs = await lookAtJobs(at.login, at.place, at.engine);
    interrupt.signal.throwIfAborted();
    const job = jobs.live.find((one) => one.key === key);
    if (job && job.phase !== "queued" && job.phase !== "ending") return;
    if (!job || job.phase === "ending") {
      const state = jobs.ended.find((one) => one.key === key)?.state;
      await forgetJob(at.login, at.place, key);
      throw jobIsOver(id, members, state);
    }
    progress.queued(id, job.reason);
    await pause(waitMs, interrupt.signal).catch(() => {});
    interrupt.signal.throwIfAborted();
  }
}

export function jobIsOver(id: string, members: readonly string[], state: string | undefined): FleetboxError {
  const { why, hint } = endOf(state);
  return new FleetboxError("failed", `Job ${id} of ${listed(members)} is over: ${why}`, { hint });
}

/** Whether nothing in the job serves anything. */
async function isIdle({ login, place, engine }: AtEngine, key: string): Promise<boolean> {
  const { live } = await lookAtJobs(login, place, engine);
  return live.some((job) => job.key === key && job.serves.length === 0);
}

/** Tells of jobs that ended other than in order, once. */
export async function tellOfEnds(
  { login, place }: AtEngine,
  jobs: Awaited<ReturnType<typeof lookAtJobs>>,
): Promise<void> {
  for (const { key, id, state, members } of jobs.ended) {
    const error = jobIsOver(id, members, state);
    const { log } = jobPaths(place.store, key);
    const said = state === "FAILED" ? await login.shell('tail -n 3 "$1" 2>/dev/null || :', [log]) : "";
    const words = said.trim().split("\n").filter(Boolean).map((line) => `\n  ${line}`).join("");
    warn(`fleetbox: ${error.message}${words}${hintOf(error) ? `\n  try: ${hintOf(error)}` : ""}`);
    await forgetJob(login, place, key);
  }
}

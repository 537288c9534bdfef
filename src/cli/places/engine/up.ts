/**
 * `up` at a place with an engine: asks fleetbox there what the command needs, submits a job for that, waits in the queue, and then
 * runs the command in the job.
 */

import { hintOf, messageOf } from "../../../core/errors.ts";
import { commandThere, jsonIn, type PlaceConnection } from "../../../control/places/connection.ts";
import { jobIsOver, lastWordsOf } from "../../../control/places/engine/access.ts";
import { cancelJob, forgetJob, type Jobs, lookAtJobs } from "../../../control/places/engine/jobs.ts";
import { newJob, untilRunning } from "../../../control/places/engine/new_job.ts";
import { idOf } from "../../../store/places.ts";
import { ProcessError } from "../../../system/process.ts";
import { bringFiles } from "../files.ts";
import { environmentFor } from "../../../control/places/known.ts";
import { runAt, tellOfPorts } from "../run_there.ts";
import { Interrupt } from "../../terminal/interrupt.ts";
import { warn } from "../../terminal/output.ts";
import type { AtEngine } from "./run.ts";
import { QueueProgress } from "./queue.ts";

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
  const key = await newJob(at, needs.members.map(({ memory_mb: memoryMiB, ...one }) => ({ ...one, memoryMiB })));
  const id = idOf(key);
  try {
    await inQueue(at, key, members, words.includes("--json"));
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
    return jsonIn(await login.command(commandThere(place, variables, words))) as Needs;
  } catch (thrown) {
    if (!(thrown instanceof ProcessError) || thrown.exitCode === 255) throw thrown;
    warn(thrown.stderr);
    return thrown.exitCode;
  }
}

/** @throws {FleetboxError} `interrupted`; `failed`: the job is over before it ran */
async function inQueue(at: AtEngine, key: string, members: readonly string[], json: boolean): Promise<void> {
  using interrupt = new Interrupt(() => `left at once; the job waits on, and ends by itself: ${idOf(key)}`);
  using progress = new QueueProgress(members, json);
  const onQueued = (id: string, reason: string | undefined) => progress.queued(id, reason);
  await untilRunning(at, key, members, { signal: interrupt.signal, onQueued });
}

/** Whether nothing in the job serves anything. */
async function isIdle({ login, place, engine }: AtEngine, key: string): Promise<boolean> {
  const { live } = await lookAtJobs(login, place, engine);
  return live.some((job) => job.key === key && job.serves.length === 0);
}

/** Tells of jobs that ended other than in order, once. */
export async function tellOfEnds(
  { login, place }: AtEngine,
  jobs: Jobs,
): Promise<void> {
  for (const job of jobs.ended) {
    const said = await lastWordsOf(login, place, job);
    const error = jobIsOver(job, said);
    const words = said.split("\n").filter(Boolean).map((line) => `\n  ${line}`).join("");
    warn(`fleetbox: ${error.message}${words}${hintOf(error) ? `\n  try: ${hintOf(error)}` : ""}`);
    await forgetJob(login, place, job.key);
  }
}

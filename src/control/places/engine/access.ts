/** A place with an engine, as a client here uses it: what it knows of the jobs there, and its connections to them. */

import { Limit, pause } from "../../../core/deadline.ts";
import { FleetboxError } from "../../../core/errors.ts";
import { listed } from "../../../core/names.ts";
import {
  idOf,
  jobDirectories,
  jobDirectory,
  jobPaths,
  type Place,
  removePlaceDirectory,
} from "../../../store/places.ts";
import type { Store } from "../../../store.ts";
import { ProcessError } from "../../../system/process.ts";
import type { PlaceConnection } from "../connection.ts";
import type { Engine } from "./engine.ts";
import { jobConnection } from "./job_connection.ts";
import { type EndedJob, type Jobs, lookAtJobs } from "./jobs.ts";
import { endOf } from "./slurm.ts";

/** How long a job that ends may take to have ended, and how often it is looked at. */
const ENDING_MS = 30_000;
const ENDING_EVERY_MS = 500;

export interface EngineAccess {
  /** This host's. */
  store: Store;
  place: Place;
  engine: Engine;
  /** The connection to the place's address, where the store and the engine's commands are. */
  login: PlaceConnection;
}

/**
 * Looks at the jobs, and removes what is here of connections to those that are over.
 * @throws {FleetboxError} `unavailable`: the engine does not answer
 */
export async function observeJobs({ login, place, engine, store }: EngineAccess, signal?: AbortSignal): Promise<Jobs> {
  // Those that are there before the jobs are looked at: another client may connect to a new one meanwhile.
  const directories = jobDirectories(store, place.name);
  let jobs: Jobs;
  try {
    jobs = await lookAtJobs(login, place, engine, signal);
  } catch (thrown) {
    if (!(thrown instanceof ProcessError)) throw thrown;
    throw new FleetboxError(
      "unavailable",
      `Slurm at "${place.name}" does not answer: ${thrown.stderr || thrown.message}`,
      {
        hint: `See: fleetbox place check ${place.name}`,
      },
    );
  }
  const known = jobs.live.map(({ key }) => jobDirectory(place.name, key));
  for (const dir of directories) {
    if (!known.includes(dir)) await removePlaceDirectory(store, dir);
  }
  return jobs;
}

/** Not open yet. @param inOrder whether its end in order is told, too, as the reason why it is over */
export async function connectionTo(
  at: EngineAccess,
  key: string,
  { inOrder = false }: { inOrder?: boolean } = {},
): Promise<PlaceConnection> {
  const connection = await jobConnection(at.store, at.place, at.login, at.engine, key);
  connection.explain = async () => {
    const why = await whyOver(at, key);
    return why === "in order"
      ? inOrder ? new FleetboxError("failed", `Job ${idOf(key)} is over: its last member has ended`) : undefined
      : why;
  };
  return connection;
}

/** The last lines of a failed job's output, which may tell why; else nothing. */
export async function lastWordsOf(login: PlaceConnection, place: Place, { key, state }: EndedJob): Promise<string> {
  if (state !== "FAILED") return "";
  return (await login.shell('tail -n 3 "$1" 2>/dev/null || :', [jobPaths(place.store, key).log])).trim();
}

/** @param said the end of its output */
export function jobIsOver({ id, members, state }: Omit<EndedJob, "key">, said = ""): FleetboxError {
  const { why, hint } = endOf(state, said);
  return new FleetboxError("failed", `Job ${id} of ${listed(members)} is over: ${why}`, { hint });
}

/** Why the connection to a job is over, when that is because the job is. */
async function whyOver(
  { login, place, engine }: EngineAccess,
  key: string,
): Promise<FleetboxError | "in order" | undefined> {
  using limit = new Limit(ENDING_MS);
  for (;;) {
    const { live, ended } = await lookAtJobs(login, place, engine);
    const over = ended.find((one) => one.key === key);
    if (over) return jobIsOver(over, await lastWordsOf(login, place, over));
    const job = live.find((one) => one.key === key);
    if (!job) return "in order";
    if (job.phase !== "ending" || limit.signal.aborted) return undefined;
    await pause(ENDING_EVERY_MS); // how it ends is known when it has
  }
}

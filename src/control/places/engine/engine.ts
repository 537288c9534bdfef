/**
 * An engine chooses the host for each group of a place: a cluster's scheduler. It is asked for four things, and everything else is
 * the code of a place that is a host: the job is the place.
 *
 * | it has to | Slurm |
 * | --- | --- |
 * | submit a script, with CPUs and memory | `sbatch` |
 * | cancel a job | `scancel` |
 * | give a command that is an SSH server's end, in the job | `srun --overlap … sshd -i` |
 * | tell the state of all jobs at once | `squeue` |
 */

import type { Place } from "../../../store/places.ts";
import { Slurm } from "./slurm.ts";

/** What a job is asked for. */
export interface JobRequest {
  /** For people. */
  title: string;
  cpus: number;
  memoryMiB: number;
  /** The program that runs in it, with its arguments, and variables for it. */
  command: string[];
  env: Record<string, string>;
  /** Where what it says goes; `JOB` in it is its id. */
  log: string;
}

/** A job that an engine knows. */
export interface JobState {
  id: string;
  /** `ending`: it was told to, and its processes may still run. */
  phase: "queued" | "running" | "ending" | "ended";
  /** The engine's own word for it. */
  state: string;
  /** Why it waits, in the engine's own word; or why it has ended. */
  reason?: string;
}

/** Everything is words for the host of the place's address, and how to read what they print. */
export interface Engine {
  /** Words that submit the script that they read, and print the job's id. */
  submission(request: JobRequest): string[];
  script(request: JobRequest): string;
  /** Words that end a job, in order where it runs. */
  cancellation(id: string): string[];
  /** A command whose input and output are an SSH server's, in the job. @param config of the server */
  proxyCommand(id: string, config: string): string[];
  /** A shell script which prints the state of each job of this user; {@link states} reads it. */
  readonly statesScript: string;
  states(text: string): JobState[];
  /** Words that run a command as a job of its own, on a host that the engine chooses, and end with it. */
  once(command: readonly string[]): string[];
}

/** Undefined: the place is a host. */
export function engineOf(place: Pick<Place, "engine">): Engine | undefined {
  return place.engine && new Slurm(place.engine);
}

/**
 * A place whose engine chooses the host for each group: a cluster. A group is a job, which waits in the queue, and then is a
 * place of its own (`job_home.ts`). What is asked without a group is asked beside the store, on the host of the place's address.
 */

import { connectionTo, type EngineAccess, observeJobs } from "../../control/places/engine/access.ts";
import { engineOf } from "../../control/places/engine/engine.ts";
import { cancelJob } from "../../control/places/engine/jobs.ts";
import { type JobMachine, jobMachine } from "../../control/places/engine/job_machine.ts";
import { newJob, untilRunning } from "../../control/places/engine/new_job.ts";
import { SharedLook } from "../../control/places/engine/shared_look.ts";
import type { Store } from "../../store.ts";
import type { Place } from "../../store/places.ts";
import type { ProcessIdentity } from "../../system/process.ts";
import type { MemberReport } from "../../wire.ts";
import { interrupted } from "../group.ts";
import { Slots } from "../ssh/semaphore.ts";
import type { Group, GroupRequest } from "./home.ts";
import { JobHome } from "./job_home.ts";
import { PlaceHome, tellOfTrace } from "./place_home.ts";

/** How many jobs are submitted, or connected to, at once: a login host takes few sessions of one connection (ten by default). */
const AT_ONCE = 8;

export class EngineHome extends PlaceHome {
  readonly #at: EngineAccess;
  readonly #look: SharedLook;
  readonly #slots = new Slots(AT_ONCE);

  /** @param local the store of this host, in which the place is known */
  constructor(local: Store, place: Place) {
    super(local, place);
    this.#at = { store: local, place, engine: engineOf(place)!, login: this.connection };
    this.#look = new SharedLook(() => observeJobs(this.#at));
  }

  /** Submits a job for the group, waits in the queue, and boots it there. The job ends with the group. */
  override async open(request: GroupRequest): Promise<{ group: Group; reports: MemberReport[] }> {
    const { names, signal = new AbortController().signal } = request;
    tellOfTrace(this.place.name);
    try {
      signal.throwIfAborted();
      await this.connection.open({ quietly: true, signal });
      const machines = await this.#machines(request);
      const options = await this.brought(request.options);
      const key = await this.#inTurn(() => newJob(this.#at, machines), signal);
      try {
        const look = (notBeforeMs: number) => this.#look.since(notBeforeMs);
        const { endedKeys } = await untilRunning(this.#at, key, names, { signal, look });
        const connection = await this.#inTurn(async () => {
          const connection = await connectionTo(this.#at, key);
          await connection.open({ quietly: true, signal });
          return connection;
        }, signal);
        const env = { FLEETBOX_JOB: key, FLEETBOX_ENDED_JOBS: endedKeys.join(",") };
        return await new JobHome(this, this.local, this.place, { key, connection, env }).openGroup(request, options);
      } catch (thrown) {
        await cancelJob(this.connection, this.place, this.#at.engine, key).catch(() => {}); // the first error says more
        throw thrown;
      }
    } catch (thrown) {
      throw signal.aborted ? interrupted(names, signal) : thrown;
    }
  }

  async #inTurn<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const free = await this.#slots.take(signal);
    try {
      return await work();
    } finally {
      free();
    }
  }

  /** What the job is asked for. */
  async #machines({ names, options, existing }: GroupRequest): Promise<JobMachine[]> {
    const saved = options.snapshot && await this.checkpoint(options.snapshot.checkpoint);
    return await Promise.all(names.map(async (name) => {
      const config = existing === "reuse" ? await this.config(name) : undefined;
      return jobMachine({ name, ...(config && { stored: { name, config } }) }, options, saved);
    }));
  }

  /** The library beside the store has it: no job runs on for a checkpoint. */
  override async holdCheckpoint(name: string): Promise<ProcessIdentity | undefined> {
    await super.holdCheckpoint(name);
    try {
      return await this.call("hold", { name });
    } catch (thrown) {
      await this.letGoOf(name);
      throw thrown;
    }
  }
}

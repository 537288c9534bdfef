/**
 * A command for a place with an engine: finds the job of the members that it names, and does there what is done at any place. What
 * names none that runs is done on the host of the place's address, beside the store; what starts machines gets a job (`up.ts`).
 */

import { replaceVariables } from "../../../core/environment.ts";
import { FleetboxError } from "../../../core/errors.ts";
import { isName } from "../../../core/names.ts";
import type { PlaceConnection } from "../../../control/places/connection.ts";
import { connectionTo, type EngineAccess, observeJobs as lookHere } from "../../../control/places/engine/access.ts";
import { engineOf } from "../../../control/places/engine/engine.ts";
import { cancelJob, type Jobs } from "../../../control/places/engine/jobs.ts";
import { openPlaceStore, proxyCommand } from "../../../control/places/place_client.ts";
import type { Place } from "../../../store/places.ts";
import type { Store } from "../../../store.ts";
import { say, sayJson } from "../../terminal/output.ts";
import type { Kind } from "../commands.ts";
import { useCurrentPlace } from "../current.ts";
import { whyNotReached } from "../says.ts";
import { runWithFiles } from "../run_there.ts";
import { useListing } from "../listing_source.ts";
import { namesAtLogin, viewsAtEngine } from "./list.ts";
import { namesIn, wayOf } from "./route.ts";
import { tellOfEnds, upInJob } from "./up.ts";

/** A place with an engine, and what is done at it. */
export interface AtEngine extends EngineAccess {
  /** Connects to a job. @throws {FleetboxError} `unavailable` */
  connect(key: string, options?: { quietly?: boolean; signal?: AbortSignal }): Promise<PlaceConnection>;
  /** Runs a command in a job, and returns its exit code. */
  runIn(
    connection: PlaceConnection,
    key: string,
    words: readonly string[],
  ): Promise<number>;
}

export function atEngine(store: Store, place: Place, login: PlaceConnection): AtEngine {
  const access = { store, place, engine: engineOf(place)!, login };
  return {
    ...access,
    async connect(key, options) {
      const connection = await connectionTo(access, key, { inOrder: true });
      await connection.open(options);
      return connection;
    },
    runIn: (connection, key, words) => runWithFiles(connection, place, words, { FLEETBOX_JOB: key }),
  };
}

/** The jobs, and what fleetbox there has to know of those that are over. @throws {FleetboxError} `unavailable` */
export async function observeJobs(at: AtEngine, signal?: AbortSignal): Promise<Jobs> {
  const jobs = await lookHere(at, signal);
  void replaceVariables({ FLEETBOX_ENDED_JOBS: jobs.endedKeys.join(",") }); // until this command ends
  return jobs;
}

/** Runs a command. @returns its exit code; undefined: it is to run here, as a client of members there */
export async function runAtEngine(
  store: Store,
  place: Place,
  login: PlaceConnection,
  words: readonly string[],
  kind: Kind,
): Promise<number | undefined> {
  const at = atEngine(store, place, login);
  const jobs = await observeJobs(at);
  await tellOfEnds(at, jobs);
  if (["ls", "ps", "list"].includes(words[0])) {
    if (words.includes("--repair")) {
      throw new FleetboxError(
        "unavailable",
        `fleetbox ls --repair --on ${place.name}: in a job machines end with their holder`,
        {
          hint: "Leave --repair out: there is nothing to adopt.",
        },
      );
    }
    useCurrentPlace({ name: place.name, store: login.shadow, proxy: "" });
    useListing(() => viewsAtEngine(at, jobs));
    return undefined;
  }
  const way = wayOf(words, jobs.live, place.name);
  if (kind === "client") {
    if (way.step !== "job") {
      useCurrentPlace({ name: place.name, store: login.shadow, proxy: "" });
      throw await notServed(place, words);
    }
    const connection = await at.connect(way.job.key);
    const shadow = await openPlaceStore(place, connection);
    const env = { FLEETBOX_JOB: way.job.key };
    useCurrentPlace({ name: place.name, store: shadow, proxy: proxyCommand(connection), connection, env });
    return undefined;
  }
  switch (way.step) {
    case "login":
      if (words[0] === "view") throw await notServed(place, words); // a page of what runs
      return await runWithFiles(login, place, words);
    case "submit":
      return await upInJob(at, words);
    case "job":
      return await at.runIn(await at.connect(way.job.key), way.job.key, words);
    case "each": {
      let code = 0;
      for (const { key, id, members } of way.cancel) {
        await cancelJob(login, place, at.engine, key);
        for (const name of members) {
          const message = `${name} waits no more: job ${id} is cancelled`;
          if (words.includes("--json")) sayJson({ event: "note", message });
          else say(message);
        }
      }
      // Members that were to be made when their job began do not exist.
      const cancelled = way.cancel.flatMap(({ members }) => members);
      const stored = cancelled.length > 0 ? await namesAtLogin(at) : [];
      const isGone = (word: string) => cancelled.includes(word) && !stored.includes(word);
      for (const { job, words: given } of way.parts) {
        const words = job ? given : given.filter((word) => !isGone(word));
        if (!words.slice(1).some((word) => word === "--all" || !word.startsWith("-")) && words.length < given.length) {
          continue;
        }
        const one = job
          ? await at.runIn(await at.connect(job.key), job.key, words)
          : await runWithFiles(login, place, words);
        code ||= one;
      }
      return code;
    }
  }
}

/** Why a client cannot reach a member: what fleetbox there says of it. */
async function notServed(place: Place, words: readonly string[]): Promise<FleetboxError> {
  const end = words.indexOf("--");
  const named = words.slice(1, end < 0 ? undefined : end).map(namesIn)
    .filter((names) => names.length > 0 && names.every(isName));
  for (const name of named.slice(0, words[0] === "exec" ? 1 : undefined).flat()) {
    const why = await whyNotReached(place.name, name);
    if (why) return why;
  }
  return new FleetboxError("not-found", `No job at "${place.name}" serves what fleetbox ${words[0]} names`, {
    hint: `See: fleetbox ls --on ${place.name}`,
  });
}

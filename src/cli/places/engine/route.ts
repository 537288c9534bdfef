/**
 * Where a command for a place with an engine runs: in the job that serves the members it names, in several jobs one after the
 * other, or on the host of the place's address, beside the store, when none of them runs. Pure.
 */

import { FleetboxError } from "../../../core/errors.ts";
import { listed } from "../../../core/names.ts";
import type { Job } from "../../../control/places/engine/jobs.ts";

export type Way =
  | { step: "login" }
  | { step: "job"; job: Job }
  /** The same for some members each. `cancel`: those whose job waits. */
  | { step: "each"; parts: { job?: Job; words: string[] }[]; cancel: Job[] }
  /** Machines are to be started, and no job has them. */
  | { step: "submit" };

/** Commands that start machines, and so need a job. */
const STARTS = ["up", "start", "fork", "restore"];
/** Commands that are done job by job. */
const EACH = ["stop", "rm", "remove"];
/** Commands that follow a whole group when they name no member. */
const OF_A_GROUP = ["events", "stats", "capture", "view", "faults", "heal", "exec", "ssh-config", "fault"];
/** What starts machines where it runs, and cannot choose a job. */
const REFUSED: { words: RegExp; hint: string }[] = [
  { words: /^restart /, hint: "Bring them up: fleetbox up --on PLACE NAME" },
  {
    words: /^image build /,
    hint: "Build it here, and name its directory: fleetbox image build … --output DIR; up --image DIR",
  },
  { words: /^trace replay /, hint: "Replay it on a host: here, or at an ssh:// place" },
];

/** @throws {FleetboxError} `conflict`: it is not clear which job; `unavailable`: it cannot be done at such a place */
export function wayOf(words: readonly string[], jobs: readonly Job[], place: string): Way {
  const end = words.indexOf("--");
  const before = end < 0 ? words : words.slice(0, end);
  const [command = ""] = before;
  const line = `${before.join(" ")} `;
  if (command === "image" || command === "prune" || command === "doctor") {
    refuse(line, place);
    return { step: "login" };
  }
  const named = namedJobs(before, jobs);
  if (EACH.includes(command)) return eachOf(words, before, named, jobs, place);
  const waiting = named.find(({ phase }) => phase === "queued" || phase === "starting");
  if (waiting) throw waits(waiting, place);
  if (named.length === 1) return { step: "job", job: named[0] };
  if (named.length > 1) throw several(command, named, place);
  if (STARTS.includes(command)) return { step: "submit" };
  refuse(line, place);
  const serving = jobs.filter(({ phase }) => phase === "serving");
  const isOfAGroup = OF_A_GROUP.includes(command) && !before.slice(1).some((word) => /^[a-z]/.test(word));
  if (!isOfAGroup || serving.length === 0) return { step: "login" };
  if (serving.length === 1) return { step: "job", job: serving[0] };
  throw several(command, serving, place);
}

function refuse(line: string, place: string): void {
  const found = REFUSED.find(({ words }) => words.test(line));
  if (!found) return;
  throw new FleetboxError(
    "unavailable",
    `fleetbox ${line.split(" ")[0]} --on ${place}: it would start machines beside the store, not in a job`,
    { hint: found.hint.replaceAll("PLACE", place) },
  );
}

/** `a`, `a,b`, `a:path`: the members that a word names, if it is one. */
export function namesIn(word: string): string[] {
  return word.startsWith("-") ? [] : word.replace(/:.*$/s, "").split(",");
}

function jobOf(name: string, jobs: readonly Job[]): Job | undefined {
  return jobs.find(({ serves }) => serves.includes(name)) ??
    jobs.find(({ phase, members }) => phase !== "ending" && members.includes(name));
}

function namedJobs(words: readonly string[], jobs: readonly Job[]): Job[] {
  const found = words.slice(1).flatMap(namesIn).map((name) => jobOf(name, jobs)).filter((job) => job !== undefined);
  return [...new Set(found)];
}

function eachOf(
  words: readonly string[],
  before: readonly string[],
  named: readonly Job[],
  jobs: readonly Job[],
  place: string,
): Way {
  const isAll = before.includes("--all");
  const wanted = new Set(before.slice(1).flatMap(namesIn));
  const chosen = isAll ? jobs.filter(({ phase }) => phase !== "ending") : named;
  const cancel = chosen.filter(({ phase }) => phase === "queued");
  for (const { id, members } of isAll ? [] : cancel) {
    if (members.every((name) => wanted.has(name))) continue;
    throw new FleetboxError("conflict", `${listed(members)} wait in one job, ${id}: expected all of them, or none`, {
      hint: `fleetbox stop --on ${place} ${members.join(" ")}`,
    });
  }
  const starting = chosen.find(({ phase }) => phase === "starting");
  if (starting) throw waits(starting, place);
  const serving = chosen.filter(({ phase }) => phase === "serving");
  const flags = before.slice(1).filter((word) => word.startsWith("-") && word !== "--all");
  const ofJobs = serving.map((job) => {
    const names = isAll ? job.serves : [...wanted].filter((name) => jobOf(name, jobs) === job);
    return { job, words: [before[0], ...flags, ...names] };
  });
  const rest = [...wanted].filter((name) => jobOf(name, jobs) === undefined);
  const removes = before[0] !== "stop";
  if (removes) rest.push(...cancel.flatMap(({ members }) => isAll ? [] : members));
  const ofRest = isAll && removes
    ? [{ words: [...words] }]
    : rest.length > 0 || (ofJobs.length === 0 && cancel.length === 0)
    ? [{ words: rest.length > 0 ? [before[0], ...flags, ...rest] : [...words] }]
    : [];
  return { step: "each", parts: [...ofJobs, ...ofRest], cancel };
}

export function waits({ id, phase, reason, members }: Job, place: string): FleetboxError {
  const how = phase === "queued"
    ? `waits in the queue as job ${id}${reason ? ` (${reason})` : ""}`
    : `is being started in job ${id}`;
  return new FleetboxError("conflict", `${listed(members)} ${how}`, {
    hint: `Take it out of the queue: fleetbox stop --on ${place} ${members.join(" ")}`,
  });
}

function several(command: string, jobs: readonly Job[], place: string): FleetboxError {
  const told = jobs.map(({ id, serves, members }) => `job ${id} (${(serves.length > 0 ? serves : members).join(",")})`);
  return new FleetboxError(
    "conflict",
    `fleetbox ${command} --on ${place} is for members of one job, found ${listed(told)}`,
    {
      hint: command === "events"
        ? "It follows one job. Of single members: fleetbox logs -f NAME"
        : "Name members of one of them.",
    },
  );
}

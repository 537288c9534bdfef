/**
 * The jobs of a place with an engine: which there are, whose members they have, and which are over.
 *
 * Nothing is believed that can be observed. Whether a job lives is the engine's word; which members it serves is in their
 * holders' claims in the store there, which name the job. A record beside them has the members of a job that waits, and stays
 * when a job ended other than in order, so that the next command can tell why.
 */

import { isName } from "../../../core/names.ts";
import { shellCommand } from "../../../core/quoting.ts";
import { idOf, jobPaths, type Place } from "../../../store/places.ts";
import { isHostIdentity } from "../../../system/this_host.ts";
import { ProcessError } from "../../../system/process.ts";
import type { PlaceConnection } from "../connection.ts";
import { type Engine, type JobRequest, type JobState } from "./engine.ts";

/** A job that waits, or whose processes may run. */
export interface Job {
  /** `<id>@<cluster>`, as claims name it. */
  key: string;
  id: string;
  /** `starting`: it runs, and no holder has been started in it yet; `ending`: all of them have ended, or it was told to. */
  phase: "queued" | "starting" | "serving" | "ending";
  /** Why it waits. */
  reason?: string;
  /** The members that holders in it serve. */
  serves: string[];
  /** The members that it was submitted for. */
  members: string[];
}

/** A job that is over, and did not end in order. */
export interface EndedJob {
  key: string;
  id: string;
  /** In the engine's word; undefined: it knows the job no more. */
  state?: string;
  members: readonly string[];
}

export interface Jobs {
  live: Job[];
  ended: EndedJob[];
  /** The keys of all jobs that are over and that something in the store names. */
  endedKeys: string[];
}

/** What a job needs for these machines: the sum of theirs, what their hypervisors have beside it, and their holder. */
export function needsOf(machines: readonly { cpus: number; memoryMiB: number }[]): { cpus: number; memoryMiB: number } {
  const sum = (of: (machine: { cpus: number; memoryMiB: number }) => number) =>
    machines.reduce((total, machine) => total + of(machine), 0);
  return { cpus: sum(({ cpus }) => cpus), memoryMiB: HOLDER_MIB + sum(({ memoryMiB }) => memoryMiB + MACHINE_MIB) };
}

/** A holder, its gateway, what starts it, and a few clients. */
const HOLDER_MIB = 512;
/** A hypervisor beside its guest's memory, with what emulation keeps of translated code. */
const MACHINE_MIB = 160;

/** The engine is asked last: a job that was submitted meanwhile is not taken for one that is over. */
function lookScript(engine: Engine): string {
  return `umask 077; mkdir -p "$1" && cd "$1" || exit 1
    for f in jobs/*.json; do
      [ -e "$f" ] || continue
      on=off; [ ! -e "\${f%.json}.on" ] || on=on
      printf 'record %s %s ' "$(basename "$f" .json)" "$on"; cat "$f"; echo
    done
    for f in clusters/*/*/host; do
      [ -e "$f" ] || continue
      d=\${f%/host}; printf 'claim %s ' "\${d##*/}"; cat "$f" 2>/dev/null; echo
    done
    grep -ho '"job":"[^"]*"' run/*.json 2>/dev/null | sort -u | sed 's/^/group /'
    jobs=$(${engine.statesScript}) || exit 1
    printf 'jobs\\n%s\\n' "$jobs"`;
}

/** Looks at all jobs at once. @throws {ProcessError} the engine does not answer */
export async function lookAtJobs(
  connection: PlaceConnection,
  place: Place,
  engine: Engine,
  signal?: AbortSignal,
): Promise<Jobs> {
  return jobsOf(await connection.shell(lookScript(engine), [place.store], signal), place.engine!.cluster, engine);
}

/** Reads what the script prints. Pure. */
export function jobsOf(text: string, cluster: string, engine: Engine): Jobs {
  const [, store, states = ""] = /^([^]*?)^jobs$([^]*)/m.exec(text) ?? ["", text];
  const known = new Map(engine.states(states).map((state) => [`${state.id}@${cluster}`, state]));
  const records = new Map<string, { members: string[]; isServing: boolean }>();
  const claims = new Map<string, string[]>();
  const named = new Set<string>();
  for (const line of store.split("\n")) {
    const [, kind, name, rest] = /^(record|claim) (\S+) (.*)$/.exec(line) ?? [];
    if (kind === "record") {
      records.set(name, { members: membersIn(rest.replace(/^\w+ /, "")), isServing: rest.startsWith("on ") });
    } else if (kind === "claim") {
      const job = jobIn(rest);
      if (job !== undefined) claims.set(job, [...claims.get(job) ?? [], name]);
    }
    const group = /^group "job":"(.*)"$/.exec(line)?.[1];
    if (group !== undefined) named.add(group);
  }
  for (const key of [...records.keys(), ...claims.keys()]) named.add(key);
  const ours = [...named].filter((key) => key.endsWith(`@${cluster}`));
  const isLive = (key: string) => (known.get(key)?.phase ?? "ended") !== "ended";
  const live = ours.filter(isLive).map((key) => liveJob(key, known.get(key)!, records.get(key), claims.get(key) ?? []));
  const endedKeys = ours.filter((key) => !isLive(key));
  const ended = endedKeys.filter((key) => records.has(key)).map((key) => {
    const state = known.get(key)?.state;
    return { key, id: idOf(key), ...(state && { state }), members: claims.get(key) ?? records.get(key)!.members };
  });
  return { live, ended, endedKeys };
}

function liveJob(
  key: string,
  { phase, reason }: JobState,
  record: { members: string[]; isServing: boolean } | undefined,
  serves: string[],
): Job {
  const base = { key, id: idOf(key), serves, members: record?.members ?? [] };
  if (phase === "queued") return { ...base, phase, ...(reason && { reason }) };
  if (phase !== "running") return { ...base, phase: "ending" };
  if (serves.length > 0) return { ...base, phase: "serving" };
  return { ...base, phase: record && !record.isServing ? "starting" : "ending" };
}

function membersIn(text: string): string[] {
  try {
    const { members } = JSON.parse(text) as { members?: unknown };
    return Array.isArray(members) ? members.filter(isName) : [];
  } catch {
    return [];
  }
}

function jobIn(text: string): string | undefined {
  try {
    const host: unknown = JSON.parse(text);
    return isHostIdentity(host) ? host.job : undefined;
  } catch {
    return undefined; // it was taken away at this moment
  }
}

/** Submits a job. @returns its key @throws {ProcessError} with the engine's own words */
export async function submitJob(
  connection: PlaceConnection,
  place: Place,
  engine: Engine,
  request: JobRequest,
  members: readonly string[],
): Promise<string> {
  const { cluster } = place.engine!;
  const script = `set -e; umask 077; mkdir -p "$1/jobs"
    id=$(printf %s "$2" | ${shellCommand(engine.submission(request))}); id=\${id%%;*}
    record="$1/jobs/$id@$4"
    printf '%s\\n' "$3" >"$record.tmp"; mv "$record.tmp" "$record.json"; echo "job $id"`;
  const text = await connection.shell(script, [
    place.store,
    engine.script(request),
    JSON.stringify({ members }),
    cluster,
  ]);
  const id = /^job (\d+)$/m.exec(text)?.[1];
  if (id === undefined) throw new ProcessError("sbatch", 0, null, `it printed no job's id: ${JSON.stringify(text)}`);
  return `${id}@${cluster}`;
}

/** Ends a job, and forgets it. */
export async function cancelJob(connection: PlaceConnection, place: Place, engine: Engine, key: string): Promise<void> {
  await connection.shell(`${shellCommand(engine.cancellation(idOf(key)))} 2>/dev/null; :`);
  await forgetJob(connection, place, key);
}

/** Removes the files of a job that is over. */
export async function forgetJob(connection: PlaceConnection, place: Place, key: string): Promise<void> {
  await connection.shell('rm -f "$@"', Object.values(jobPaths(place.store, key)));
}

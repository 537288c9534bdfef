/**
 * Places: hosts that the user's own OpenSSH reaches, on which commands can run instead of here. One file each, and beside it a
 * directory, a store of its own form that has only what a client here needs: the key of the place's members and, in `run`,
 * sockets that lead to theirs.
 *
 *     places/<name>.json    what it is
 *     places/<name>.<job>/  the same of one job of a place with an engine
 *     places/<name>/        ctl, the socket of the one connection; id_ed25519; run/<h>.sock, forwarded
 *                           ports.json, ports of this host that lead there, and ctl-p, the connection that leads them
 */

import { FleetboxError, isNotFound, messageOf } from "../core/errors.ts";
import { isName } from "../core/names.ts";
import { join } from "../core/paths.ts";
import { makeDirectory, namesIn, removeIfThere, storeError, writeDurably } from "../system/files.ts";
import { digestOf, Store } from "../store.ts";

/** The word for this host, where a place can be named. */
export const HERE = "here";
/** Its directory is part of the path of sockets, which must be short. */
export const MAX_PLACE_NAME = 20;

/** A place, as its file has it. */
export interface Place {
  name: string;
  /** As the user gave it: `ssh://[user@]host[:port]`, or `slurm://…`. */
  url: string;
  /** What chooses a host there for each group. Absent: the place is a host. */
  engine?: EngineRecord;
  /** The store there, absolute. */
  store: string;
  /** fleetbox there, and its digest (SHA-256). */
  program: string;
  digest: string;
  /** What it calls itself: `fleetbox 0.1.0 (4f2c9e1a7b3d)`. */
  version: string;
  /** `Linux x86_64`, as uname says it. */
  system: string;
  added_at: string;
}

/** What a place's engine is asked for, as the user gave it, and what it said of itself. */
export interface EngineRecord {
  kind: "slurm";
  /** Its name: what else reads that store may be of another one. */
  cluster: string;
  /** The user there. */
  user: string;
  partition?: string;
  account?: string;
  time?: string;
}

/** The paths of a place. */
export interface PlacePaths {
  record: string;
  dir: string;
  /** The socket of the one connection. */
  control: string;
  lock: string;
  /** Ports of this host that lead there, their lock, and the socket of their connection. */
  ports: string;
  portsLock: string;
  portsControl: string;
}

/** What clients on other hosts brought to this store: files that their commands name, by their digests. */
export function broughtDir(root: string): string {
  return join(root, "brought");
}

export function placesDir(store: Store): string {
  return join(store.root, "places");
}

export function placePaths(store: Store, name: string): PlacePaths {
  const dir = join(placesDir(store), name);
  return {
    ...{ record: `${dir}.json`, dir, control: join(dir, "ctl"), lock: join(dir, ".lock") },
    ...{ ports: join(dir, "ports.json"), portsLock: join(dir, ".ports-lock"), portsControl: join(dir, "ctl-p") },
  };
}

/** The name itself. @throws {FleetboxError} `misuse` */
export function checkPlaceName(name: string): string {
  if (name === HERE) {
    throw new FleetboxError("misuse", `"${HERE}" is the word for this host, expected another name for a place`);
  }
  if (isName(name) && name.length <= MAX_PLACE_NAME) return name;
  throw new FleetboxError(
    "misuse",
    `Not a place's name: ${JSON.stringify(name)}; expected 1 to ${MAX_PLACE_NAME} of a-z, 0-9 and "-"`,
    { hint: "For example: fleetbox place add big ssh://me@host" },
  );
}

/** The names of all places. */
export function placeNames(store: Store): string[] {
  const names = namesIn(placesDir(store)).filter((file) => file.endsWith(".json")).map((file) => file.slice(0, -5));
  return names.filter(isName).sort();
}

/** A place, or undefined when there is none of that name. @throws {FleetboxError} `damaged` */
export function readPlace(store: Store, name: string): Place | undefined {
  const { record } = placePaths(store, checkPlaceName(name));
  let problem: unknown = "it is not a place's record";
  try {
    const value = JSON.parse(Deno.readTextFileSync(record));
    if (isPlace(value)) return { ...value, name };
  } catch (thrown) {
    if (isNotFound(thrown)) return undefined;
    problem = thrown;
  }
  throw new FleetboxError("damaged", `The place "${name}" cannot be read from ${record}: ${messageOf(problem)}`, {
    hint: `Remove it, and add it again: fleetbox place rm ${name}`,
  });
}

const TEXTS = ["url", "store", "program", "digest", "version", "system", "added_at"];

function isPlace(value: unknown): value is Place {
  return typeof value === "object" && value !== null &&
    TEXTS.every((key) => typeof (value as Record<string, unknown>)[key] === "string");
}

/** Makes a place's directory. @throws {FleetboxError} `misuse`: the path is too deep for its sockets */
export function makePlaceDirectory(store: Store, name: string): void {
  const shadow = placeStore(store, name);
  store.ensure();
  try {
    for (const dir of [placesDir(store), shadow.root, shadow.runDir]) makeDirectory(dir);
  } catch (cause) {
    throw storeError(`Cannot make ${shadow.root}`, cause);
  }
}

/** What a client here has of the store there. */
export function placeStore(store: Store, name: string): Store {
  return Store.at(placePaths(store, name).dir);
}

export async function writePlace(store: Store, place: Place): Promise<void> {
  await writeDurably(placePaths(store, place.name).record, JSON.stringify(place, null, 2) + "\n");
}

/** Removes what is here of a place: nothing there. */
export async function removePlace(store: Store, name: string): Promise<void> {
  removeIfThere(placePaths(store, name).record);
  for (const one of [name, ...jobDirectories(store, name)]) await removePlaceDirectory(store, one);
}

/** The engine's own id of a job. @param job `<id>@<cluster>` */
export function idOf(job: string): string {
  return job.split("@")[0];
}

/** The directory of a place's job among those of places, as short as can be: its path is part of sockets' paths. */
export function jobDirectory(place: string, job: string): string {
  return `${place}.${Number(idOf(job)).toString(36)}`;
}

/** Those of a place's jobs that there are. */
export function jobDirectories(store: Store, place: string): string[] {
  return namesIn(placesDir(store)).filter((name) => name.startsWith(`${place}.`) && !name.endsWith(".json"));
}

export async function removePlaceDirectory(store: Store, name: string): Promise<void> {
  await Deno.remove(placePaths(store, name).dir, { recursive: true }).catch((thrown) => {
    if (!isNotFound(thrown)) throw thrown;
  });
}

/** The files of a job of an engine, in the store there. */
export interface JobPaths {
  /** Its members, as JSON: written when it is submitted, and removed when it has ended in order. */
  record: string;
  /** Is there from when its first holder was started. */
  serving: string;
  /** Of what starts holders in it. */
  socket: string;
  log: string;
}

/** @param root the store there @param job `<id>@<cluster>` */
export function jobPaths(root: string, job: string): JobPaths {
  const at = join(jobsDir(root), job);
  return {
    ...{ record: `${at}.json`, serving: `${at}.on`, log: `${at}.log` },
    socket: join(jobsDir(root), `${digestOf(job)}.sock`),
  };
}

export function jobsDir(root: string): string {
  return join(root, "jobs");
}

/**
 * Leftovers of a crash in the store that no member needs: found first, removed when the user agrees.
 *
 * Never a disk, and nothing of a living group or one with running machines. Each leftover is checked again at its
 * removal, under the lock of those that could need it: the claim lock for files in `run` and for pidfiles (a holder
 * writes its record before it claims its members, and claims them under that lock), the member's own for its directory,
 * the image's for a download. A member's directory is removed file by file, by names that are not disks, and its
 * removal fails when other files are in it.
 */

import { LATE, within } from "../core/deadline.ts";
import { join, relative } from "../system/path.ts";
import { codeOf } from "../core/errors.ts";
import { cachedImages, imageDirectory } from "../image/cache.ts";
import { currentMicro, MICRO } from "../image/micro.ts";
import { clusterOf, isName } from "../core/names.ts";
import { hasDisk } from "../store/disk.ts";
import { claimedElsewhere } from "../store/elsewhere.ts";
import { completeRecords, liveMembers } from "../store/orphans.ts";
import { snapshotsOfImage } from "../store/snapshots.ts";
import { host } from "../system/os.ts";
import { endProcesses } from "../system/end_processes.ts";
import { isAbandoned, isAlive, type ProcessIdentity } from "../system/process.ts";
import { bytesUsed, exists, namesIn, readIfThere, temporaryOf } from "../system/files.ts";
import { lockFile } from "../system/locks.ts";
import { digestOf, type GroupRecord, parseGroupRecord, type Store } from "../store.ts";
import { isAnswered } from "../system/sockets.ts";
import { RUNNER_FLAG } from "../wire.ts";
import { beingMade } from "./image_users.ts";
import { findSnapshotLeftovers } from "./snapshot_leftovers.ts";

type LeftoverKind =
  | "socket"
  | "record"
  | "pidfile"
  | "gateway"
  | "directory"
  | "temporary"
  | "download"
  | "log"
  | "image"
  | "checkpoint"
  | "template"
  | "layer";

export interface Leftover {
  kind: LeftoverKind;
  /** In the store, relative to it. */
  path: string;
  /** Its size on the disk. */
  bytes: number;
  /** The process, of a gateway. */
  pid?: number;
}

/** A leftover, and how it is removed. */
export interface Found extends Leftover {
  /** False when it is needed now, or gone. */
  remove: () => Promise<boolean> | boolean;
}

/** How long to wait for a lock: its holder is using the leftover. */
const LOCK_MS = 500;
/** The files of a member's directory without a disk or a config, after an interrupted start. */
const HALF_MADE =
  /^(\.lock|pid|host|seed\.img|efivars\.fd|fixture-\d+\.img|qmp\.sock|net\.sock|.*\.\d+-[0-9a-f]{8}(-[0-9a-f]{3})?\.tmp)$/;
const MEMBER_SOCKET = /^([0-9a-f]{16})\.(sock|ctl|qmp|net|con|agt|sav|s[0-7])$/;
const GROUP_FILE = /^([0-9a-f]{12})\.(json|gwq|gwn)$/;

/** All leftovers, in the order in which they are listed. Removes nothing. */
export async function findLeftovers(store: Store): Promise<Found[]> {
  const live = new Live(store);
  return [
    ...gateways(store),
    ...await runFiles(store, live),
    ...await pidfiles(store, live),
    ...directories(store, live),
    ...temporaries(store),
    ...await downloads(store),
    ...logs(store, live),
    ...images(store),
    ...findSnapshotLeftovers(store),
  ];
}

/** The groups that live or have running machines now. */
class Live {
  readonly records: readonly GroupRecord[];
  readonly #groups: ReadonlySet<string>;
  readonly #names: ReadonlySet<string>;
  readonly #digests: ReadonlySet<string>;

  constructor(store: Store) {
    this.records = completeRecords(store);
    const live = this.records.filter(isLive);
    this.#groups = new Set(live.map(({ id }) => id));
    this.#names = new Set(live.flatMap((one) => [...one.members, ...one.served, ...Object.keys(one.hypervisors)]));
    this.#digests = new Set([...live.map(({ group }) => group), ...this.#names].map(digestOf));
  }

  hasGroup(id: string): boolean {
    return this.#groups.has(id);
  }
  has(name: string): boolean {
    return this.#names.has(name);
  }
  hasDigest(digest: string): boolean {
    return this.#digests.has(digest);
  }
}

function isLive(record: GroupRecord): boolean {
  return isAlive(record.holder) || liveMembers(record).length > 0;
}

/** Gateways without a holder and machines, which keep ports of the host busy. */
function gateways(store: Store): Found[] {
  const dead = (id: string): ProcessIdentity | undefined => {
    const record = completeRecords(store).find((one) => one.id === id);
    return record && !isLive(record) && record.gateway && isAlive(record.gateway) ? record.gateway : undefined;
  };
  return new Live(store).records.flatMap(({ id }) => {
    const gateway = dead(id);
    if (!gateway) return [];
    const remove = () =>
      store.withClaimLock(async () => {
        const now = dead(id);
        if (now) await endProcesses([now], "A gateway without a holder"); // it has no state
        return now !== undefined;
      });
    return [{ ...found(store, "gateway", store.group(id).gatewayQmpSocket), pid: gateway.pid, remove }];
  });
}

/** Sockets without a listener, and records of groups without a process. */
async function runFiles(store: Store, live: Live): Promise<Found[]> {
  const all: Found[] = [];
  for (const file of names(store.runDir)) {
    const path = join(store.runDir, file);
    const kind = file.endsWith(".json") ? "record" : "socket";
    if (!await isDead(store, file, live)) continue;
    const remove = () =>
      store.withClaimLock(async () => await isDead(store, file, new Live(store)) && removeFile(path));
    all.push({ ...found(store, kind, path), remove });
  }
  return all;
}

async function isDead(store: Store, file: string, live: Live): Promise<boolean> {
  const [, digest] = MEMBER_SOCKET.exec(file) ?? [];
  if (digest !== undefined) {
    // A hypervisor without a record answers on one of them: then all of them belong to it.
    const suffixes = ["sock", "ctl", "qmp", "net", "con"];
    return !live.hasDigest(digest) && await nobody(suffixes.map((suffix) => join(store.runDir, `${digest}.${suffix}`)));
  }
  const [, id, suffix] = GROUP_FILE.exec(file) ?? [];
  if (id === undefined || live.hasGroup(id)) return false;
  if (suffix !== "json") {
    // The group is known to be gone: its gateway is removed, too, before them.
    return live.records.some((one) => one.id === id) || await nobody([join(store.runDir, file)]);
  }
  // A damaged record does not name its writer: it is a leftover when no process answers for its group.
  const record = parseGroupRecord(readIfThere(join(store.runDir, file)) ?? "");
  return record !== undefined || await nobody([store.group(id).gatewayQmpSocket]);
}

/** Pidfiles of members that no holder serves. */
async function pidfiles(store: Store, live: Live): Promise<Found[]> {
  const isStale = async (name: string, now: Live) =>
    !now.has(name) && await nobody([store.memberSocket(name)]) && !await claimedElsewhere(store, name);
  const all: Found[] = [];
  for (const name of memberDirectories(store)) {
    const { pid, host } = store.member(name);
    if (!exists(pid) || !await isStale(name, live)) continue;
    const remove = () =>
      store.withClaimLock(async () => {
        if (!await isStale(name, new Live(store))) return false;
        removeFile(host); // it goes with it
        return removeFile(pid);
      });
    all.push({ ...found(store, "pidfile", pid), remove });
  }
  return all;
}

/** Members' directories without a config and a disk: interrupted starts. */
function directories(store: Store, live: Live): Found[] {
  const isHalfMade = (name: string, now: Live) => {
    const { dir, config } = store.member(name);
    return !now.has(name) && !exists(config) && !hasDisk(dir) && names(dir).every((file) => HALF_MADE.test(file));
  };
  const halfMade = memberDirectories(store).filter((name) => isHalfMade(name, live)).map((name): Found => {
    const { dir, lock } = store.member(name);
    const remove = async () =>
      await underLock(lock, () => {
        if (!isHalfMade(name, new Live(store))) return false;
        for (const file of names(dir)) removeFile(join(dir, file));
        const done = removeEmpty(dir);
        removeEmpty(join(dir, ".."));
        return done;
      }, { make: true }) ?? false;
    return { ...found(store, "directory", dir), remove };
  });
  const clusters = names(store.clustersDir).map((name) => join(store.clustersDir, name))
    .filter((path) => isDirectory(path) && names(path).length === 0)
    .map((path): Found => ({ ...found(store, "directory", path), remove: () => removeEmpty(path) }));
  return [...halfMade, ...clusters];
}

/** Temporary files of dead processes. Those with a member's disk (an interrupted `rm`) stay. */
function temporaries(store: Store): Found[] {
  const dirs = [
    ...[store.root, store.runDir, store.binDir, store.clustersDir, store.imagesDir, join(store.imagesDir, "refs")],
    store.snapshotsDir,
    ...memberDirectories(store).map((name) => store.member(name).dir),
  ];
  return dirs.flatMap((dir) =>
    names(dir).filter(isAbandoned).map((file) => join(dir, file)).filter((path) => !hasDisk(path)).map((path) => ({
      ...found(store, "temporary", path),
      remove: () => isAbandoned(path) && !hasDisk(path) && removeTree(path),
    }))
  );
}

/** Parts of downloads without a writer, and locks without a holder. */
async function downloads(store: Store): Promise<Found[]> {
  const all: Found[] = [];
  for (const file of names(store.imagesDir)) {
    const [, key, suffix] = /^([0-9a-f]{16})\.(part|part\.json|lock)$/.exec(file) ?? [];
    if (key === undefined || (suffix === "lock" && exists(join(store.imagesDir, `${key}.part`)))) continue;
    const [path, lock] = [join(store.imagesDir, file), join(store.imagesDir, `${key}.lock`)];
    // The lock was made for it, and is removed with it.
    const remove = async () =>
      await underLock(lock, () => {
        const done = suffix === "lock" ? exists(path) : removeFile(path);
        removeFile(lock);
        return done;
      }, { make: true }) ?? false;
    if (await isFree(lock)) all.push({ ...found(store, "download", path), remove });
  }
  const lock = join(store.binDir, ".lock");
  for (const file of names(store.binDir).filter((one) => one.endsWith(".part"))) {
    const path = join(store.binDir, file);
    const remove = async () => await underLock(lock, () => removeFile(path), { make: true }) ?? false;
    if (await isFree(lock)) all.push({ ...found(store, "download", path), remove });
  }
  return all;
}

/** Logs of holders that are gone, named after members that are gone. */
function logs(store: Store, live: Live): Found[] {
  const isUsed = (name: string, now: Live) =>
    now.has(name) || now.records.some((record) => record.group === name && isLive(record)) ||
    exists(store.member(name).dir) || isStarting(name);
  return names(store.root).flatMap((file) => {
    const name = /^runner-(.*)\.log$/.exec(file)?.[1];
    if (name === undefined || !isName(name) || isUsed(name, live)) return [];
    const path = join(store.root, file);
    return [{ ...found(store, "log", path), remove: () => !isUsed(name, new Live(store)) && removeFile(path) }];
  });
}

/** Whether a holder of that name has just started: it opens its log before it has a record. */
function isStarting(name: string): boolean {
  for (const { args } of host().commandLines()) {
    // In one text, where the system does not separate arguments.
    const [, first] = args.join(" ").split(`${RUNNER_FLAG} `);
    if (first !== undefined && /^[a-z0-9-]*/.exec(first)![0] === name) return true;
  }
  return false;
}

/** micro images of other versions of fleetbox that no member's or checkpoint's disk is based on. */
function images(store: Store): Found[] {
  const current = currentMicro();
  if (current === undefined) return []; // the older one is unknown
  const isUnused = (id: string) => {
    const members = store.members();
    // The image of a member that cannot be read, or is being made, is unknown.
    const isSure = members.every((one) => "config" in one) && beingMade(store).length === 0;
    if (!isSure || members.some((one) => "config" in one && one.config.image_id === id)) return false;
    const { checkpoints, unsure } = snapshotsOfImage(store, id);
    return checkpoints.length === 0 && unsure.length === 0;
  };
  const older = cachedImages(store).filter(({ id, manifest, refs }) =>
    manifest.name === MICRO && id !== current && refs.length === 0 && isUnused(id)
  );
  return older.map(({ id, bytes }) => {
    const place = imageDirectory(store, id);
    const remove = async () => {
      if (!isUnused(id)) return false;
      const doomed = temporaryOf(place);
      // Processes that did not find it before unpack their own.
      if (!unlessGone(() => Deno.renameSync(place, doomed))) return false;
      if (isUnused(id)) return removeTree(doomed);
      await Deno.rename(doomed, place);
      return false;
    };
    return { ...found(store, "image", place), bytes, remove };
  });
}

function found(store: Store, kind: LeftoverKind, path: string): Leftover {
  return { kind, path: relative(store.root, path), bytes: bytesUsed(path) };
}

/** Every directory that may be a member's. */
function memberDirectories(store: Store): string[] {
  return names(store.clustersDir).flatMap((cluster) =>
    names(join(store.clustersDir, cluster)).filter((name) => isName(name) && clusterOf(name) === cluster)
  );
}

async function nobody(sockets: readonly string[]): Promise<boolean> {
  for (const path of sockets) if (await isAnswered(path)) return false;
  return true;
}

/** Runs work while holding a lock; undefined when another process holds it, or there is none and none is made. */
async function underLock<T>(path: string, work: () => T, options: { make?: boolean } = {}): Promise<T | undefined> {
  if (!options.make && !exists(path)) return undefined;
  const lock = lockFile(path).catch((thrown) => {
    if (codeOf(thrown) === "not-found") return undefined;
    throw thrown;
  });
  const held = await within(LOCK_MS, lock);
  if (held === LATE) {
    void lock.then((file) => file?.close(), () => {}); // waiting for a lock cannot be aborted
    return undefined;
  }
  if (!held) return undefined; // it was replaced while we waited: another process uses it
  try {
    return work();
  } finally {
    held.close();
  }
}

async function isFree(lock: string): Promise<boolean> {
  return !exists(lock) || await underLock(lock, () => true) === true;
}

/** False when another process swept it first. */
function removeFile(path: string): boolean {
  return unlessGone(() => Deno.removeSync(path));
}

function unlessGone(act: () => void): boolean {
  try {
    act();
    return true;
  } catch (thrown) {
    if (thrown instanceof Deno.errors.NotFound) return false;
    throw thrown;
  }
}

function removeEmpty(path: string): boolean {
  try {
    Deno.removeSync(path);
    return true;
  } catch {
    return false; // it has files by now
  }
}

function removeTree(path: string): boolean {
  return unlessGone(() => Deno.removeSync(path, { recursive: true }));
}

/** Unlike the one of `files.ts` it does not follow links: nothing outside the store is removed. */
function isDirectory(path: string): boolean {
  try {
    return Deno.lstatSync(path).isDirectory;
  } catch {
    return false;
  }
}

function names(dir: string): string[] {
  return namesIn(dir).sort();
}

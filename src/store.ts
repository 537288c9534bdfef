/**
 * The store: every path that fleetbox writes, and how it writes them.
 *
 *     ~/.fleetbox/                     0700; or $FLEETBOX_HOME
 *       clusters/<cluster>/<member>/   config.json disk.qcow2 (or disk-<n>.qcow2) seed.img serial.log pid host .lock;
 *                                      fixture-<n>.img; disk-<n>.writes, a log of writes; qmp.sock and net.sock (links)
 *       run/<h>.sock  run/<h>.ctl      a member's socket; a bound holder's control socket
 *       run/<h>.qmp .net .con .agt     the hypervisor's QMP, network and console sockets, and the guest's agent
 *       run/<h>.sav                    where its state passes
 *       run/<g>.json                   a group's record: its holder, its running hypervisors
 *       run/<g>.gwq   run/<g>.gwn      the gateway's QMP and network sockets
 *       snapshots/                     layers of disks, templates, checkpoints: `store/snapshots.ts`
 *       traces/<id>/                   what is recorded of a group: `control/recording/`; places/, brought/: `store/places.ts`
 *       images/ bin/ caches, written once, renamed into place
 *       id_ed25519  id_ed25519.pub     the installation's own key
 *       runner-<first member>.log      a holder's output
 *
 * `<h>` is the first 16 hexadecimal digits of the SHA-256 of the member's (of the group: the first member's) name. All
 * sockets live in `run/`: below `clusters/` a name of 63 characters stands twice in the path and no socket would fit.
 * Both halves and every command read this file; no other file joins a path under the store. `system/files.ts` replaces
 * files, `system/locks.ts` locks them. Only `store/remove.ts` deletes a disk; layers, which disks are based on, are removed by
 * `store/snapshots/layers.ts`, when nothing is based on them.
 */

import { variable } from "./core/environment.ts";
import { FleetboxError, isNotFound, messageOf } from "./core/errors.ts";
import { clusterOf, isName } from "./core/names.ts";
import { join, resolveFrom } from "./core/paths.ts";
import {
  entriesOf,
  exists,
  isOfThisHost,
  makeDirectory,
  namesIn,
  readIfThere,
  storeError,
  writeDurably,
  writerOf,
} from "./system/files.ts";
import { withLock } from "./system/locks.ts";
import { isAbandoned } from "./system/process.ts";
import { sha256 } from "./core/sha256.ts";
import { byteLength, hex } from "./core/bytes.ts";
import { damaged, type MemberConfig, parseConfig, type StoredMember } from "./store/config.ts";
import { hasDisk } from "./store/disk.ts";
import { type GroupRecord, parseGroupRecord } from "./store/records.ts";

export { type MemberConfig, parseConfig, type StoredMember } from "./store/config.ts";
export { type GroupRecord, parseGroupRecord } from "./store/records.ts";

/** The paths of one member. */
export interface MemberPaths {
  dir: string;
  config: string;
  /** Its first disk; {@link diskOf} gives the present one. */
  disk: string;
  seed: string;
  /** The variables of its UEFI firmware, when it has one. */
  efiVars: string;
  /** The image of the n-th shared directory: replaced at each boot. */
  sharedDirectoryImage: (index: number) => string;
  serialLog: string;
  qmpSocket: string;
  netSocket: string;
  consoleSocket: string;
  /** Leads to the agent in its guest, when its image has one. */
  agentSocket: string;
  shareSockets: () => string[];
  /** Where its state passes when it is saved or restored. */
  snapshotSocket: string;
  pid: string;
  /** Which host its holder is on, as JSON. */
  host: string;
  lock: string;
  socket: string;
}

/** The sockets of a member's machine in `run`, which a killed one leaves behind. */
export function machineSockets(paths: MemberPaths): string[] {
  const { qmpSocket, netSocket, consoleSocket, agentSocket, snapshotSocket, shareSockets } = paths;
  return [qmpSocket, netSocket, consoleSocket, agentSocket, snapshotSocket, ...shareSockets()];
}

/** sockaddr_un holds 108 bytes on Linux and 104 on macOS, with a NUL at the end; the smaller one everywhere. */
const SOCKET_PATH_BYTES = 104;
const LONGEST_SOCKET = "run/0123456789abcdef.sock";

export class Store {
  private constructor(readonly root: string) {}

  /**
   * The user's store: `$FLEETBOX_HOME`, else `~/.fleetbox`. Touches nothing.
   * @throws {FleetboxError} `misuse`: neither variable is set, or the path is too deep for unix sockets; `denied`: it
   * belongs to another user, who could make us use their sockets and disks.
   */
  static fromEnvironment(): Store {
    const named = variable("FLEETBOX_HOME");
    const home = Deno.env.get("HOME");
    if (!named && !home) {
      throw new FleetboxError("misuse", "Cannot find the store: neither FLEETBOX_HOME nor HOME is set");
    }
    const store = Store.at(named || join(home!, ".fleetbox"));
    store.#checkOwner(store.root);
    return store;
  }

  /** A store at a directory, which need not exist. @throws {FleetboxError} `misuse`: too deep for unix sockets. */
  static at(root: string): Store {
    const absolute = root.startsWith("/") ? join(root) : resolveFrom(Deno.cwd(), root);
    const length = byteLength(join(absolute, LONGEST_SOCKET));
    if (length < SOCKET_PATH_BYTES) return new Store(absolute);
    throw new FleetboxError(
      "misuse",
      `The store ${absolute} is too deep: a unix socket in it (${LONGEST_SOCKET}) would have a path of ${length} bytes, ` +
        `expected less than ${SOCKET_PATH_BYTES}`,
      { hint: "Set FLEETBOX_HOME to a shorter path." },
    );
  }

  get imagesDir(): string {
    return join(this.root, "images");
  }
  get binDir(): string {
    return join(this.root, "bin");
  }
  get snapshotsDir(): string {
    return join(this.root, "snapshots");
  }
  get runDir(): string {
    return join(this.root, "run");
  }
  get tracesDir(): string {
    return join(this.root, "traces");
  }
  /** Where a trace is recorded. */
  trace(id: string): string {
    return join(this.tracesDir, id);
  }
  get clustersDir(): string {
    return join(this.root, "clusters");
  }
  get key(): string {
    return join(this.root, "id_ed25519");
  }
  get publicKey(): string {
    return join(this.root, "id_ed25519.pub");
  }
  /** Held for the moment in which a holder claims its members' sockets. */
  get claimLock(): string {
    return join(this.runDir, ".lock");
  }
  /** The result of the accelerators' dry run in this boot of the host. */
  get acceleratorCache(): string {
    return join(this.root, "accelerator.json");
  }
  /** Notices about the host that the command line has shown, and does not repeat. */
  get saidOnce(): string {
    return join(this.root, "said-once.json");
  }

  /** A downloaded helper. */
  helper(version: string, target: string): string {
    return join(this.binDir, `fleetbox-helper-${version}-${target}`);
  }
  holderLog(first: string): string {
    return join(this.root, `runner-${first}.log`);
  }
  memberSocket(name: string): string {
    return join(this.runDir, `${digestOf(name)}.sock`);
  }
  controlSocket(first: string): string {
    return join(this.runDir, `${digestOf(first)}.ctl`);
  }
  /** A group's record and its gateway's sockets. `id` is {@link GroupRecord.id}. */
  group(id: string): { record: string; gatewayQmpSocket: string; gatewayNetSocket: string } {
    const at = join(this.runDir, id);
    return { record: `${at}.json`, gatewayQmpSocket: `${at}.gwq`, gatewayNetSocket: `${at}.gwn` };
  }

  member(name: string): MemberPaths {
    const dir = `${this.clustersDir}/${clusterOf(name)}/${name}`;
    const run = () => join(this.runDir, digestOf(name));
    return {
      dir,
      config: `${dir}/config.json`,
      disk: `${dir}/disk.qcow2`,
      seed: `${dir}/seed.img`,
      efiVars: `${dir}/efivars.fd`,
      sharedDirectoryImage: (index) => `${dir}/fixture-${index}.img`,
      shareSockets: () => [..."01234567"].map((index) => `${run()}.s${index}`),
      serialLog: `${dir}/serial.log`,
      pid: `${dir}/pid`,
      host: `${dir}/host`,
      lock: `${dir}/.lock`,
      // A digest takes longer than reading the member's config, so it is made only for callers that use a socket; `ls`
      // does not.
      get socket() {
        return `${run()}.sock`;
      },
      get qmpSocket() {
        return `${run()}.qmp`;
      },
      get netSocket() {
        return `${run()}.net`;
      },
      get consoleSocket() {
        return `${run()}.con`;
      },
      get agentSocket() {
        return `${run()}.agt`;
      },
      get snapshotSocket() {
        return `${run()}.sav`;
      },
    };
  }

  /**
   * Makes the store's missing directories, with mode 0700 under any umask.
   * @throws {FleetboxError} `denied`: it cannot be written, or belongs to another user; `no-space`.
   */
  ensure(): void {
    try {
      for (const dir of [this.root, this.clustersDir, this.runDir, this.imagesDir]) makeDirectory(dir);
    } catch (cause) {
      throw storeError(`Cannot make the store ${this.root}`, cause);
    }
    for (const path of [this.root, this.clustersDir, this.runDir, this.imagesDir, this.snapshotsDir, this.key]) {
      this.#checkOwner(path);
    }
    const { mode } = Deno.statSync(this.root);
    if (mode !== null && (mode & 0o077) !== 0) Deno.chmodSync(this.root, 0o700);
  }

  /** @throws {FleetboxError} `denied`: it exists and belongs to another user. */
  #checkOwner(path: string): void {
    let uid: number | null;
    try {
      uid = Deno.statSync(path).uid;
    } catch {
      return; // missing or invisible: the code that needs it reports that
    }
    if (uid === null || uid === Deno.uid()) return;
    const what = path === this.root ? `The store ${path}` : `${path}, in the store,`;
    throw new FleetboxError("denied", `${what} belongs to user ${uid}, expected user ${Deno.uid()}`, {
      hint: "Set FLEETBOX_HOME to a directory of your own.",
    });
  }

  /** Every member in the store, by name; damaged ones with the damage. */
  members(): StoredMember[] {
    const found: StoredMember[] = [];
    for (const cluster of directoriesIn(this.clustersDir)) {
      for (const name of directoriesIn(join(this.clustersDir, cluster))) {
        if (!isName(name) || clusterOf(name) !== cluster) continue;
        const stored = this.readMember(name);
        if (stored) found.push(stored);
      }
    }
    return found.sort((a, b) => naturalOrder(a.name, b.name));
  }

  /** One member, or undefined when the store has none of that name. */
  readMember(name: string): StoredMember | undefined {
    const paths = this.member(name);
    let text: string;
    try {
      text = Deno.readTextFileSync(paths.config);
    } catch (cause) {
      if (cause instanceof Deno.errors.NotADirectory) return undefined;
      if (!isNotFound(cause)) return { name, damage: damaged(name, paths.config, messageOf(cause), cause) };
      // A directory with a disk and no config is damaged; one without a disk is an interrupted start.
      if (!hasDisk(paths.dir)) return undefined;
      return { name, damage: damaged(name, paths.config, "it is missing, and there is a disk", cause) };
    }
    try {
      return { name, config: parseConfig(text, name) };
    } catch (cause) {
      return { name, damage: damaged(name, paths.config, messageOf(cause), cause) };
    }
  }

  /** The config of a member, or undefined when there is none. @throws {FleetboxError} `damaged` */
  config(name: string): MemberConfig | undefined {
    const stored = this.readMember(name);
    if (stored && "damage" in stored) throw stored.damage;
    return stored?.config;
  }

  /** Replaces a member's config; makes the links to its sockets. The caller holds its lock. */
  async writeConfig(config: MemberConfig): Promise<void> {
    const paths = this.member(config.name);
    await writeDurably(paths.config, JSON.stringify(config, null, 2) + "\n");
    for (const [link, socket] of [["qmp.sock", paths.qmpSocket], ["net.sock", paths.netSocket]]) {
      if (!exists(join(paths.dir, link))) Deno.symlinkSync(socket, join(paths.dir, link));
    }
  }

  /** Whether a member's socket exists: one read of the directory answers for all members. */
  socketProbe(): (name: string) => boolean {
    const sockets = new Set(namesIn(this.runDir).filter((file) => file.endsWith(".sock")));
    return (name) => sockets.size > 0 && sockets.has(`${digestOf(name)}.sock`);
  }

  /** The records of all groups, damaged ones left out. */
  groupRecords(): GroupRecord[] {
    const records: GroupRecord[] = [];
    for (const file of namesIn(this.runDir)) {
      if (!file.endsWith(".json")) continue;
      // Half a record counts as missing: records only speed adoption up, sockets and processes decide.
      const record = parseGroupRecord(readIfThere(join(this.runDir, file)) ?? "");
      if (record) records.push(record);
    }
    return records;
  }

  async writeGroupRecord(record: GroupRecord): Promise<void> {
    await writeDurably(this.group(record.id).record, JSON.stringify(record) + "\n", { sync: false });
  }

  /**
   * Deletes files that a killed process left half-made in the root, in `run`, `images`, `snapshots` and among these members' files, and
   * directories that it left half-removed in `clusters`; also those of `ending`, a process that is about to end.
   */
  sweepTemporary(names: readonly string[], ending?: number): void {
    const dirs = [this.root, this.runDir, this.imagesDir, this.clustersDir, this.snapshotsDir];
    for (const dir of [...dirs, ...names.map((name) => this.member(name).dir)]) {
      for (const file of namesIn(dir)) {
        const writer = writerOf(file);
        if (writer === undefined || !(isAbandoned(file) || (writer === ending && isOfThisHost(file)))) continue;
        try {
          Deno.removeSync(join(dir, file), { recursive: true });
        } catch { /* another process swept it */ }
      }
    }
  }

  /**
   * Runs `work` while holding the member's `.lock`; waits for its present holder. Makes the member's directory. A
   * directory that was removed during the wait is made again, so that the lock is always on the visible file.
   */
  async withMemberLock<T>(name: string, work: () => Promise<T>): Promise<T> {
    return await withLock(this.member(name).lock, work, { prepare: () => makeMemberDirectory(this, name) });
  }

  /** Runs `work` while holding the claim lock. */
  async withClaimLock<T>(work: () => Promise<T>): Promise<T> {
    return await withLock(this.claimLock, work);
  }

  /** Runs `work` while holding `bin/.lock`: one download at a time. Makes `bin`. */
  async withBinLock<T>(work: () => Promise<T>): Promise<T> {
    this.ensure();
    return await withLock(join(this.binDir, ".lock"), work, {
      prepare: () => {
        try {
          makeDirectory(this.binDir);
        } catch (cause) {
          throw storeError(`Cannot make ${this.binDir}`, cause);
        }
      },
    });
  }
}

/** The first 16 hexadecimal digits of the SHA-256 of a name. */
export function digestOf(name: string): string {
  return hex(sha256(name)).slice(0, 16);
}

/** `web-2` before `web-10`. Without the collation tables of `localeCompare`: loading them takes longer than an `ls`. */
export function naturalOrder(a: string, b: string): number {
  const [left, right] = [a, b].map((name) => name.match(/\d+|\D+/g) ?? []);
  for (let at = 0; at < left.length && at < right.length; at++) {
    if (left[at] === right[at]) continue;
    const difference = Number(left[at]) - Number(right[at]);
    if (difference) return difference; // NaN if one is not a number, 0 for 1 and 01
    return left[at] < right[at] ? -1 : 1;
  }
  return left.length - right.length;
}

/** Makes a member's directory, when it is missing. @throws {FleetboxError} `no-space`, `denied` or `failed` */
export function makeMemberDirectory(store: Store, name: string): void {
  const { dir } = store.member(name);
  try {
    makeDirectory(join(dir, ".."));
    makeDirectory(dir);
  } catch (cause) {
    throw storeError(`Cannot make the directory of "${name}" (${dir})`, cause);
  }
}

function directoriesIn(path: string): string[] {
  return entriesOf(path).filter((entry) => entry.isDirectory).map((entry) => entry.name);
}

/**
 * The store: every path that fleetbox writes, and the ways in which it writes them.
 *
 *     ~/.fleetbox/                     0700; or $FLEETBOX_HOME
 *       clusters/<cluster>/<member>/   config.json disk.qcow2 seed.img serial.log pid .lock; fixture-<n>.img;
 *                                      qmp.sock and net.sock (links)
 *       run/<h>.sock  run/<h>.ctl      a member's socket; a bound holder's control socket
 *       run/<h>.qmp .net .con          the hypervisor's QMP, network and console sockets
 *       run/<g>.json                   a group's record: who serves it, which hypervisors run
 *       run/<g>.gwq   run/<g>.gwn      the gateway's QMP and network sockets
 *       images/  bin/                  caches, written once, renamed into place
 *       id_ed25519  id_ed25519.pub     the installation's own key
 *       runner-<first member>.log      a holder's output
 *
 * `<h>` is the first 16 hexadecimal digits of the SHA-256 of the member's (of the group: the first member's) name. All
 * sockets live in `run/`: below `clusters/` a name of 63 characters stands twice in the path and no socket would fit.
 * Both halves and every command read this file; no other file joins a path under the store. `system/files.ts` replaces
 * files, `system/locks.ts` locks them. Only `store/remove.ts` deletes a disk.
 */

import { FleetboxError, isNotFound, messageOf } from "./core/errors.ts";
import { clusterOf, isName } from "./core/names.ts";
import type { Fixture, KeptUse, PortForward, RecordedUse } from "./core/options.ts";
import { join, resolveFrom } from "./core/paths.ts";
import {
  entriesOf,
  exists,
  makeDirectory,
  namesIn,
  readIfThere,
  storeError,
  writeDurably,
  writerOf,
} from "./system/files.ts";
import { withLock } from "./system/locks.ts";
import { identify, type ProcessIdentity } from "./system/process.ts";
import { sha256 } from "./core/sha256.ts";
import { byteLength } from "./core/bytes.ts";

/** What a member is: `config.json`. */
export interface MemberConfig extends KeptUse {
  name: string;
  /** `52:54:…`, lower case; derived from the name. */
  mac: string;
  cpus: number;
  memory_mb: number;
  /** Virtual size of the disk, MiB. */
  disk_mb: number;
  /** What the user asked for: an alias or an absolute path. */
  image: string;
  /** What it was when the member was made: the image's identity, which its disk is backed by. */
  image_id: string;
  /** What the machine is, when it is not the host's own kind. */
  arch?: "x86_64" | "aarch64";
  /** What starts its disk, when the user chose. */
  firmware?: "bios" | "uefi";
  /** ISO 8601. */
  created_at: string;
  /** Fresh for each member that is made anew, even under an old name. */
  instance_id: string;
  fixtures: Fixture[];
  /** The user's own user-data: the same at every boot. */
  user_data?: string;
  /** Ports of this host that lead to its own, while it runs. */
  forwards?: PortForward[];
  /** The address on the group's network. */
  ip: string;
  /** The guest's user that has our key. */
  user: string;
  /** The client to which it belongs: it is removed, disk and all, when that process is gone. */
  owner?: ProcessIdentity;
  /** {@link GroupRecord.id} of the group that it last booted in: while that lives, it belongs there. */
  group?: string;
}

/** What a holder notes of its group, so that the next holder can take it back (design §3, adoption). */
export interface GroupRecord extends RecordedUse {
  /** `<g>`: 12 random hexadecimal digits; a group's name can be that of another group's first member. */
  id: string;
  /** The group's name: that of its first member. */
  group: string;
  /** Who belongs to the group: who runs, and who was stopped and will be back on this network after an `up`. */
  members: string[];
  /** Those of them that the holder serves, in whatever state. */
  served: string[];
  /** Who answered on SSH already. */
  running: string[];
  /** Since when each machine is running, ISO 8601: also while a new holder is only taking it over. Older records lack it. */
  since?: Record<string, string>;
  holder: ProcessIdentity;
  /** Takes the group back when the holder is killed, and is its holder then. */
  guardian?: ProcessIdentity;
  bound: boolean;
  hypervisors: Record<string, ProcessIdentity>;
  gateway?: ProcessIdentity;
  /** Host ports forwarded to each member's SSH port. */
  ssh_ports: Record<string, number>;
}

/** The paths of one member. */
export interface MemberPaths {
  dir: string;
  config: string;
  disk: string;
  seed: string;
  /** The variables of its UEFI firmware, when it has one. */
  efiVars: string;
  /** The image of the n-th fixture: replaced at each boot. */
  fixture: (index: number) => string;
  serialLog: string;
  qmpSocket: string;
  netSocket: string;
  consoleSocket: string;
  pid: string;
  lock: string;
  socket: string;
}

/** A member as the store knows it: its config, or why there is none. */
export type StoredMember = { name: string; config: MemberConfig } | { name: string; damage: FleetboxError };

/** sockaddr_un holds 108 bytes on Linux and 104 on macOS, with a NUL at the end; the smaller one everywhere. */
const SOCKET_PATH_BYTES = 104;
const LONGEST_SOCKET = "run/0123456789abcdef.sock";

export class Store {
  private constructor(readonly root: string) {}

  /**
   * The user's store: `$FLEETBOX_HOME`, else `~/.fleetbox`. Touches nothing.
   * @throws {FleetboxError} `misuse`: neither variable is set, or the path is too deep for unix sockets; `denied`: it
   * belongs to somebody else, who could have us talk to sockets and run disks of theirs.
   */
  static fromEnvironment(): Store {
    const named = Deno.env.get("FLEETBOX_HOME");
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
  get runDir(): string {
    return join(this.root, "run");
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
  /** What the dry run of accelerators found on this boot of the host. */
  get acceleratorCache(): string {
    return join(this.root, "accelerator.json");
  }
  /** What the command line has told this user of the host, and does not tell again. */
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
      fixture: (index) => `${dir}/fixture-${index}.img`,
      serialLog: `${dir}/serial.log`,
      pid: `${dir}/pid`,
      lock: `${dir}/.lock`,
      // A digest takes longer than reading the member's config: who asks for no socket, as `ls` does not, has none made.
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
    };
  }

  /**
   * Makes the store's directories, 0700 whatever the umask, when they are missing.
   * @throws {FleetboxError} `denied`: it cannot be written, or belongs to somebody else; `no-space`.
   */
  ensure(): void {
    try {
      for (const dir of [this.root, this.clustersDir, this.runDir, this.imagesDir]) makeDirectory(dir);
    } catch (cause) {
      throw storeError(`Cannot make the store ${this.root}`, cause);
    }
    for (const path of [this.root, this.clustersDir, this.runDir, this.imagesDir, this.key]) this.#checkOwner(path);
    const { mode } = Deno.statSync(this.root);
    if (mode !== null && (mode & 0o077) !== 0) Deno.chmodSync(this.root, 0o700);
  }

  /** @throws {FleetboxError} `denied`: it is there, and another user's. */
  #checkOwner(path: string): void {
    let uid: number | null;
    try {
      uid = Deno.statSync(path).uid;
    } catch {
      return; // not there, or not for us to see: whoever needs it says so
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
      // A directory with a disk and no config is damage, one without a disk is a start that was interrupted.
      if (!exists(paths.disk)) return undefined;
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

  /** Whether anything is at a member's socket: one look at the directory answers for all members together. */
  socketProbe(): (name: string) => boolean {
    const sockets = new Set(namesIn(this.runDir).filter((file) => file.endsWith(".sock")));
    return (name) => sockets.size > 0 && sockets.has(`${digestOf(name)}.sock`);
  }

  /** The records of all groups, damaged ones left out. */
  groupRecords(): GroupRecord[] {
    const records: GroupRecord[] = [];
    for (const file of namesIn(this.runDir)) {
      if (!file.endsWith(".json")) continue;
      // Half a record is no record: it only ever speeds recovery up, sockets and processes decide.
      const record = parseGroupRecord(readIfThere(join(this.runDir, file)) ?? "");
      if (record) records.push(record);
    }
    return records;
  }

  async writeGroupRecord(record: GroupRecord): Promise<void> {
    await writeDurably(this.group(record.id).record, JSON.stringify(record) + "\n", { sync: false });
  }

  /**
   * Deletes what a killed process left half-made in the store's root, in `run`, in `images` and among these members' files, and what it left
   * half-removed in `clusters`; and what `ending` has made, a process that is just about to end.
   */
  sweepTemporary(names: readonly string[], ending?: number): void {
    for (
      const dir of [
        this.root,
        this.runDir,
        this.imagesDir,
        this.clustersDir,
        ...names.map((name) => this.member(name).dir),
      ]
    ) {
      for (const file of namesIn(dir)) {
        const writer = writerOf(file);
        if (writer === undefined || (writer !== ending && identify(writer))) continue;
        try {
          Deno.removeSync(join(dir, file), { recursive: true });
        } catch { /* somebody else swept it */ }
      }
    }
  }

  /**
   * Runs `work` while the member's `.lock` is held; waits for whoever holds it. Makes the member's directory.
   * A directory that was removed while we waited is made again, so that the lock is always one on the visible file.
   */
  async withMemberLock<T>(name: string, work: () => Promise<T>): Promise<T> {
    return await withLock(this.member(name).lock, work, { prepare: () => makeMemberDirectory(this, name) });
  }

  /** Runs `work` while the claim lock is held. */
  async withClaimLock<T>(work: () => Promise<T>): Promise<T> {
    return await withLock(this.claimLock, work);
  }

  /** Runs `work` while `bin/.lock` is held: one download at a time. Makes `bin`. */
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
  return sha256(name).toHex().slice(0, 16);
}

/** `web-2` before `web-10`. Without the collation tables of `localeCompare`: loading them takes longer than an `ls`. */
export function naturalOrder(a: string, b: string): number {
  const [left, right] = [a, b].map((name) => name.match(/\d+|\D+/g) ?? []);
  for (let at = 0; at < left.length && at < right.length; at++) {
    if (left[at] === right[at]) continue;
    const difference = Number(left[at]) - Number(right[at]);
    if (difference) return difference; // NaN where one is no number, 0 for 1 and 01
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

type Check = [isRight: (value: unknown) => boolean, expected: string];

const string: Check = [(value) => typeof value === "string", "a string"];
const whole: Check = [(value) => Number.isSafeInteger(value) && (value as number) > 0, "a whole number above 0"];
const shaped = (pattern: RegExp, expected: string): Check => [
  (value) => typeof value === "string" && pattern.test(value),
  expected,
];
const optional = ([isRight, expected]: Check): Check => [(value) => value === undefined || isRight(value), expected];

/** What each value of a config must be: they become arguments, addresses and paths. */
const CONFIG: Record<keyof MemberConfig, Check> = {
  name: string,
  mac: shaped(/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/, "a MAC address"),
  cpus: whole,
  memory_mb: whole,
  disk_mb: whole,
  image: string,
  image_id: string,
  arch: optional(shaped(/^(x86_64|aarch64)$/, "x86_64 or aarch64")),
  firmware: optional(shaped(/^(bios|uefi)$/, "bios or uefi")),
  created_at: string,
  instance_id: string,
  fixtures: [
    (value) => Array.isArray(value) && value.every(isFixture),
    "a list of {host_path, guest_path}",
  ],
  user_data: optional(string),
  forwards: optional([
    (value) => Array.isArray(value) && value.every(isForward),
    "a list of {host_port, guest_port}",
  ]),
  ip: shaped(/^\d{1,3}(\.\d{1,3}){3}$/, "an address"),
  user: shaped(/^[a-z_][a-z0-9_-]*$/, "a user's name"),
  owner: optional([isProcess, "a process"]),
  group: optional(string),
  egress: optional(shaped(/^(on|off)$/, '"on" or "off"')),
  host_access: optional([(value) => typeof value === "boolean", "true or false"]),
};

function isFixture(value: unknown): boolean {
  const { host_path, guest_path } = (value ?? {}) as Record<string, unknown>;
  return typeof host_path === "string" && typeof guest_path === "string";
}

function isForward(value: unknown): boolean {
  const { host_port, guest_port } = (value ?? {}) as Record<string, unknown>;
  return isPort(host_port) && isPort(guest_port);
}

function isTime(value: unknown): boolean {
  return typeof value === "string" && !Number.isNaN(Date.parse(value));
}

function isPort(port: unknown): boolean {
  return Number.isInteger(port) && (port as number) > 0 && (port as number) < 65_536;
}

function isProcess(value: unknown): value is ProcessIdentity {
  const { pid, startTime } = (value ?? {}) as Record<string, unknown>;
  return Number.isSafeInteger(pid) && (pid as number) > 0 && typeof startTime === "string";
}

/** The config in a file's text. @throws {Error} why it is none; what it may be is any JSON, or none. */
export function parseConfig(text: string, name: string): MemberConfig {
  const value: unknown = JSON.parse(text);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new TypeError("it is not a JSON object");
  }
  for (const [key, [isRight, expected]] of Object.entries(CONFIG)) {
    const found = Object.hasOwn(value, key) ? (value as Record<string, unknown>)[key] : undefined;
    if (isRight(found)) continue;
    const shown = JSON.stringify(found) ?? "missing";
    throw new TypeError(
      `its "${key}" is ${shown.length > 80 ? `${shown.slice(0, 79)}…` : shown}, expected ${expected}`,
    );
  }
  const config = value as MemberConfig;
  if (config.name !== name) throw new TypeError(`it is of "${config.name}"`);
  return config;
}

/** A group's record in a file's text, or undefined when it is none. Never throws. */
export function parseGroupRecord(text: string): GroupRecord | undefined {
  try {
    const value = JSON.parse(text);
    return isGroupRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isGroupRecord(value: unknown): value is GroupRecord {
  const { id, group, members, served, running, since, hypervisors, ssh_ports, ...rest } = value as GroupRecord;
  const byName = (map: unknown, isRight: (value: unknown) => boolean) =>
    typeof map === "object" && map !== null && Object.entries(map).every(([name, one]) => isName(name) && isRight(one));
  return typeof id === "string" && /^[0-9a-f]{12}$/.test(id) && isName(group) &&
    [members, served, running].every((list) => Array.isArray(list) && list.every(isName)) &&
    byName(hypervisors, isProcess) && byName(ssh_ports, isPort) && (since === undefined || byName(since, isTime)) &&
    isProcess(rest.holder) && [rest.guardian, rest.gateway].every((one) => one === undefined || isProcess(one));
}

function damaged(name: string, path: string, why: string, cause: unknown): FleetboxError {
  return new FleetboxError("damaged", `The config of "${name}" cannot be read: ${why} (${path})`, {
    cause,
    hint: `Repair ${path}, or remove the member with its disk: fleetbox rm ${name}`,
  });
}

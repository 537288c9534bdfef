/** The options of machines and clusters. */

/**
 * The options of a machine.
 *
 * @example
 * ```ts
 * import type { MachineOptions } from "fleetbox";
 *
 * const small: MachineOptions = { cpus: 1, memoryMiB: 128, diskMiB: 1024 };
 * ```
 */
export interface MachineOptions {
  /** An alias (`fleetbox image ls --all`), or the path or address of a disk image. @default "micro" */
  image?: string;
  /** The architecture; another than the host's is emulated. @default the image's, else this host's */
  arch?: "amd64" | "arm64";
  /** The firmware for a disk with a boot loader. @default the image's, else BIOS on amd64 and UEFI on arm64 */
  firmware?: "bios" | "uefi";
  /** Virtual CPUs, 1 to 64. @default 1 */
  cpus?: number;
  /** Memory in MiB. @default 256 for micro, 1024 for other images */
  memoryMiB?: number;
  /** The virtual size of the disk in MiB; only written blocks take space. @default 10240 */
  diskMiB?: number;
  /**
   * Port forwards from this host's loopback to the guest: a guest's port, to which any free port of the host then leads
   * ({@link Vm.forward} returns it); or with the host's port, which can lead to one machine at a time. @default []
   */
  publish?: readonly (number | PublishedPort)[];
  /** Shared directories: the guest sees them as they are at each boot, read-only. @default [] */
  fixtures?: readonly FixtureDirectory[];
  /**
   * User-data for cloud-init in the guest: `#cloud-config`, a script, a MIME message; at most 32 KiB. Or a function that makes it of the host
   * names and addresses of the group's machines.
   */
  userData?: string | UserDataOf;
  /**
   * Scripts that run in the guest once, as root, when it has come up: the path of a file here, or the script itself. If one fails, the
   * machine does not start, and the error has its last lines. At most 32 KiB together. An {@link InlineScript} may be made of the host names and
   * addresses of the group's machines.
   */
  run?: string | InlineScript | readonly (string | InlineScript)[];
  /**
   * When a guest with cloud-init counts as running: when cloud-init has finished, or when SSH answers. @default
   * "cloud-init"
   */
  ready?: "ssh" | "cloud-init";
  /** Whether a new machine boots although there is a template to start it from. @default false */
  cold?: boolean;
  /** Whether a template is taken of a new machine that has booted, for the next one like it. @default true */
  template?: boolean;
  /**
   * The clock of a guest that goes on where a saved machine was: set to this host's, or kept as it was then.
   * @default "set"
   */
  clock?: "set" | "keep";
  /**
   * Whether it reaches the outside through the gateway. Kept with the machine.
   * @default "on"; of one that joins or is there already: as its group's, as it had
   */
  egress?: "on" | "off";
  /** Whether it reaches services on this host's own loopback, at the gateway's address. Kept. @default false, or as above */
  hostAccess?: boolean;
  /**
   * Whether its writes are logged from its start on, for {@link Vm.kill} with `loseUnflushed`: every write is made twice. Kept with the
   * machine. @default false
   */
  logWrites?: boolean;
  /** Words to find it by, such as `{ tier: "db" }`: `fleetbox ls --label tier=db`. */
  labels?: Record<string, string>;
  /** The limit for each stage of a boot in milliseconds, downloads not counted. @default 180000 */
  bootTimeoutMs?: number;
  /** Aborts the boot: the machine is stopped again, and the call rejects. */
  signal?: AbortSignal;
}

/**
 * A machine as the others of its group reach it.
 *
 * @example
 * ```ts
 * import type { MemberAddress } from "fleetbox";
 *
 * const peer = ({ name, ip }: MemberAddress) => `${name}=http://${ip}:2380`;
 * console.log(peer({ name: "a", ip: "10.88.0.11" }));
 * ```
 */
export interface MemberAddress {
  /** Its host name. */
  readonly name: string;
  /** Its address on the group's network. */
  readonly ip: string;
}

/**
 * What user-data and scripts of a machine may be made of.
 *
 * @example
 * ```ts
 * import { type GroupAddresses, startCluster } from "fleetbox";
 *
 * const script = ({ members, self }: GroupAddresses) => `#!/bin/sh
 * echo "${self.name} of ${members.map(({ name, ip }) => `${name}=${ip}`).join(",")}" >/etc/cluster
 * `;
 * await using cluster = await startCluster(["a", "b"], { run: { script } });
 * console.log(await cluster.get("a").readTextFile("/etc/cluster")); // "a of a=10.88.0.11,b=10.88.0.12"
 * ```
 */
export interface GroupAddresses {
  /** All machines of the group, this one included, in the order of their addition. */
  readonly members: readonly MemberAddress[];
  /** The machine that it is for. */
  readonly self: MemberAddress;
}

/**
 * Makes a machine's user-data, before it boots for the first time: the addresses are decided by then. A machine that comes later, by
 * {@link Cluster.add}, gets all that are there then, and the others are not told.
 *
 * @example
 * ```ts
 * import { startCluster, type UserDataOf } from "fleetbox";
 *
 * const userData: UserDataOf = ({ members, self }) => `#!/bin/sh
 * echo "${self.name} of ${members.map(({ name, ip }) => `${name}=${ip}`).join(",")}" >/etc/cluster
 * `;
 * await using cluster = await startCluster(["a", "b", "c"], { image: "debian-12", userData });
 * console.log(await cluster.get("a").readTextFile("/etc/cluster")); // "a of a=10.88.0.11,b=10.88.0.12,c=10.88.0.13"
 * ```
 */
export type UserDataOf = (group: GroupAddresses) => string;

/**
 * The options of one machine of a group, in place of those that the group is given.
 *
 * @example
 * ```ts
 * import { type MemberOptions, startCluster } from "fleetbox";
 *
 * const database: MemberOptions = { memoryMiB: 512, diskMiB: 4096 };
 * await using cluster = await startCluster({ db: database, web: {} }, { egress: "off" });
 * ```
 */
export type MemberOptions = Omit<MachineOptions, "signal">;

/**
 * The machines of a group: their host names; how many, and then they get names; or each with options of its own.
 *
 * @example
 * ```ts
 * import { type Members, startCluster } from "fleetbox";
 *
 * const three: Members[] = [["a", "b", "c"], 3, { a: { memoryMiB: 512 }, b: {}, c: {} }];
 * for (const members of three) {
 *   await using cluster = await startCluster(members, { egress: "off" });
 *   console.log(cluster.vms.length);
 * }
 * ```
 */
export type Members<Name extends string = string> =
  | readonly string[]
  | number
  | Readonly<Record<Name, MemberOptions>>;

/**
 * A port of the guest, and the port of this host's loopback that leads there. TCP.
 *
 * @example
 * ```ts
 * import { start } from "fleetbox";
 *
 * await using vm = await start("web", { publish: [{ hostPort: 8080, guestPort: 80 }] });
 * ```
 */
export interface PublishedPort {
  /** The port of 127.0.0.1. @default any free one */
  hostPort?: number;
  /** The guest's port. */
  guestPort: number;
}

/**
 * A directory of this host, with owners and modes, at a path of the guest.
 *
 * @example
 * ```ts
 * import { type FixtureDirectory, start } from "fleetbox";
 *
 * const site: FixtureDirectory = { hostPath: "./site", guestPath: "/srv/site" };
 * await using vm = await start("web", { fixtures: [site] });
 * await vm.exec("ls /srv/site", { check: true });
 * ```
 */
export interface FixtureDirectory {
  /** The directory here, relative to the working directory. */
  hostPath: string;
  /** Where the guest mounts it: an absolute path. */
  guestPath: string;
}

/**
 * A script for the guest, without a file.
 *
 * @example
 * ```ts
 * import { type InlineScript, start } from "fleetbox";
 *
 * const setUp: InlineScript = { script: "mkdir -p /srv/data\necho seeded >/srv/data/state" };
 * await using vm = await start("web", { run: setUp });
 * await vm.exec("cat /srv/data/state", { check: true });
 * ```
 */
export interface InlineScript {
  /**
   * Its text, or a function that makes it of the group's addresses, as user-data. The first line may name its interpreter. @default the
   * interpreter is sh
   */
  script: string | ((group: GroupAddresses) => string);
  /** What it is called in errors. @default "script" */
  name?: string;
}

/**
 * The options of a machine, its network and its store.
 *
 * @example
 * ```ts
 * import { start, type StartOptions } from "fleetbox";
 *
 * const offline: StartOptions = { egress: "off", memoryMiB: 128 };
 * await using vm = await start("web", offline);
 * ```
 */
export interface StartOptions extends MachineOptions {
  /** The directory in which machines, and places, are kept. @default $FLEETBOX_HOME, else ~/.fleetbox */
  store?: string;
  /**
   * The place whose machines they are, as `fleetbox place add` called it: another host, which OpenSSH reaches; or a Slurm cluster, where each group is a job,
   * and no limit counts its time in the queue. `"here"` is this host. They end with this process as those of this host do. Files are brought there; ports,
   * and `vm.ssh`, are of this host.
   * @default $FLEETBOX_PLACE, else this host
   */
  on?: string;
  /**
   * What happens with a name that the store already has. `"refuse"`: an error. `"reuse"`: that machine is booted as it
   * is, with its disk; it is stopped at the end, and stays. Another image than it has is refused; other CPUs or other memory it has
   * from this boot on, and a larger disk.
   * With either, the names of a `startCluster()` are the store's, too.
   * @default "refuse" for `start()`; the machines of a `startCluster()` have names in the store that nothing else has
   */
  existing?: "refuse" | "reuse";
}

/** What a machine and a cluster can be asked to be. */

/**
 * What a machine is asked to be.
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
  /** What the machine is: `"arm64"` on an amd64 host is emulated. @default the image's, else this host's */
  arch?: "amd64" | "arm64";
  /** What starts a disk that has a boot loader. @default the image's, else BIOS on amd64 and UEFI on arm64 */
  firmware?: "bios" | "uefi";
  /** Virtual CPUs, 1 to 64. @default 1 */
  cpus?: number;
  /** Memory in MiB. @default 256 for micro, 1024 for other images */
  memoryMiB?: number;
  /** The virtual size of the disk in MiB; what the guest does not write takes no space. @default 10240 */
  diskMiB?: number;
  /**
   * Ports of the guest that this host reaches, on its loopback: a number, and any free port of the host leads there
   * ({@link Vm.forward} gives it); or with the port of the host, which leads to one machine at a time. @default []
   */
  publish?: readonly (number | PublishedPort)[];
  /** Directories of this host that the guest sees, as they are at each of its boots, read-only. @default [] */
  fixtures?: readonly FixtureDirectory[];
  /** What cloud-init in the guest is to do besides: `#cloud-config`, a script, a MIME message; at most 32 KiB. */
  userData?: string;
  /** When a guest with cloud-init is up: when that has finished, or when SSH answers. @default "cloud-init" */
  ready?: "ssh" | "cloud-init";
  /**
   * Whether it reaches the outside through the gateway. Kept with the machine.
   * @default "on"; of one that joins or is there already: as its group's, as it had
   */
  egress?: "on" | "off";
  /** Whether it reaches services on this host's own loopback, at the gateway's address. Kept. @default false, or as above */
  hostAccess?: boolean;
  /** The limit for one boot in milliseconds, downloads not counted. @default 180000 */
  bootTimeoutMs?: number;
  /** Ends the boot: what was started is taken down again, and the call rejects. */
  signal?: AbortSignal;
}

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
 * What a machine and its network are asked to be, and where they are kept.
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
  /** The directory in which machines are kept. @default $FLEETBOX_HOME, else ~/.fleetbox */
  store?: string;
  /**
   * What a name means that the store has already. `"refuse"`: an error. `"reuse"`: that machine is booted as it is, with
   * its disk and its size; it is stopped at the end, and stays. To ask for another image or size than it has is refused.
   * With either, the names of a `startCluster()` are the store's, too.
   * @default "refuse" for `start()`; the machines of a `startCluster()` have names in the store that nothing else has
   */
  existing?: "refuse" | "reuse";
}

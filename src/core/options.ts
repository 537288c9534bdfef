/**
 * The options of a member or a group: `FLEETBOX_OPTS` and its checks.
 *
 * The keys `image`, `cpus`, `mem` (GiB), `disk` (GiB) and `fixtures` are fixed by the protocol (design §4); the others
 * are ours. Everything is optional. Both halves read this file: control writes the JSON, the holder parses it, the
 * command line and the library check what a user typed. It imports names and errors, nothing else.
 */

import { FleetboxError, UnknownOption } from "./errors.ts";
import { areLabels, type Labels } from "./labels.ts";
import { checkName } from "./names.ts";
import { checkSide, type HostSide } from "./port_forwards.ts";

/** A shared directory: a directory of the host, read-only in the guest. */
export interface SharedDirectory {
  host_path: string;
  guest_path: string;
}

/** A port of this host that leads to a member's port: of 127.0.0.1 and TCP, unless it says otherwise. */
export interface PortForward extends HostSide {
  host_port: number;
  guest_port: number;
}

/** A requested port forward. */
export interface ForwardWish extends HostSide {
  /** @default any free one */
  host_port?: number;
  guest_port: number;
}

/** What a member may use its group's gateway for, as its config keeps it. */
export interface KeptUse {
  /** Whether it reaches the outside. Absent: an earlier version made it, when that was the group's. */
  egress?: "on" | "off";
  /** Whether it reaches services on the host's own loopback, at the gateway's address. */
  host_access?: boolean;
}

/** The same in a group's record. */
export interface RecordedUse {
  /** Whether a member has egress. Of an earlier version: whether all have, for then it was the group's. */
  egress: "on" | "off";
  /** The same for access to the host. */
  host_access: boolean;
  /** Whether the gateway lets no member out. Absent: by the two above. */
  gateway_restricted?: boolean;
}

/** A program for the guest: it runs there once, as root. */
export interface Script {
  /** What it is called: its file's name. */
  name: string;
  text: string;
}

/** The checkpoint that members are made from, and which of it each becomes. */
export interface SnapshotWish {
  checkpoint: string;
  /** By the members' names: the name at the save. */
  members: Record<string, string>;
  /** Whether members that are there get the saved disks in place of theirs. @default false: they must be new */
  replace?: boolean;
}

/** The JSON of `FLEETBOX_OPTS`. */
export interface Options {
  /** An alias (`micro`), a path or a URL. @default "micro" */
  image?: string;
  /** The machine's architecture; another than the host's is emulated. @default the image's, else the host's */
  arch?: "x86_64" | "aarch64";
  /** The firmware that starts a disk with a boot loader. @default the image's, else BIOS on x86_64 and UEFI on arm64 */
  firmware?: "bios" | "uefi";
  /** Virtual CPUs, 1 to 64. @default 1 */
  cpus?: number;
  /** Memory in GiB; may be a fraction (0.25 is 256 MiB). @default 0.25 for micro, else 1 */
  mem?: number;
  /** Virtual size of the disk in GiB; may be a fraction. @default 10 */
  disk?: number;
  /** Shared directories: the guest gets their content at boot, read-only. @default [] */
  fixtures?: SharedDirectory[];
  /** Directories of this host that the guest reads and writes. Kept with the member. @default [] */
  shares?: SharedDirectory[];
  /** User-data for cloud-init in the guest: `#cloud-config`, a script, a MIME message. Kept with the member. */
  user_data?: string;
  /** What runs in the guest once, in this order, when it has come up. Kept with the member until it has run. @default [] */
  run?: Script[];
  /** Port forwards to make. Kept with the member. @default [] */
  publish?: ForwardWish[];
  /**
   * What `running` means for a guest with cloud-init: cloud-init has finished, or SSH answers. @default "cloud-init"
   */
  ready?: "ssh" | "cloud-init";
  /** Whether the member reaches the outside through the gateway. Kept with it. @default as its group, a new one "on" */
  egress?: "on" | "off";
  /** Whether it reaches services on the host's own loopback, at the gateway's address. Kept with it. @default false */
  host_access?: boolean;
  /**
   * Whether the member's writes are logged from its start on, so that a power cut can lose those that were not flushed. Kept with it.
   * @default false
   */
  log_writes?: boolean;
  /** Words to find the member by, added to those that it has; an empty value takes one away. Kept with it. @default {} */
  labels?: Labels;
  /** Whether a new member boots although there is a template of it. @default false: it starts from the template */
  cold?: boolean;
  /** Whether no template is taken of a new member that has booted. @default false */
  no_template?: boolean;
  /**
   * What becomes of the guest's clock when it does not boot, but goes on where a saved machine was: it is set to the
   * host's, or kept as it was then. @default "set"
   */
  clock?: "set" | "keep";
  /** The members are made from a checkpoint: they go on where its members were. */
  snapshot?: SnapshotWish;
  /** The limit for one boot, in milliseconds, downloads not counted. @default 180000 */
  boot_timeout_ms?: number;
  /** Whether members that this spawn created are removed again when their first boot fails. @default true */
  remove_on_failure?: boolean;
  /** Host names of new members, by name; a member that is not here is called by its name. @default {} */
  host_names?: Record<string, string>;
  /**
   * The client to which new members belong, by process id and start time: a bound holder removes them, disk and all,
   * when its client is gone. Without it they stay, stopped.
   */
  owner?: { pid: number; startTime: string };
  /** What single members of a new group are asked for besides, in place of the group's options. @default [] */
  members?: OptionsOfSome[];
  /** The address that the member is to have; one that it cannot have is refused. @default the one it had, else the lowest free one */
  ip?: string;
  /** The members of its group that run before this one's machine starts. @default [] */
  needs?: string[];
  /** Whether a member that comes later has the options of its group where it has none of its own. @default true */
  inherit?: boolean;
  /**
   * What whoever gets these options must be able to do with them, where an earlier version knows them and would do less: a holder refuses what it
   * cannot, and an earlier one refuses this option. @default []
   */
  must?: Ability[];
}

/**
 * What earlier versions did not do with options that they know. `resize`: `cpus`, `mem` and `disk` also change a member that is there. `sides`:
 * `publish` has protocols and addresses.
 */
export const ABILITIES = ["resize", "sides"] as const;
export type Ability = typeof ABILITIES[number];

/** What a holder must be able to do with a member's options. @param isThere the member was made before */
export function abilitiesFor({ cpus, mem, disk, publish = [] }: Options, isThere: boolean): Ability[] {
  const resizes = isThere && [cpus, mem, disk].some((size) => size !== undefined);
  const sides = publish.some(({ protocol, address }) => protocol !== undefined || address !== undefined);
  return [...(resizes ? ["resize" as const] : []), ...(sides ? ["sides" as const] : [])];
}

/** The options that are a group's, not a member's. */
const OF_THE_GROUP = ["remove_on_failure", "host_names", "owner", "snapshot", "members"] as const;

/** Options that some members have in common. */
export interface OptionsOfSome {
  names: string[];
  options: Omit<Options, typeof OF_THE_GROUP[number]>;
}

/** The options of one member of a group. */
export function optionsOf({ members = [], ...group }: Options, name: string): Options {
  return Object.assign({}, group, ...members.filter(({ names }) => names.includes(name)).map(({ options }) => options));
}

export const DEFAULTS = {
  image: "micro",
  cpus: 1,
  memoryMiB: 256,
  diskMiB: 10 * 1024,
  egress: "on",
  bootTimeoutMs: 180_000,
} as const;

export const LIMITS = { cpus: 64, memoryMinMiB: 64, memoryMaxMiB: 16 * 1024 * 1024, diskMaxMiB: 64 * 1024 * 1024 };

type Check = (value: unknown, key: string) => void;

const number = (min: number, max: number, whole: boolean): Check => (value, key) => {
  if (typeof value !== "number" || !Number.isFinite(value) || value < min || value > max) {
    bad(key, value, `a number from ${min} to ${max}`);
  }
  if (whole && !Number.isInteger(value)) bad(key, value, "a whole number");
};
const boolean: Check = (value, key) => {
  if (typeof value !== "boolean") bad(key, value, "true or false");
};
const path: Check = (value, key) => {
  if (typeof value !== "string" || value === "" || value.includes("\0")) bad(key, value, "a non-empty string");
};

const directories: Check = (value, key) => {
  if (!Array.isArray(value)) bad(key, value, "a list");
  for (const entry of value) {
    if (typeof entry !== "object" || entry === null) bad(key, entry, "{host_path, guest_path}");
    path(entry.host_path, `${key}.host_path`);
    path(entry.guest_path, `${key}.guest_path`);
  }
};

const CHECKS: Record<keyof Options, Check> = {
  image: path,
  arch: (value, key) => {
    if (value !== "x86_64" && value !== "aarch64") bad(key, value, '"x86_64" or "aarch64"');
  },
  firmware: (value, key) => {
    if (value !== "bios" && value !== "uefi") bad(key, value, '"bios" or "uefi"');
  },
  cpus: number(1, LIMITS.cpus, true),
  mem: number(LIMITS.memoryMinMiB / 1024, LIMITS.memoryMaxMiB / 1024, false),
  disk: number(1 / 1024, LIMITS.diskMaxMiB / 1024, false),
  egress: (value, key) => {
    if (value !== "on" && value !== "off") bad(key, value, `"on" or "off"`);
  },
  host_access: boolean,
  log_writes: boolean,
  labels: (value, key) => {
    if (!areLabels(value)) bad(key, value, 'values by key, such as {"tier":"db"}');
  },
  user_data: path,
  run: (value, key) => {
    if (!Array.isArray(value)) bad(key, value, "a list");
    for (const entry of value) {
      if (typeof entry !== "object" || entry === null) bad(key, entry, "{name, text}");
      path(entry.name, `${key}.name`);
      path(entry.text, `${key}.text`);
    }
  },
  ready: (value, key) => {
    if (value !== "ssh" && value !== "cloud-init") bad(key, value, '"ssh" or "cloud-init"');
  },
  cold: boolean,
  no_template: boolean,
  clock: (value, key) => {
    if (value !== "set" && value !== "keep") bad(key, value, '"set" or "keep"');
  },
  snapshot: (value, key) => {
    const { checkpoint, members, replace } = (value ?? {}) as Record<string, unknown>;
    if (typeof members !== "object" || members === null) bad(key, value, "{checkpoint, members}");
    for (const word of [checkpoint, ...Object.entries(members).flat()]) checkName(word as string);
    if (replace !== undefined) boolean(replace, `${key}.replace`);
  },
  ip: path,
  remove_on_failure: boolean,
  boot_timeout_ms: number(1, 24 * 3600 * 1000, false),
  host_names: (value, key) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) bad(key, value, "host names by name");
    for (const word of Object.entries(value).flat()) checkName(word);
  },
  owner: (value, key) => {
    const { pid, startTime } = (value ?? {}) as Record<string, unknown>;
    if (!Number.isInteger(pid) || typeof startTime !== "string") bad(key, value, "{pid, startTime}");
  },
  members: (value, key) => {
    if (!Array.isArray(value)) bad(key, value, "a list");
    for (const entry of value) {
      const { names, options } = (entry ?? {}) as Record<string, unknown>;
      if (!Array.isArray(names)) bad(key, entry, "{names, options}");
      names.forEach((name) => checkName(name));
      const ofAll = OF_THE_GROUP.find((one) => Object.hasOwn(options ?? {}, one));
      if (ofAll) bad(`${key}.options.${ofAll}`, names, "nothing: it is an option of the group");
      checkOptions(options);
    }
  },
  needs: (value, key) => {
    if (!Array.isArray(value)) bad(key, value, "a list of names");
    value.forEach((name) => checkName(name));
  },
  inherit: boolean,
  must: (value, key) => {
    if (!Array.isArray(value)) bad(key, value, "a list");
    const other = value.find((one) => !ABILITIES.includes(one));
    if (other !== undefined) {
      throw new UnknownOption(
        String(other),
        `Unknown ability ${JSON.stringify(other)}; expected ${ABILITIES.join(", ")}`,
      );
    }
  },
  publish: (value, key) => {
    if (!Array.isArray(value)) bad(key, value, "a list");
    value.forEach(checkWish);
  },
  fixtures: directories,
  shares: directories,
};

/** Checks a forward from outside. @throws {FleetboxError} `misuse` */
export function checkWish(value: unknown): ForwardWish {
  const { host_port, guest_port, protocol, address } = (value ?? {}) as Record<string, unknown>;
  number(1, 65_535, true)(guest_port, "guest_port");
  if (host_port !== undefined) number(1, 65_535, true)(host_port, "host_port");
  return {
    ...(host_port === undefined ? {} : { host_port: host_port as number }),
    guest_port: guest_port as number,
    ...checkSide({ protocol, address }),
  };
}

/**
 * Checks options from outside (JSON, a library call).
 * @throws {FleetboxError} `misuse`: an unknown key, a wrong type, a value out of its range.
 */
export function checkOptions(value: unknown): Options {
  if (typeof value !== "object" || value === null || Array.isArray(value)) bad("options", value, "a JSON object");
  for (const [key, entry] of Object.entries(value)) {
    const check = Object.hasOwn(CHECKS, key) ? CHECKS[key as keyof Options] : undefined;
    if (!check) {
      const expected = Object.keys(CHECKS).join(", ");
      throw new UnknownOption(key, `Unknown option "${key}"; expected one of ${expected}`);
    }
    if (entry !== undefined) check(entry, key);
  }
  return value as Options;
}

/** Parses `FLEETBOX_OPTS`; absent or empty means no options. @throws {FleetboxError} `misuse` */
export function parseOptions(json: string | undefined): Options {
  if (json === undefined || json.trim() === "") return {};
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    throw new FleetboxError("misuse", "FLEETBOX_OPTS is not JSON", { cause });
  }
  return checkOptions(value);
}

/** A size as people type it, in MiB: `512`, `512M`, `2G`, `1.5G`, `1T` (also `MiB`, `MB`, `GiB`, …; all binary).
 * A bare number is MiB.
 * @throws {FleetboxError} `misuse`
 */
export function parseSizeMiB(text: string, what: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(?:([mgt])(?:i?b)?)?$/i.exec(text.trim());
  const scale = { m: 1, g: 1024, t: 1024 * 1024 }[(match?.[2] ?? "m").toLowerCase()];
  const size = match && scale ? Number(match[1]) * scale : NaN;
  if (!Number.isFinite(size) || size <= 0) bad(what, text, "a size such as 512M or 2G");
  return Math.round(size);
}

function bad(key: string, found: unknown, expected: string): never {
  const shown = JSON.stringify(found) ?? String(found);
  throw new FleetboxError(
    "misuse",
    `Bad value for ${key}: found ${shown.length > 80 ? shown.slice(0, 77) + "…" : shown}, expected ${expected}`,
  );
}

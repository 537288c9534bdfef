/** The flags of `up` and `join` that describe a member, and their form on the wire. */

import { collides } from "../../core/port_forwards.ts";
import { collect } from "./collect.ts";
import { variable } from "../../core/environment.ts";
import { resolve } from "../../system/path.ts";
import { Command } from "./parser.ts";
import { FleetboxError, isNotFound } from "../../core/errors.ts";
import { imageReference } from "../../core/image_reference.ts";
import { parseLabels } from "../../core/labels.ts";
import { checkSharedDirectories } from "../../guest/directories/shared_directories.ts";
import { checkScripts, MAX_SCRIPT_BYTES } from "../../guest/scripts.ts";
import { checkUserData, MAX_USER_DATA_BYTES } from "../../guest/user_data.ts";
import { parseArchitecture } from "../../image/catalog.ts";
import { forwardText, parseForward } from "../../store/forwards.ts";
import { DEFAULTS, LIMITS, type Options, parseSizeMiB, type Script, type SharedDirectory } from "../../core/options.ts";
import { exists } from "../../system/files.ts";
import type { MemberOption, Wording } from "../../control/option_effects.ts";
import { parseDurationMs } from "./duration.ts";
import { sizeText } from "./sizes.ts";

/** The flags as commander gives them. */
export interface MemberFlags {
  image?: string;
  arch?: string;
  firmware?: string;
  cpus?: string;
  memory?: string;
  disk?: string;
  timeout?: string;
  fixture?: string[];
  share?: string[];
  userData?: string;
  run?: string[];
  ready?: string;
  cold?: boolean;
  template?: boolean;
  clock?: string;
  egress?: string;
  hostAccess?: boolean;
  logWrites?: boolean;
  label?: string[];
  publish?: string[];
}

/** The environment variable with the default image. */
const IMAGE_VARIABLE = "FLEETBOX_IMAGE";

export function addMemberFlags(command: Command): Command {
  return command
    .option(
      "--image <image>",
      `an alias, or the path or address of a disk image (default: $${IMAGE_VARIABLE}, else ${DEFAULTS.image})`,
    )
    .option("--arch <amd64|arm64>", "the architecture; another one than the host's is emulated (default: the image's)")
    .option("--firmware <bios|uefi>", "starts an image that has a boot loader (default: the image's)")
    .option("--cpus <number>", `virtual CPUs (default: ${DEFAULTS.cpus})`)
    .option("--memory <size>", "memory in MiB, or such as 512M or 2G (default: the image's)")
    .option("--disk <size>", `size of the disk, which can grow (default: ${sizeText(DEFAULTS.diskMiB)})`)
    .option(
      "--fixture <host:guest>",
      "share a directory of this host at that path in the guest, read-only, as it is at each boot; repeatable",
      collect,
    )
    .option(
      "--share <host:guest>",
      "share a directory of this host at that path in the guest, read-write, as it is now; repeatable",
      collect,
    )
    .option(
      "-p, --publish <host:guest>",
      "a port of 127.0.0.1 (or ADDRESS:8080:80; 53:53/udp) that leads to the member's; PORT alone: any free one; repeatable",
      collect,
    )
    .option(
      "--egress <on|off>",
      `whether it reaches the outside (default: as its group, ${DEFAULTS.egress} in a new one)`,
    )
    .option("--host-access", "let it reach services on this host's loopback, at the gateway's address")
    .option("--no-host-access", "revoke that")
    .option(
      "--label <key=value>",
      "a word to find it by: ls --label; KEY= takes it away; repeatable",
      collect,
    )
    .option("--log-writes", "log what it writes, so that its power can be cut: stop --lose-unflushed")
    .option("--no-log-writes", "end that")
    .option("--user-data <file>", "settings for cloud-init in the guest: #cloud-config, a script, a MIME message")
    .option(
      "--run <file>",
      "run a script of this host in the guest, once, as root, when it has come up; repeatable",
      collect,
    )
    .option("--ready <ssh|cloud-init>", "when a guest with cloud-init counts as running (default: cloud-init)")
    .option("--cold", "boot new members, although there are templates to start them from")
    .option("--no-template", "take no template of new members that have booted")
    .option("--clock <set|keep>", "the clock of a guest that starts from a template (default: set to this host's)")
    .option(
      "--timeout <duration>",
      `limit for each stage of a boot, such as 90, 90s or 2m (default: ${DEFAULTS.bootTimeoutMs / 1000}s)`,
    );
}

/** Those that a member which is there can get anew with a boot. */
export function addResourceFlags(command: Command): Command {
  return command
    .option("--cpus <number>", "boot with so many virtual CPUs, and keep them")
    .option("--memory <size>", "boot with so much memory, and keep it")
    .option("--disk <size>", "let its disk grow to that size");
}

/**
 * The options for the wire. Options that the user did not give are absent, and the holder chooses them.
 * @throws {FleetboxError} `misuse`, naming the flag.
 */
export function memberOptions(flags: MemberFlags, cwd = Deno.cwd, env = variable(IMAGE_VARIABLE)): Options {
  const options: Options = {};
  const image = flags.image ?? (env || undefined);
  if (image === "") throw bad("--image", image, "an alias or a path");
  if (image !== undefined) options.image = imageReference(image, cwd);
  if (flags.arch !== undefined) {
    options.arch = parseArchitecture(flags.arch);
    if (!options.arch) throw bad("--arch", flags.arch, "amd64 or arm64");
  }
  if (flags.firmware !== undefined) {
    if (flags.firmware !== "bios" && flags.firmware !== "uefi") throw bad("--firmware", flags.firmware, "bios or uefi");
    options.firmware = flags.firmware;
  }
  if (flags.cpus !== undefined) options.cpus = wholeNumber("--cpus", flags.cpus, 1, LIMITS.cpus);
  if (flags.memory !== undefined) {
    options.mem = size("--memory", flags.memory, LIMITS.memoryMinMiB, LIMITS.memoryMaxMiB) / 1024;
  }
  if (flags.disk !== undefined) options.disk = size("--disk", flags.disk, 1, LIMITS.diskMaxMiB) / 1024;
  if (flags.timeout !== undefined) options.boot_timeout_ms = parseDurationMs(flags.timeout, "--timeout");
  if (flags.egress !== undefined) options.egress = egressFlag(flags.egress);
  if (flags.fixture !== undefined) {
    options.fixtures = flags.fixture.map((text) => parseSharedDirectory(text, cwd));
  }
  if (flags.share !== undefined) {
    options.shares = flags.share.map((text) => parseSharedDirectory(text, cwd, "--share"));
  }
  checkSharedDirectories(options.fixtures ?? [], options.shares);
  if (flags.userData !== undefined) options.user_data = readUserData(resolve(cwd(), flags.userData));
  if (flags.run !== undefined) options.run = checkScripts(readScripts(flags.run, cwd), options.user_data);
  if (flags.ready !== undefined) {
    if (flags.ready !== "ssh" && flags.ready !== "cloud-init") throw bad("--ready", flags.ready, "ssh or cloud-init");
    options.ready = flags.ready;
  }
  if (flags.cold) options.cold = true;
  if (flags.template === false) options.no_template = true;
  if (flags.clock !== undefined) {
    if (flags.clock !== "set" && flags.clock !== "keep") throw bad("--clock", flags.clock, "set or keep");
    options.clock = flags.clock;
  }
  if (flags.publish !== undefined) options.publish = flags.publish.map((text) => parseForward(text, "--publish"));
  if (flags.hostAccess !== undefined) options.host_access = flags.hostAccess;
  if (flags.label !== undefined) options.labels = parseLabels(flags.label, "--label");
  if (flags.logWrites !== undefined) options.log_writes = flags.logWrites;
  return options;
}

/** @throws {FleetboxError} `misuse`: a port of the host for several members */
export function checkPublished(names: readonly string[], { publish = [] }: Options): void {
  const ends = publish.flatMap(({ host_port, ...side }) => host_port === undefined ? [] : [{ ...side, host_port }]);
  const twice = ends.find((end, index) => ends.slice(0, index).some((other) => collides(end, other)));
  if (twice !== undefined) throw bad("--publish", String(twice.host_port), "each port of this host once");
  const one = publish.find(({ host_port }) => host_port !== undefined);
  if (!one || names.length === 1) return;
  throw new FleetboxError(
    "misuse",
    `Port ${one.host_port} of this host can lead to one member, found ${names.length}`,
    {
      hint: `Let a port be chosen for each: --publish ${forwardText({ ...one, host_port: undefined })}`,
    },
  );
}

/**
 * `HOST_DIR:GUEST_DIR`, split at the last colon before a slash, as the guest's path is absolute. @throws `misuse`
 */
export function parseSharedDirectory(text: string, cwd: () => string, flag = "--fixture"): SharedDirectory {
  const colon = text.lastIndexOf(":/");
  if (colon <= 0) throw bad(flag, text, "HOST_DIR:GUEST_DIR, with an absolute GUEST_DIR");
  const parts = text.split(",");
  if (parts.length > 1 && parts.every((part) => /.:\//.test(part)) && !exists(resolve(cwd(), text.slice(0, colon)))) {
    throw new FleetboxError(
      "misuse",
      `Bad value for ${flag}: found ${JSON.stringify(text)}, expected one directory`,
      {
        hint: `Repeat ${flag} for each directory: ${parts.map((part) => `${flag} ${part}`).join(" ")}`,
      },
    );
  }
  const guest = text.slice(colon + 1);
  return { host_path: resolve(cwd(), text.slice(0, colon)), guest_path: guest.replace(/(?<=.)\/+$/, "") };
}

function readUserData(path: string): string {
  return checkUserData(readText(path, `The user-data ${path}`, MAX_USER_DATA_BYTES), `The user-data ${path}`);
}

/** The scripts of `--run`, called as the user calls their files. */
export function readScripts(files: readonly string[], cwd: () => string): Script[] {
  return files.map((file) => {
    if (file === "") throw bad("--run", file, "a file");
    const path = file === "-" ? "/dev/stdin" : resolve(cwd(), file);
    return { name: file, text: readText(path, `The script ${file}`, MAX_SCRIPT_BYTES) };
  });
}

/** A short text in a file of the user's. @throws {FleetboxError} `not-found`, `denied`, `misuse` */
function readText(path: string, what: string, mostBytes: number): string {
  let bytes: Uint8Array;
  try {
    using file = Deno.openSync(path);
    // A pipe has no size, so reading stops at the limit.
    bytes = new Uint8Array(mostBytes + 1);
    let length = 0;
    for (let count; length < bytes.length && (count = file.readSync(bytes.subarray(length))) !== null;) length += count;
    if (length > mostBytes) {
      throw new FleetboxError("misuse", `${what} is too long, expected at most ${mostBytes} bytes`, {
        hint: "Put large files into a shared directory: --fixture HOST_DIR:GUEST_DIR",
      });
    }
    bytes = bytes.subarray(0, length);
  } catch (cause) {
    if (cause instanceof FleetboxError) throw cause;
    if (isNotFound(cause)) throw new FleetboxError("not-found", `${what} does not exist`, { cause });
    throw new FleetboxError("denied", `${what} cannot be read`, { cause });
  }
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new FleetboxError("misuse", `${what} is not UTF-8 text`, { cause });
  }
}

/** The flags' names, for messages from the table of effects. */
const FLAGS: Record<MemberOption, string> = {
  image: "--image",
  arch: "--arch",
  firmware: "--firmware",
  cpus: "--cpus",
  mem: "--memory",
  disk: "--disk",
  fixtures: "--fixture",
  shares: "--share",
  user_data: "--user-data",
  run: "--run",
  publish: "--publish",
  egress: "--egress",
  host_access: "--host-access",
  labels: "--label",
  log_writes: "--log-writes",
  ready: "--ready",
  cold: "--cold",
  no_template: "--no-template",
  clock: "--clock",
  boot_timeout_ms: "--timeout",
};

export const FLAG_WORDING: Wording = {
  option: (option) => FLAGS[option],
  value: (option, value) => {
    if (option === "mem" || option === "disk") return sizeText(Math.round(Number(value) * 1024));
    if (option === "fixtures" || option === "shares") {
      return (value as SharedDirectory[]).map(({ host_path, guest_path }) => `${host_path}:${guest_path}`).join(" ") ||
        "(none)";
    }
    if (option === "arch") return value === "aarch64" ? "arm64" : "amd64";
    return String(value);
  },
};

/** The options that a user gave on this command line: an image from the environment is a default. */
export function askedOptions(flags: MemberFlags, options: Options): Options {
  return flags.image === undefined ? { ...options, image: undefined } : options;
}

/** The smallest plausible bare number: a disk of "10" means 10 GiB, not 10 MiB. */
const LEAST_BARE_MIB = 64;

function size(flag: string, text: string, minMiB: number, maxMiB: number): number {
  const mib = parseSizeMiB(text, flag);
  const [number, isBare] = [parseFloat(text), /^[\d.\s]+$/.test(text)];
  const least = isBare ? Math.max(minMiB, LEAST_BARE_MIB) : minMiB;
  if (mib >= least && mib <= maxMiB) return mib;
  const shown = JSON.stringify(text);
  if (mib < least) {
    const why = `${isBare ? `${shown} is ${number} MiB` : `${shown} is too little`}; the least is ${sizeText(least)}`;
    throw outOfRange(flag, why, number * 1024 <= maxMiB && number >= 1 ? `${number}G` : undefined);
  }
  // Such a large number means bytes.
  const bytes = number / 1024 / 1024;
  const meant = isBare && bytes >= least && bytes <= maxMiB ? sizeText(bytes) : undefined;
  throw outOfRange(
    flag,
    `${shown} is ${isBare ? `${number} MiB` : "too much"}; the most is ${sizeText(maxMiB)}`,
    meant,
  );
}

/** @throws {FleetboxError} `misuse` */
export function wholeNumber(flag: string, text: string, min: number, max = Infinity): number {
  const number = Number(text);
  if (!/^\d+$/.test(text)) throw bad(flag, text, `a whole number from ${min}${max < Infinity ? ` to ${max}` : ""}`);
  if (number < min) throw outOfRange(flag, `${JSON.stringify(text)} is too few; the least is ${min}`);
  if (number > max) throw outOfRange(flag, `${JSON.stringify(text)} is too many; the most is ${max}`);
  return number;
}

function outOfRange(flag: string, why: string, meant?: string): FleetboxError {
  const hint = meant === undefined ? undefined : `Did you mean ${meant}?`;
  return new FleetboxError("misuse", `Bad value for ${flag}: ${why}`, { hint });
}

function bad(flag: string, found: string, expected: string): FleetboxError {
  return new FleetboxError("misuse", `Bad value for ${flag}: found ${JSON.stringify(found)}, expected ${expected}`);
}

/** @throws {FleetboxError} `misuse` */
export function egressFlag(word: string): "on" | "off" {
  if (word !== "on" && word !== "off") throw bad("--egress", word, "on or off");
  return word;
}

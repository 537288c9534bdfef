/**
 * A member before its machine runs: its config, its disk, its seed, and the spec for the driver.
 *
 * All of it happens under the member's lock, and each step can be repeated after a crash: the config and the disk
 * appear complete or not at all, the seed is made again at every boot. A disk is made only for a member that never
 * booted; one that is missing later is damage, and never replaced by an empty one.
 */

import { FleetboxError } from "../../core/errors.ts";
import { diskOf, writeLogOf } from "../../store/disk.ts";
import { reserveForwards } from "../../store/forwards.ts";
import { withScripts } from "../../store/scripts.ts";
import { removeOtherDisks, removeUnnamedDisks } from "../../store/remove.ts";
import { checkGrows, checkStays } from "../../store/resources.ts";
import {
  discardSuspended,
  linkSuspended,
  type SavedMember,
  snapshotPaths,
  suspendedPaths,
  unlinkFrozen,
} from "../../store/snapshots.ts";
import { writeSharedDirectoryImage } from "../../guest/directories/shared_directories.ts";
import { checkDirectories, sharesOf } from "../../guest/directories/shares.ts";
import { ensureKey } from "../../guest/key.ts";
import { writeSeed } from "../../guest/seed.ts";
import { checkScripts } from "../../guest/scripts.ts";
import { checkUserData, needsNetwork } from "../../guest/user_data.ts";
import type { FetchProgress } from "../../image/fetch.ts";
import { type Image, type ImageBoot, resolveImage } from "../../image/image.ts";
import { createOverlay, growOverlay } from "../../image/overlay.ts";
import { DOMAIN, SUBNET } from "../../network/subnet.ts";
import { DEFAULTS, type Options, optionsOf } from "../../core/options.ts";
import { exists, namesIn, replaceFile, writeDurably } from "../../system/files.ts";
import type { MemberConfig, MemberPaths, Store } from "../../store.ts";
import type { BootSource, MachineSpec } from "../../vmm/contract.ts";
import { driver } from "../../vmm/driver.ts";
import type { Stage } from "../../wire.ts";
import {
  checkpointSource,
  configFromSave,
  savedMemberFor,
  type SavedSource,
  suspendedSource,
  writeWhileThere,
} from "../snapshots/sources.ts";
import { beginLog } from "../power_cut/write_log.ts";
import type { NextTemplate, WarmPlan } from "../snapshots/warm_start.ts";
import { type Replaced, replacing } from "../snapshots/replaced.ts";
import type { Identity } from "./identity.ts";
import { changedConfig, checkMemory, isChanged, newConfig } from "./member_config.ts";

export interface Prepared {
  config: MemberConfig;
  image: Image;
  /** Whether the member did not exist before. */
  created: boolean;
}

export interface PreparedBoot extends Prepared {
  /** What its machine goes on from. Absent: it boots. */
  source?: SavedSource;
  /** Why it boots. */
  whyCold?: string;
  /** What a template of it would be. Absent: none can be taken, or none is wanted. */
  next?: NextTemplate;
}

export interface PrepareRequest {
  store: Store;
  name: string;
  options: Options;
  /** What the group gives it. */
  identity: Identity;
  /** The group's id. */
  group: string;
  /** Its name. */
  groupName: string;
  onStage: (stage: Stage) => void;
  /** Called with a download's progress; never when there is nothing to download. */
  onDownload: (progress: FetchProgress) => void;
  /** Ends a download. */
  signal: AbortSignal;
  /** Finds what a new member starts from. @default it boots */
  onPlan?: (config: MemberConfig, image: Image, publicKey: string) => Promise<WarmPlan>;
  /** Called as soon as a new member begins to exist, so that a failure can remove it again. */
  onCreate: () => void;
  /** Called before a restore changes a member, so that a failure can undo it. */
  onReplace?: (replaced: Replaced) => void;
}

/**
 * Makes the missing files of a member, and returns its machine's parts.
 * @throws {FleetboxError} why that fails: a damaged config, a missing image, no space, a missing program, …
 */
export async function prepareMember(request: PrepareRequest): Promise<PreparedBoot> {
  const { store, name, options, group, groupName: group_name } = request;
  const { ip, mac } = request.identity;
  const saved = savedMemberFor(store, name, options);
  const before = await imageFor(request, saved?.config ?? store.config(name));
  return await store.withMemberLock(name, async () => {
    const existing = store.config(name);
    if (saved && existing && !options.snapshot!.replace) throw isThere(name);
    if (existing) await removeLeftDisks(store, existing, saved !== undefined);
    // Once more, because another process may have created the member again meanwhile; downloads are done now.
    const based = saved?.config ?? existing;
    const image = !based || based.image_id === before.id ? before : await imageFor(request, based);
    const kept = saved
      ? configFromSave(name, saved, existing, options, namesIn(store.member(name).dir))
      : existing
      ? changedConfig(existing, options)
      : newConfig(name, options, request.identity, image);
    const log_writes = options.log_writes ?? kept.log_writes;
    const scripts = withScripts(kept.scripts, options.run && checkScripts(options.run, kept.user_data));
    const use = gatewayUse(kept, options);
    let config: MemberConfig = { ...kept, ip, mac, group, group_name, ...use, log_writes, scripts };
    checkMemory(config, image);
    checkDirectories(store, config);
    if (!existing && config.user_data !== undefined) checkUserData(config.user_data);
    if (!existing) request.onCreate();
    request.onStage("disk");
    const publicKey = await ensureKey(store);
    config = await reserveForwards(store, config, options.publish ?? []);
    const start = await chooseStart(request, { config, existing, saved, image, publicKey });
    const { source } = start;
    config = { ...config, ...start.based };
    if (saved && existing) config = await replaceDisk(request, config, existing, image);
    // Before the config, which would else tell a size that the disk does not have if we are killed here.
    else if (existing && config.disk_mb > existing.disk_mb) await growOverlay(diskOf(store, config), config.disk_mb);
    if (source && source.kind !== "suspended") await writeWhileThere(store, config, source);
    else if (!existing || isChanged(existing, config)) await store.writeConfig(config);
    await writeFiles(store, config, image, publicKey, source);
    config = await beginLog(store, config, image, { disks: driver.disks, boots: !source });
    if (source?.kind === "checkpoint") {
      await linkSuspended(store, name, source.files);
      source.files = suspendedPaths(store, name);
    }
    return { config, image, created: !existing, source, whyCold: start.whyCold, next: start.next };
  });
}

/**
 * Removes what a killed holder left beside a member's disk: names of frozen ones, new ones that no config named yet, and the one
 * that a restore or a power cut had replaced.
 */
async function removeLeftDisks(store: Store, config: MemberConfig, isRestored: boolean): Promise<void> {
  await unlinkFrozen(store, config);
  removeUnnamedDisks(store, config);
  const mayHaveOthers = config.from_checkpoint !== undefined || config.log_writes === true;
  if (mayHaveOthers && !isRestored) removeOtherDisks(store, config);
}

/** Makes the disk of a restored member, before the config names it; the one that it has stays. */
async function replaceDisk(
  { store, name, onReplace = () => {} }: PrepareRequest,
  restored: MemberConfig,
  existing: MemberConfig,
  image: Image,
): Promise<MemberConfig> {
  const { config, replaced } = replacing(restored, existing);
  await ensureDisk(store, config, image, true);
  await discardSuspended(store, name); // its memory belongs to the other disk
  onReplace(replaced);
  return config;
}

interface StartFacts {
  config: MemberConfig;
  existing: MemberConfig | undefined;
  saved: SavedMember | undefined;
  image: Image;
  publicKey: string;
}

/** What a member goes on from, else why it boots. */
async function chooseStart(
  { store, name, options, onPlan = () => Promise.resolve({}) }: PrepareRequest,
  { config, existing, saved, image, publicKey }: StartFacts,
): Promise<WarmPlan> {
  if (saved) {
    const { checkpoint, members } = options.snapshot!;
    return { source: checkpointSource(store, checkpoint, members[name], saved) };
  }
  if (!existing && config.shares) return { whyCold: "a directory is shared with it read-write" };
  if (!existing) return await onPlan(config, image, publicKey);
  const source = suspendedSource(store, existing);
  if (source && !options.cold) {
    checkStays(existing, config);
    if (config.mac !== existing.mac || config.ip !== existing.ip) throw otherAddress(existing);
    return { source };
  }
  if (source) await discardSuspended(store, name);
  return { whyCold: source ? "--cold was asked for: what was suspended is discarded" : "it has a disk of its own" };
}

function otherAddress({ name, ip }: MemberConfig): FleetboxError {
  return new FleetboxError("conflict", `"${name}" cannot go on in this group: its address ${ip} is another member's`, {
    hint: `Start it alone (fleetbox up ${name}, when the other one is stopped), or boot it: fleetbox up ${name} --cold`,
  });
}

/** Writes what belongs to a member beside its config. */
async function writeFiles(
  store: Store,
  config: MemberConfig,
  image: Image,
  publicKey: string,
  source: SavedSource | undefined,
): Promise<void> {
  const paths = store.member(config.name);
  // A suspended one has these; what its guest has read of them is in its memory.
  const isSuspended = source?.kind === "suspended";
  await allEnded([
    ensureDisk(store, config, image, source?.kind === "checkpoint"),
    ensureFirmware(paths, image, isSuspended ? undefined : source?.files.efiVars),
    writeSeed(paths.seed, {
      hostName: config.host_name ?? config.name,
      instanceId: config.instance_id,
      user: config.user,
      publicKey,
      mac: config.mac,
      address: `${config.ip}/${SUBNET.prefixLength}`,
      gateway: SUBNET.gateway,
      dns: SUBNET.dns,
      domain: DOMAIN,
      userData: config.user_data,
      sharedDirectories: config.fixtures.map(({ guest_path }) => guest_path),
    }),
    ...(isSuspended ? [] : config.fixtures.map(({ host_path }, index) => {
      const image = paths.sharedDirectoryImage(index);
      if (!source) return writeSharedDirectoryImage(image, host_path, index);
      return replaceFile(image, (aside) => Deno.link(source.files.sharedDirectoryImage(index), aside)); // read-only
    })),
  ]);
}

function isThere(name: string): FleetboxError {
  return new FleetboxError("conflict", `Cannot make "${name}" from a checkpoint: there is a member of that name`, {
    hint: `Choose another name with --as, or remove it: fleetbox rm ${name}`,
  });
}

/** A member's rights to use the gateway: the requested ones, else its earlier ones. */
export function gatewayUse(
  config: Pick<MemberConfig, "egress" | "host_access">,
  asked: Pick<Options, "egress" | "host_access">,
): { egress: "on" | "off"; host_access: boolean } {
  return {
    egress: asked.egress ?? config.egress ?? DEFAULTS.egress,
    host_access: asked.host_access ?? config.host_access ?? false,
  };
}

/**
 * Checks the shared directories of members to boot, existing and new ones, and that no disk is to shrink.
 * @throws {FleetboxError} before any work has begun.
 */
export function checkBeforeBoot(store: Store, names: readonly string[], options: Options): void {
  for (const name of names) {
    const stored = store.readMember(name);
    if (stored && "damage" in stored) continue; // its own boot reports that
    const its = optionsOf(options, name);
    checkDirectories(store, stored?.config ?? its);
    if (stored) checkGrows(stored.config, its);
  }
}

/** The member's image; downloads come before the member's lock, because they take time. */
export async function imageFor(
  { store, options, signal, onDownload }: PrepareRequest,
  existing: MemberConfig | undefined,
): Promise<Image> {
  return await resolveImage(store, existing?.image ?? options.image ?? DEFAULTS.image, existing?.image_id, {
    arch: existing ? existing.arch : options.arch,
    firmware: existing ? existing.firmware : options.firmware,
    signal,
    onDownload,
  });
}

/** The machine's boot source. @throws {FleetboxError} `unavailable`: no UEFI firmware on this host. */
function bootSource(paths: MemberPaths, { boot, arch }: Image, userData: string | undefined): BootSource {
  if (boot.kind === "kernel") {
    const { cmdlineOffline, ...source } = boot;
    if (cmdlineOffline === undefined || needsNetwork(userData)) return source;
    return { ...source, cmdline: `${source.cmdline} ${cmdlineOffline}` };
  }
  if (!needsUefi(boot, arch)) return { kind: "firmware" };
  return { kind: "firmware", uefi: { code: driver.findFirmware(arch).code, vars: paths.efiVars } };
}

function needsUefi(boot: ImageBoot, arch: Image["arch"]): boolean {
  return boot.kind === "firmware" && (boot.firmware ?? (arch === "aarch64" ? "uefi" : "bios")) === "uefi";
}

/** The variables of the member's own UEFI firmware, made once: a guest's changes stay, as on any machine. */
async function ensureFirmware(paths: MemberPaths, { boot, arch }: Image, saved?: string): Promise<void> {
  if (!needsUefi(boot, arch) || (saved === undefined && exists(paths.efiVars))) return;
  await writeDurably(paths.efiVars, await Deno.readFile(saved ?? driver.findFirmware(arch).vars));
}

/** The driver's spec for a prepared member. Reads none of its files. */
export function machineSpec(
  store: Store,
  config: MemberConfig,
  image: Image,
  host: { binary: string; accelerator: string; bound: boolean },
): MachineSpec {
  const paths = store.member(config.name);
  return {
    name: config.name,
    cpus: config.cpus,
    memoryMiB: config.memory_mb,
    mac: config.mac,
    disk: diskOf(store, config),
    ...(config.log_writes ? { writeLog: writeLogOf(store, config) } : {}),
    seed: paths.seed,
    extraDisks: config.fixtures.map((_, index) => ({
      path: paths.sharedDirectoryImage(index),
      readOnly: true,
      format: "raw",
    })),
    ...sharesOf(paths, config),
    boot: bootSource(paths, image, config.user_data),
    controlSocket: paths.qmpSocket,
    netSocket: paths.netSocket,
    consoleSocket: paths.consoleSocket,
    ...(image.agent !== undefined && image.arch === "x86_64" ? { agentSocket: paths.agentSocket } : {}),
    serialLog: paths.serialLog,
    ...host,
  };
}

/** Makes the disk of a member that never booted: on the top one of its layers, or else on its image. */
async function ensureDisk(store: Store, config: MemberConfig, image: Image, isSaved: boolean): Promise<void> {
  const disk = diskOf(store, config);
  if (exists(disk)) return;
  if (exists(store.member(config.name).serialLog) && !isSaved) {
    throw new FleetboxError(
      "damaged",
      `The disk of "${config.name}" is gone (${disk}), and it has booted before`,
      {
        hint: `Put the disk back, or remove the member: fleetbox rm ${config.name}`,
      },
    );
  }
  const [layer] = config.layers ?? [];
  const base = layer === undefined
    ? image
    : { disk: snapshotPaths(store).layer(layer), format: "qcow2", virtualBytes: 0 } as const;
  await createOverlay(disk, base, config.disk_mb);
}

/** Like `Promise.all`, but after a failure it waits for the others, so that no write comes later. */
async function allEnded(work: Promise<unknown>[]): Promise<void> {
  for (const done of await Promise.allSettled(work)) if (done.status === "rejected") throw done.reason;
}

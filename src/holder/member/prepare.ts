/**
 * A member before its machine runs: its config, its disk, its seed, and the spec for the driver.
 *
 * All of it happens under the member's lock, and each step can be repeated after a crash: the config and the disk
 * appear complete or not at all, the seed is made again at every boot. A disk is made only for a member that never
 * booted; one that is missing later is damage, and never replaced by an empty one.
 */

import { FleetboxError } from "../../core/errors.ts";
import { diskOf } from "../../store/disk.ts";
import { reserveForwards } from "../../store/forwards.ts";
import { snapshotPaths } from "../../store/snapshots.ts";
import { checkSharedDirectories, writeSharedDirectoryImage } from "../../guest/shared_directories.ts";
import { ensureKey } from "../../guest/key.ts";
import { writeSeed } from "../../guest/seed.ts";
import { checkUserData, needsNetwork } from "../../guest/user_data.ts";
import type { FetchProgress } from "../../image/fetch.ts";
import { type Image, type ImageBoot, resolveImage } from "../../image/image.ts";
import { createOverlay } from "../../image/overlay.ts";
import { DOMAIN, SUBNET } from "../../network/subnet.ts";
import { DEFAULTS, type Options } from "../../core/options.ts";
import { exists, writeDurably } from "../../system/files.ts";
import type { MemberConfig, MemberPaths, Store } from "../../store.ts";
import type { BootSource, MachineSpec } from "../../vmm/contract.ts";
import { driver } from "../../vmm/driver.ts";
import type { Stage } from "../../wire.ts";
import type { Identity } from "./identity.ts";

/** The guest's user that accepts our key. */
export const GUEST_USER = "fleetbox";

export interface Prepared {
  config: MemberConfig;
  image: Image;
  /** Whether the member did not exist before. */
  created: boolean;
}

interface PrepareRequest {
  store: Store;
  name: string;
  options: Options;
  /** What the group gives it. */
  identity: Identity;
  /** The group's id. */
  group: string;
  onStage: (stage: Stage) => void;
  /** Called with a download's progress; never when there is nothing to download. */
  onDownload: (progress: FetchProgress) => void;
  /** Ends a download. */
  signal: AbortSignal;
  /** Called as soon as a new member begins to exist, so that a failure can remove it again. */
  onCreate: () => void;
}

/**
 * Makes the missing files of a member, and returns its machine's parts.
 * @throws {FleetboxError} why that fails: a damaged config, a missing image, no space, a missing program, …
 */
export async function prepareMember(request: PrepareRequest): Promise<Prepared> {
  const { store, name, options, group } = request;
  const { hostName, ip, mac } = request.identity;
  const before = await imageFor(request);
  return await store.withMemberLock(name, async () => {
    const existing = store.config(name);
    // Once more, because another process may have created the member again meanwhile; downloads are done now.
    const image = existing?.image_id === before.id || !existing ? before : await imageFor(request);
    const kept = existing ?? newConfig(name, options, request.identity, image);
    let config: MemberConfig = { ...kept, ip, mac, group, ...gatewayUse(kept, options) };
    checkMemory(config, image);
    checkSharedDirectories(config.fixtures);
    if (!existing && config.user_data !== undefined) checkUserData(config.user_data);
    if (!existing) request.onCreate();
    request.onStage("disk");
    const paths = store.member(name);
    const publicKey = await ensureKey(store);
    config = await reserveForwards(store, config, options.publish ?? []);
    if (!existing || isChanged(existing, config)) await store.writeConfig(config);
    await allEnded([
      ensureDisk(store, config, image),
      ensureFirmware(paths, image),
      writeSeed(paths.seed, {
        hostName,
        instanceId: config.instance_id,
        user: config.user,
        publicKey,
        mac: config.mac,
        address: `${ip}/${SUBNET.prefixLength}`,
        gateway: SUBNET.gateway,
        dns: SUBNET.dns,
        domain: DOMAIN,
        userData: config.user_data,
        sharedDirectories: config.fixtures.map(({ guest_path }) => guest_path),
      }),
      ...config.fixtures.map(({ host_path }, index) =>
        writeSharedDirectoryImage(paths.sharedDirectoryImage(index), host_path, index)
      ),
    ]);
    return { config, image, created: !existing };
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

function isChanged(before: MemberConfig, after: MemberConfig): boolean {
  return (["ip", "mac", "group", "egress", "host_access"] as const).some((key) => before[key] !== after[key]);
}

/**
 * Checks the shared directories of members to boot, existing and new ones.
 * @throws {FleetboxError} before any work has begun.
 */
export function checkAllSharedDirectories(store: Store, names: readonly string[], options: Options): void {
  for (const name of names) {
    const stored = store.readMember(name);
    if (stored && "damage" in stored) continue; // its own boot reports that
    checkSharedDirectories(stored?.config.fixtures ?? options.fixtures ?? []);
  }
}

/** The member's image; downloads come before the member's lock, because they take time. */
async function imageFor({ store, name, options, signal, onDownload }: PrepareRequest): Promise<Image> {
  const existing = store.config(name);
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
async function ensureFirmware(paths: MemberPaths, { boot, arch }: Image): Promise<void> {
  if (!needsUefi(boot, arch) || exists(paths.efiVars)) return;
  await writeDurably(paths.efiVars, await Deno.readFile(driver.findFirmware(arch).vars));
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
    seed: paths.seed,
    extraDisks: config.fixtures.map((_, index) => ({
      path: paths.sharedDirectoryImage(index),
      readOnly: true,
      format: "raw",
    })),
    boot: bootSource(paths, image, config.user_data),
    controlSocket: paths.qmpSocket,
    netSocket: paths.netSocket,
    consoleSocket: paths.consoleSocket,
    serialLog: paths.serialLog,
    ...host,
  };
}

function newConfig(name: string, options: Options, { hostName, ip, mac }: Identity, image: Image): MemberConfig {
  return {
    name,
    ...(hostName === name ? {} : { host_name: hostName }),
    mac,
    cpus: options.cpus ?? DEFAULTS.cpus,
    memory_mb: options.mem === undefined ? image.defaultMemoryMiB : Math.round(options.mem * 1024),
    disk_mb: options.disk === undefined
      ? Math.max(DEFAULTS.diskMiB, Math.ceil(image.virtualBytes / 1024 / 1024))
      : Math.round(options.disk * 1024),
    image: image.ref,
    image_id: image.id,
    ...(options.arch ? { arch: options.arch } : {}),
    ...(options.firmware ? { firmware: options.firmware } : {}),
    created_at: new Date().toISOString(),
    instance_id: `${name}-${crypto.randomUUID()}`,
    fixtures: options.fixtures ?? [],
    ...(options.user_data === undefined ? {} : { user_data: options.user_data }),
    ip,
    user: GUEST_USER,
    ...(options.owner ? { owner: options.owner } : {}),
  };
}

function checkMemory(config: MemberConfig, image: Image): void {
  const { name, memory_mb } = config;
  if (memory_mb < image.minMemoryMiB) {
    throw new FleetboxError(
      "misuse",
      `"${name}" has ${memory_mb} MiB of memory, and its image needs at least ${image.minMemoryMiB} MiB`,
      { hint: `Use more: --memory ${image.minMemoryMiB}M` },
    );
  }
  const hostMiB = Math.floor(Deno.systemMemoryInfo().total / 1024 / 1024);
  if (memory_mb > hostMiB) {
    throw new FleetboxError(
      "no-space",
      `"${name}" wants ${memory_mb} MiB of memory, and this host has ${hostMiB} MiB`,
      {
        hint: "Use less with --memory.",
      },
    );
  }
}

/** Makes the disk of a member that never booted: on the top one of its layers, or else on its image. */
async function ensureDisk(store: Store, config: MemberConfig, image: Image): Promise<void> {
  const disk = diskOf(store, config);
  if (exists(disk)) return;
  if (exists(store.member(config.name).serialLog)) {
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

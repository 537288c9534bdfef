/**
 * What a machine goes on from, when it does not boot: a template, a member of a checkpoint, or its own suspended state.
 */

import { FleetboxError } from "../../core/errors.ts";
import type { Options } from "../../core/options.ts";
import { exists } from "../../system/files.ts";
import type { MemberConfig, Store } from "../../store.ts";
import {
  checkFits,
  nextDiskFile,
  readCheckpoint,
  readTemplate,
  type SavedMember,
  type SavedPaths,
  snapshotPaths,
  suspendedPaths,
  withSnapshotLock,
} from "../../store/snapshots.ts";
import type { HypervisorHost } from "../host.ts";

export interface SavedSource {
  kind: "template" | "checkpoint" | "suspended";
  /** The template's key, the checkpoint's name, the member's name. */
  name: string;
  files: SavedPaths;
  /** What the guest was called at the save. */
  hostName: string;
}

/** The member of a checkpoint that a member is to become. @throws {FleetboxError} `not-found`, `damaged` */
export function savedMemberFor(store: Store, name: string, { snapshot }: Options): SavedMember | undefined {
  const was = snapshot?.members[name];
  if (snapshot === undefined || was === undefined) return undefined;
  const checkpoint = readCheckpoint(store, snapshot.checkpoint);
  if (!checkpoint) throw thereIsNone(snapshot.checkpoint);
  const saved = checkpoint.members[was];
  if (saved) return saved;
  throw new FleetboxError(
    "not-found",
    `The checkpoint "${checkpoint.name}" has no member "${was}", only ${Object.keys(checkpoint.members).join(", ")}`,
    { hint: "List them: fleetbox checkpoint ls" },
  );
}

/**
 * Checks before anything else whether the checkpoint of a spawn can go on here.
 * @throws {FleetboxError} `not-found`, `damaged`; `unavailable`: it needs another hypervisor
 */
export async function checkCheckpoint(store: Store, host: HypervisorHost, { snapshot }: Options): Promise<void> {
  if (!snapshot) return;
  const checkpoint = readCheckpoint(store, snapshot.checkpoint);
  if (!checkpoint) throw thereIsNone(snapshot.checkpoint);
  checkFits(checkpoint, await host.snapshotFacts());
}

function thereIsNone(name: string): FleetboxError {
  return new FleetboxError("not-found", `There is no checkpoint "${name}"`, {
    hint: "List them: fleetbox checkpoint ls",
  });
}

export function checkpointSource(store: Store, checkpoint: string, was: string, saved: SavedMember): SavedSource {
  const files = snapshotPaths(store).checkpoint(checkpoint).member(was);
  return { kind: "checkpoint", name: checkpoint, files, hostName: saved.host_name };
}

/** A member's suspended state, when it has one. */
export function suspendedSource(store: Store, config: MemberConfig): SavedSource | undefined {
  const files = suspendedPaths(store, config.name);
  if (!exists(files.dir)) return undefined;
  return { kind: "suspended", name: config.name, files, hostName: config.host_name ?? config.name };
}

/** What a guest that goes on was called at its save: a checkpoint's and a suspended one as now. Undefined: nobody knows. */
export function hostNameAtSave(store: Store, { name, host_name = name, template }: MemberConfig): string | undefined {
  if (template === undefined) return host_name;
  try {
    return readTemplate(store, template)?.member.host_name;
  } catch {
    return undefined;
  }
}

/**
 * The config of a member that is made from a checkpoint's, or becomes that again.
 * @param files what is in its directory: its new disk has a name of its own there
 */
export function configFromSave(
  name: string,
  saved: SavedMember,
  existing: MemberConfig | undefined,
  { owner, snapshot }: Options,
  files: readonly string[] = [],
): MemberConfig {
  const { forwards: _forwards, group: _group, owner: _owner, host_name: _hostName, template: _template, ...config } =
    saved.config;
  // A member of the user's stays when a program takes it back to a checkpoint.
  const belongsTo = existing ? existing.owner : owner;
  return {
    ...config,
    name,
    ...(saved.host_name === name ? {} : { host_name: saved.host_name }),
    created_at: existing?.created_at ?? new Date().toISOString(),
    from_checkpoint: snapshot!.checkpoint,
    disk_file: existing && nextDiskFile([...files, existing.disk_file ?? ""]),
    // A port of the host leads to one member: those of the saved one are its own still.
    ...(existing?.forwards ? { forwards: existing.forwards } : {}),
    ...(belongsTo ? { owner: belongsTo } : {}),
  };
}

/**
 * Writes the config of a member that goes on from a saved one, while that is there: from then on its layers stay.
 * @throws {FleetboxError} `not-found`: it was removed a moment ago
 */
export async function writeWhileThere(store: Store, config: MemberConfig, source: SavedSource): Promise<void> {
  await withSnapshotLock(store, async () => {
    if (!exists(source.files.dir)) {
      throw new FleetboxError("not-found", `The ${source.kind} ${source.name} was removed meanwhile`);
    }
    await store.writeConfig(config);
  });
}

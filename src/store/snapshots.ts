/**
 * Snapshots in the store: saved machines, and the layers of disks that they and members are based on.
 *
 *     snapshots/                  0700
 *       .lock                     held while layers are made, counted or removed, and while what follows becomes visible or goes
 *       layers/<id>.qcow2         a part of disks that never changes again: the backing file of members' disks
 *       templates/<key>/          manifest.json devices memory; efivars.fd, fixture-<n>.img: a machine after its first boot
 *       checkpoints/<name>/       manifest.json; <member>/ with the same files as a template: a group at one moment
 *       making.<pid>-<x>.tmp/     one of the two while it is made: renamed to its place, or swept when its maker is gone
 *
 * A layer has no owner. It stays while anything reads it: the config of a member, the manifest of a template or a checkpoint, or
 * one that is being made. So `rm` of a member or a checkpoint breaks nothing that is based on the same layers.
 * A template is a cache: it may go at any time. A checkpoint goes when its user says so.
 */

export { fitTemplates, templateBudget } from "./snapshots/budget.ts";
export { checkFits } from "./snapshots/fits.ts";
export { freezeDisk, nextDiskFile, unlinkFrozen } from "./snapshots/freeze.ts";
export { claimLayers, type Collection, collectLayers, linkLayer, unusedLayers } from "./snapshots/layers.ts";
export { withCheckpointLock, withSnapshotLock } from "./snapshots/lock.ts";
export { discardMaking, newMaking } from "./snapshots/making.ts";
export type { CheckpointManifest, SavedMember, TemplateManifest } from "./snapshots/manifests.ts";
export { abandonedCheckpoints, dropCheckpoint, removeAbandoned } from "./snapshots/owned.ts";
export { newLayerId, type SavedPaths, snapshotFilesIn, snapshotPaths } from "./snapshots/paths.ts";
export {
  checkNew,
  type NewCheckpoint,
  type NewTemplate,
  publishCheckpoint,
  publishTemplate,
} from "./snapshots/publish.ts";
export {
  checkpoints,
  readCheckpoint,
  readTemplate,
  type StoredCheckpoint,
  type StoredTemplate,
  templates,
  touchTemplate,
} from "./snapshots/read.ts";
export { type CheckpointUsers, removeCheckpoint, removeTemplate, usersOfCheckpoint } from "./snapshots/remove.ts";
export {
  discardSuspended,
  isLinkOf,
  isSuspended,
  linkSuspended,
  publishSuspended,
  suspendedMaking,
  suspendedPaths,
  useUpSuspended,
} from "./snapshots/suspended.ts";
export { type ImageUsers, snapshotsOfImage, type SnapshotUse, snapshotUse } from "./snapshots/use.ts";

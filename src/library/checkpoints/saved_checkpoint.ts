/**
 * Checkpoints as a program sees them: saved, opened by name, forked, removed.
 *
 * One without a name of its own belongs to this process, which is its owner in the manifest. It goes when it is disposed of; when this
 * process ends in order ({@link removeAtExit}); when the holder of one of its groups finds it killed; or else with the next
 * group that any process of the library opens, or by `prune`.
 */

import { FleetboxError } from "../../core/errors.ts";
import { checkName, listed } from "../../core/names.ts";
import { isAlive } from "../../system/process.ts";
import type { Store } from "../../store.ts";
import { abandonedCheckpoints, type CheckpointManifest, removeAbandoned } from "../../store/snapshots.ts";
import { checked } from "../check.ts";
import type { Group, Home } from "../places/home.ts";
import { randomWord } from "../naming.ts";
import type { Checkpoint, CheckpointOptions, Cluster, ForkOptions, Vm } from "../types.ts";

type OpenFork<Fork> = (home: Home, checkpoint: string, options: ForkOptions) => Promise<Fork>;

export class SavedCheckpoint<Fork extends Vm | Cluster> implements Checkpoint<Fork> {
  readonly name: string;
  readonly members: readonly string[];

  /** @param isOurs whether it goes with this process */
  constructor(
    readonly home: Home,
    { name, members }: CheckpointManifest,
    private readonly isOurs: boolean,
    private readonly openFork: OpenFork<Fork>,
  ) {
    this.name = name;
    this.members = Object.values(members).map(({ host_name }) => host_name);
  }

  async fork(options?: ForkOptions): Promise<Fork> {
    return await this.openFork(this.home, this.name, checked("fork", `fork() of "${this.name}"`, options));
  }

  async remove(): Promise<void> {
    await this.home.removeCheckpoint(this.name);
    OURS.delete(this);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.isOurs) await this.remove();
  }
}

interface SaveRequest {
  group: Group;
  /** The machines, by their names in the store. */
  machines: readonly string[];
  /** @default one that nothing else has; then it goes with this process */
  name?: string;
  options?: CheckpointOptions;
}

/** Saves machines of a group at one moment. */
export async function save<Fork extends Vm | Cluster>(
  { group, machines, name, options }: SaveRequest,
  openFork: OpenFork<Fork>,
): Promise<SavedCheckpoint<Fork>> {
  const { signal } = checked("checkpoint", "checkpoint()", options);
  const isOurs = name === undefined;
  const as = isOurs ? `unnamed-${randomWord(10)}` : checkName(name);
  const manifest = await group.checkpoint(machines, { as, isOurs, signal });
  const checkpoint = new SavedCheckpoint(group.home, manifest, isOurs, openFork);
  if (isOurs) removeAtExit(checkpoint);
  return checkpoint;
}

/** The checkpoint behind the face. @throws {FleetboxError} `misuse`: it is none, or another store's */
export async function savedIn(home: Home, checkpoint: Checkpoint<Vm | Cluster>): Promise<CheckpointManifest> {
  if (!(checkpoint instanceof SavedCheckpoint)) {
    throw new FleetboxError("misuse", `Not a checkpoint: found ${typeof checkpoint}`, {
      hint: "checkpoint() gives one, and openCheckpoint() one that has a name.",
    });
  }
  const [found, expected] = [checkpoint.home.origin, home.origin];
  if (found === expected) return await home.checkpoint(checkpoint.name);
  throw new FleetboxError(
    "misuse",
    `The checkpoint "${checkpoint.name}" is in the store ${found}, the machines are in ${expected}`,
  );
}

/** The error for a machine that a checkpoint does not have. */
export function notSaved(hostName: string, { name, members }: CheckpointManifest): FleetboxError {
  const names = Object.values(members).map(({ host_name }) => host_name);
  return new FleetboxError("not-found", `The checkpoint "${name}" has no machine "${hostName}", only ${listed(names)}`);
}

/** Those of this process. */
const OURS = new Set<SavedCheckpoint<Vm | Cluster>>();
let isListening = false;

function removeAtExit(checkpoint: SavedCheckpoint<Vm | Cluster>): void {
  OURS.add(checkpoint);
  if (isListening) return;
  isListening = true;
  globalThis.addEventListener("unload", () => OURS.forEach(({ home, name }) => home.dropCheckpoint(name)));
}

/** Removes the checkpoints of programs that were killed. Never fails: the next one tries again. */
export async function removeAbandonedCheckpoints(store: Store): Promise<void> {
  try {
    await Promise.all(abandonedCheckpoints(store, isAlive).map((name) => removeAbandoned(store, name, isAlive)));
  } catch { /* its error is of no use here */ }
}

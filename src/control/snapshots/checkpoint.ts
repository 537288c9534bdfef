/**
 * Makes a checkpoint: the holder saves members of its group at one instant, and they go on.
 *
 * The holder brings a checkpoint that it has begun to its end, whatever becomes of its client. A client that is
 * interrupted waits for that, which is short, and removes the checkpoint again.
 */

import { codeOf, FleetboxError, hintOf, messageOf } from "../../core/errors.ts";
import { checkName, checkNames } from "../../core/names.ts";
import { suggestion } from "../../core/nearest.ts";
import type { Options } from "../../core/options.ts";
import type { Store } from "../../store.ts";
import {
  checkNew,
  type CheckpointManifest,
  checkpoints,
  readCheckpoint,
  removeCheckpoint,
} from "../../store/snapshots.ts";
import type { Event } from "../../wire.ts";
import { observeMembers } from "../observe.ts";
import { stream } from "../requests.ts";
import { groupToSave } from "./group_to_save.ts";

/** What errors call it. */
export const CHECKPOINT_NAME = "a checkpoint's name";

export interface CheckpointRequest {
  names: readonly string[];
  /** The checkpoint's name. */
  as: string;
  /** The program with which it goes. @default none: it stays until it is removed */
  owner?: Options["owner"];
  onEvent?: (event: Event) => void;
  /** Whether each step is an event. @default false */
  verbose?: boolean;
  /** Interrupts it: what was made is removed again. */
  signal?: AbortSignal;
}

/**
 * Returns when the checkpoint can be used.
 * @throws {FleetboxError} `conflict`: there is one of that name, a member does not run, or they run in several groups;
 * `unavailable`: this host cannot save machines; `no-space`; `interrupted`
 */
export async function takeCheckpoint(store: Store, request: CheckpointRequest): Promise<CheckpointManifest> {
  const { owner, verbose, onEvent = () => {}, signal } = request;
  const [as, names] = [checkName(request.as, CHECKPOINT_NAME), checkNames(request.names)];
  checkNew(store, as);
  groupToSave(await observeMembers(store, names));
  signal?.throwIfAborted();
  const isDone = await ask(store, { names, as, owner, verbose }, onEvent);
  if (signal?.aborted) {
    if (isDone) await removeCheckpoint(store, as);
    throw new FleetboxError("interrupted", "Interrupted; there is no checkpoint, and the members go on");
  }
  const manifest = readCheckpoint(store, as);
  if (manifest) return manifest;
  throw new FleetboxError("failed", `The checkpoint "${as}" was removed as soon as it was made`);
}

/** True when it was made. */
async function ask(
  store: Store,
  fields: { names: string[]; as: string; owner: Options["owner"]; verbose?: boolean },
  onEvent: (event: Event) => void,
): Promise<boolean> {
  const { names, as } = fields;
  try {
    for await (const event of stream(store, names[0], "checkpoint", fields)) {
      onEvent(event);
      if (event.event === "done") return true;
    }
  } catch (thrown) {
    throw codeOf(thrown) === "protocol" ? ofEarlierVersion(names[0], thrown) : thrown;
  }
  // Its holder was killed. It may have been made just before.
  if (readCheckpoint(store, as)) return true;
  throw new FleetboxError("failed", `The holder of "${names[0]}" ended before the checkpoint "${as}" was made`, {
    hint: `Nothing is lost: try again, fleetbox checkpoint ${names.join(",")} --as ${as}`,
  });
}

/** A reply that a holder without this verb gives. */
export function ofEarlierVersion(name: string, cause: unknown): FleetboxError {
  return new FleetboxError("protocol", messageOf(cause), {
    cause,
    hint: hintOf(cause) ??
      `An earlier version of fleetbox started it: fleetbox stop ${name} && fleetbox up ${name}, then again`,
  });
}

/** A checkpoint that must be there. @throws {FleetboxError} `not-found`, with the likely name; `damaged` */
export function requireCheckpoint(store: Store, name: string): CheckpointManifest {
  const manifest = readCheckpoint(store, name);
  if (manifest) return manifest;
  throw unknownCheckpoint(store, name);
}

/** The error for an unknown name, with the likely one, or all names. */
export function unknownCheckpoint(store: Store, name: string): FleetboxError {
  const names = checkpoints(store).map((one) => one.name);
  return new FleetboxError("not-found", `There is no checkpoint "${name}"`, {
    hint: suggestion(name, names, true) ?? `There are no checkpoints yet: fleetbox checkpoint a,b --as ${name}`,
  });
}

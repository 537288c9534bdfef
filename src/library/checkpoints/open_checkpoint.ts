/** Checkpoints that have names, opened by them. */

import { requireCheckpoint } from "../../control/snapshots/checkpoint.ts";
import { FleetboxError } from "../../core/errors.ts";
import { checkName } from "../../core/names.ts";
import { checked } from "../check.ts";
import { forkCluster } from "../cluster.ts";
import { homeOf, placeOf } from "../places/home_of.ts";
import type { Checkpoint } from "../types.ts";
import { SavedCheckpoint } from "./saved_checkpoint.ts";

/**
 * A checkpoint that was given a name: by `cluster.checkpoint(name)` in this program or another one, or by `fleetbox
 * checkpoint`.
 *
 * @param options `store`: the directory in which it is. @default $FLEETBOX_HOME, else ~/.fleetbox
 * @throws {FleetboxError} `not-found`: there is none, with the likely name; `damaged`
 *
 * @example
 * ```ts
 * import { openCheckpoint } from "fleetbox";
 *
 * await using run = await openCheckpoint("seeded").fork();
 * console.log(run.vms.map(({ hostName }) => hostName));
 * ```
 */
export function openCheckpoint(name: string, options?: { store?: string; on?: undefined }): Checkpoint;
/**
 * A checkpoint at a place, which is asked for it.
 *
 * @example
 * ```ts
 * import { openCheckpoint } from "fleetbox";
 *
 * const seeded = await openCheckpoint("seeded", { on: "big" });
 * await using run = await seeded.fork();
 * ```
 */
export function openCheckpoint(name: string, options: { store?: string; on: string }): Promise<Checkpoint>;
export function openCheckpoint(
  name: string,
  options?: { store?: string; on?: string },
): Checkpoint | Promise<Checkpoint> {
  const wish = checked("openCheckpoint", "openCheckpoint()", options);
  const place = placeOf(wish);
  if (wish.on !== undefined) return openAt(name, wish);
  if (place !== undefined) {
    throw new FleetboxError(
      "unavailable",
      `openCheckpoint() opens one of this host, and FLEETBOX_PLACE is "${place}"`,
      {
        hint: `Say where it is: await openCheckpoint(${JSON.stringify(name)}, { on: "${place}" }), or { on: "here" }`,
      },
    );
  }
  const home = homeOf(wish);
  return new SavedCheckpoint(home, requireCheckpoint(home.store, checkName(name)), false, forkCluster);
}

async function openAt(name: string, wish: { store?: string; on?: string }): Promise<Checkpoint> {
  const home = homeOf(wish);
  return new SavedCheckpoint(home, await home.checkpoint(checkName(name)), false, forkCluster);
}

/** Builds into the store, one at a time: a process that waited for a build of the same image uses its result. */

import { dirname } from "../system/path.ts";
import { FleetboxError, isNotFound } from "../core/errors.ts";
import { nearest } from "../core/nearest.ts";
import { exists } from "../system/files.ts";
import type { Store } from "../store.ts";
import { buildImage } from "./build.ts";
import { hasImage, imageDirectory, keyOf, lookUp, point, withImageLock } from "./cache.ts";
import { type Architecture, CATALOG, type CatalogRow, catalogRow } from "./catalog.ts";

interface KeepOptions {
  arch?: Architecture;
  /** A directory for the image, instead of the store; it must not exist yet. */
  output?: string;
  signal?: AbortSignal;
  onStep?: (step: string) => void;
}

/**
 * Builds an alias from packages, into the store, where the alias then means it; or at `output`.
 * @returns the image's directory
 * @throws {FleetboxError} `misuse`: it cannot be built; or why the build failed
 */
export async function buildAlias(store: Store, alias: string, options: KeepOptions = {}): Promise<string> {
  const { arch = Deno.build.arch, output, signal, onStep } = options;
  const row = buildable(alias);
  if (output !== undefined) {
    const place = () => newPlace(output); // also when it is built: somebody may have made it meanwhile
    requireRoomFor(place());
    return await buildImage({ row, arch, place, signal, onStep });
  }
  store.ensure();
  const began = lookUp(store, alias, arch);
  let waited = false;
  return await withImageLock(store, keyOf("build", alias, arch), async () => {
    const now = lookUp(store, alias, arch);
    if (waited && now !== undefined && now !== began && hasImage(store, now)) return imageDirectory(store, now);
    let id = "";
    const directory = await buildImage({
      row,
      arch,
      place: (version) => imageDirectory(store, id = `${alias}-${version}`),
      signal,
      onStep,
    });
    await point(store, { ref: alias, arch, id });
    return directory;
  }, {
    signal,
    onWait: () => {
      if (!waited) onStep?.("waiting for another build of it");
      waited = true;
    },
  });
}

function newPlace(output: string): string {
  if (!exists(output)) return output;
  throw new FleetboxError("conflict", `${output} already exists, expected a new directory`, {
    hint: "Remove it first, or choose another.",
  });
}

/** A build takes a minute, so a missing place for its result is an error before it. */
function requireRoomFor(output: string): void {
  const parent = dirname(output);
  try {
    Deno.removeSync(Deno.makeTempDirSync({ dir: parent, prefix: ".fleetbox-" }));
  } catch (cause) {
    throw new FleetboxError(isNotFound(cause) ? "not-found" : "denied", `Cannot make ${output} in ${parent}`, {
      cause,
      hint: "Name a new directory in an existing one that you may write to: --output DIR",
    });
  }
}

function buildable(alias: string): CatalogRow {
  const row = catalogRow(alias);
  if (row?.build) return row;
  const known = CATALOG.filter(({ build }) => build).map((one) => one.alias).join(", ");
  const near = nearest(alias, CATALOG.flatMap((one) => one.build ? [one.alias] : []));
  throw new FleetboxError("misuse", `fleetbox cannot build ${alias} from packages; it can build ${known}`, {
    hint: row ? `Download it: fleetbox image pull ${alias}` : near && `Did you mean ${near}?`,
  });
}

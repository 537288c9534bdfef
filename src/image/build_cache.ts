/** Builds into the store, one at a time: a process that waited for a build of the same image uses its result. */

import { dirname } from "../system/path.ts";
import { FleetboxError, isNotFound } from "../core/errors.ts";
import { nearest } from "../core/nearest.ts";
import { exists, temporaryOf } from "../system/files.ts";
import type { Store } from "../store.ts";
import { buildImage } from "./build.ts";
import { hasImage, imageDirectory, keyOf, lookUp, point, withImageLock } from "./cache.ts";
import { type Architecture, CATALOG, type CatalogRow, catalogRow } from "./catalog.ts";
import { MICRO, microDirectory } from "./micro.ts";

interface KeepOptions {
  arch?: Architecture;
  /** Packages besides the alias's own. @default [] */
  packages?: readonly string[];
  /** A name of the user's own, which means the image then. @default the alias */
  as?: string;
  /** Makes the image of the one that was built, at the place that its version has. @returns its directory */
  finish?: (base: string, place: (version: string) => string) => Promise<string>;
  /** A directory for the image, instead of the store; it must not exist yet. */
  output?: string;
  signal?: AbortSignal;
  onStep?: (step: string) => void;
}

/**
 * Builds an alias from packages, into the store, where the alias, or a name of the user's own, then means it; or at `output`. `micro`
 * is there already, and is only finished.
 * @returns the image's directory
 * @throws {FleetboxError} `misuse`: it cannot be built; or why the build failed
 */
export async function buildAlias(store: Store, alias: string, options: KeepOptions = {}): Promise<string> {
  const { arch = Deno.build.arch, as: name = alias, output, signal, onStep } = options;
  const row = alias === MICRO && options.finish ? undefined : buildable(alias);
  const make = (place: (version: string) => string) => built(store, row, { ...options, arch, as: name }, place);
  if (output !== undefined) {
    const place = () => newPlace(output); // also when it is built: somebody may have made it meanwhile
    requireRoomFor(place());
    return await make(place);
  }
  store.ensure();
  const began = lookUp(store, name, arch);
  let waited = false;
  return await withImageLock(store, keyOf("build", name, arch), async () => {
    const now = lookUp(store, name, arch);
    // Only an alias says all of what its image is made of.
    const isSame = waited && name === alias && now !== undefined && now !== began;
    if (isSame && hasImage(store, now)) return imageDirectory(store, now);
    let id = "";
    const directory = await make((version) => imageDirectory(store, id = `${name}-${version}`));
    await point(store, { ref: name, arch, id });
    return directory;
  }, {
    signal,
    onWait: () => {
      if (!waited) onStep?.("waiting for another build of it");
      waited = true;
    },
  });
}

/** @param row the catalogue's; undefined: micro */
async function built(
  store: Store,
  row: CatalogRow | undefined,
  { arch, as: name, packages, finish, signal, onStep }: KeepOptions & { arch: Architecture; as: string },
  place: (version: string) => string,
): Promise<string> {
  if (!row) return await finish!(await microDirectory(store, undefined), place);
  if (!finish) return await buildImage({ row, arch, name, packages, place, signal, onStep });
  store.ensure();
  // A half-made thing by its name, which is swept when this process is killed.
  const base = temporaryOf(imageDirectory(store, `${name}..base`));
  try {
    await buildImage({ row, arch, name: `${name}..base`, packages, place: () => base, signal, onStep });
    return await finish(base, place);
  } finally {
    await Deno.remove(base, { recursive: true }).catch(() => {});
  }
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
    hint: alias === MICRO
      ? "micro comes with fleetbox. One of your own is made with a script: --run FILE --as NAME"
      : row
      ? `Download it: fleetbox image pull ${alias}`
      : near && `Did you mean ${near}?`,
  });
}

/**
 * A real distribution for tests, built from packages by `fleetbox image build` and kept between runs.
 *
 * It is kept in a store of its own, outside of the repository: `$FLEETBOX_TEST_CACHE`, else
 * `$XDG_CACHE_HOME/fleetbox-tests`, else `~/.cache/fleetbox-tests`; about 400 MB. It is built anew (a minute on an idle
 * machine, from the host's package sources) when what it is built by has changed. Delete it at any time.
 *
 * As a program (`scripts/distro-image`) it only builds the image if it is missing: beside other tests, because the build
 * waits for the disk and the mirror half of its time. Two at once are fine: one builds, the other waits for it.
 */

import { createHash } from "node:crypto";
import { join } from "../../src/system/path.ts";
import { fileURLToPath } from "node:url";
import { CATALOG } from "../../src/image/catalog.ts";
import type { Store } from "../../src/store.ts";
import { Running } from "../support/command.ts";
import { type Sandbox, told } from "../support/sandbox.ts";

/** What an image depends on, besides its row in the catalogue. */
const MADE_BY = ["../../src/image/recipe.ts", "../../src/image/build.ts"];
const STAMP = "made-by";
const LIMIT_MS = 1_800_000;

function cacheDirectory(): string {
  const home = Deno.env.get("HOME");
  return Deno.env.get("FLEETBOX_TEST_CACHE") ||
    join(Deno.env.get("XDG_CACHE_HOME") || (home ? join(home, ".cache") : "/var/tmp"), "fleetbox-tests");
}

/** Makes sure that the cache has an image as it would be built now. The lock keeps others from changing it. */
async function ensureCached(cache: string, alias: string, env: Record<string, string>): Promise<Disposable> {
  Deno.mkdirSync(cache, { recursive: true, mode: 0o700 });
  const lock = Deno.openSync(join(cache, `${alias}.lock`), { create: true, write: true });
  try {
    await lock.lock(true);
    const wanted = digestOfSources(alias);
    if (isCurrent(cache, alias, wanted)) return lock;
    tell(`building ${alias} into ${cache}: a minute or two, once`);
    for (const old of imagesOf(cache, alias)) await Deno.remove(old, { recursive: true });
    const before = performance.now();
    const building = new Running(["image", "build", alias], { ...env, FLEETBOX_HOME: cache }, { limitMs: LIMIT_MS });
    const result = await building.done;
    if (result.code !== 0) throw new Error(`cannot build ${alias} for the tests\n${told(result)}`);
    await Deno.writeTextFile(stampOf(cache, alias), wanted);
    tell(`built ${alias} in ${Math.round((performance.now() - before) / 1000)} s`);
    return lock;
  } catch (thrown) {
    lock.close();
    throw thrown;
  }
}

const stampOf = (cache: string, alias: string) => join(cache, `${alias}.${STAMP}`);

function isCurrent(cache: string, alias: string, wanted = digestOfSources(alias)): boolean {
  try {
    return Deno.readTextFileSync(stampOf(cache, alias)) === wanted && imagesOf(cache, alias).length > 0;
  } catch {
    return false;
  }
}

function digestOfSources(alias: string): string {
  const hash = createHash("sha256");
  for (const path of MADE_BY) hash.update(Deno.readTextFileSync(fileURLToPath(new URL(path, import.meta.url))));
  hash.update(JSON.stringify(CATALOG.find((row) => row.alias === alias)?.build));
  return hash.digest("hex");
}

/** Puts an image into a sandbox's store, as if it had been built there. */
export async function provideImage(box: Sandbox, alias: string): Promise<void> {
  const cache = cacheDirectory();
  using _lock = await ensureCached(cache, alias, box.env);
  await putInto(box.store.imagesDir, cache, alias);
}

/** The same, only if the cache has the image as it would be built now. Says why not. */
export async function provideCachedImage(store: Store, alias: string): Promise<string | undefined> {
  const cache = cacheDirectory();
  const reason = `no ${alias} as it would be built now is in ${cache}: scripts/distro-image builds it`;
  if (!isCurrent(cache, alias)) return reason;
  using lock = Deno.openSync(join(cache, `${alias}.lock`), { create: true, write: true });
  await lock.lock(true);
  if (!isCurrent(cache, alias)) return reason;
  await putInto(store.imagesDir, cache, alias);
}

/** Links where the file system is the same: the files are never written to. */
async function putInto(images: string, cache: string, alias: string): Promise<void> {
  Deno.mkdirSync(images, { recursive: true, mode: 0o700 });
  for (const path of [...imagesOf(cache, alias), join(cache, "images", "refs")]) await copy(path, images);
}

/** Progress for people: a test of minutes should not be silent. */
export function tell(what: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`  distro: ${what}\n`));
}

function imagesOf(cache: string, alias: string): string[] {
  const images = join(cache, "images");
  try {
    return [...Deno.readDirSync(images)].filter(({ name }) => name.startsWith(`${alias}-`)).map(({ name }) =>
      join(images, name)
    );
  } catch {
    return [];
  }
}

async function copy(path: string, into: string): Promise<void> {
  for (const how of ["-al", "-a"]) {
    const { success } = await new Deno.Command("cp", { args: [how, path, into], stderr: "null" }).output();
    if (success) return;
    await Deno.remove(join(into, path.slice(path.lastIndexOf("/") + 1)), { recursive: true }).catch(() => {});
  }
  throw new Error(`cannot copy ${path} into ${into}`);
}

if (import.meta.main) {
  const env = Object.fromEntries(Object.entries(Deno.env.toObject()).filter(([name]) => name !== "FLEETBOX_HOME"));
  using _lock = await ensureCached(cacheDirectory(), "debian-12", env);
}

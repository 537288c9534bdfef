/**
 * `make compile`: one executable, `dist/fleetbox`, that needs nothing but QEMU on its host.
 *
 *     scripts/compile.ts [--target TARGET] [--output PATH] [--micro DIR] [--stamp VERSION] [--offline] [--carried]
 *     scripts/compile.ts --empty --output PATH     a program that does nothing (or waits: `PATH wait`), to compare with
 *
 * What goes in: `main.ts` and what it imports, bundled by esbuild (so that no package's other files, and no package that
 * only builds or tests, is carried or read at the start), the micro image and the viewer's page, compressed, the version and the commit. `deno compile` appends that to its runtime;
 * `toolchain.ts` says where the runtime comes from. Without a code cache: it would be a file in each user's TMPDIR. Exit
 * code 3: nothing here can compile.
 */

import { flagsOr, parseArgs } from "./flags.ts";
import { basename, dirname, join, resolve } from "../src/system/path.ts";
import { promisify } from "node:util";
import { brotliCompress, constants } from "node:zlib";
import type { Inside } from "../src/image/embedded.ts";
import { licences, packagesIn } from "./licences.ts";
import { findToolchain, isThere, output, ROOT, type Toolchain } from "./toolchain.ts";
import { buildViewer, esbuildPath, PAGE } from "./viewer.ts";

interface Flags {
  target: string;
  output: string;
  micro: string;
  stamp?: string;
  offline: boolean;
  /** Includes the image among Deno's files, as for macOS, also on Linux. */
  carried: boolean;
  empty: boolean;
}

function parseFlags(args: string[]): Flags {
  const { values } = flagsOr("compile: the flags are at the head of scripts/compile.ts", () =>
    parseArgs({
      args,
      options: {
        target: { type: "string", default: Deno.build.target },
        output: { type: "string", default: join(ROOT, "dist/fleetbox") },
        micro: { type: "string", default: Deno.env.get("FLEETBOX_MICRO") ?? join(ROOT, "build/micro") },
        stamp: { type: "string" },
        offline: { type: "boolean", default: false },
        carried: { type: "boolean", default: false },
        empty: { type: "boolean", default: false },
      },
    }));
  return { ...values, output: resolve(values.output), micro: resolve(values.micro) };
}

const EMPTY = 'if (Deno.args[0] === "wait") setTimeout(() => {}, 2 ** 31 - 1);\n';

/** How packages in CommonJS load Node's own modules. */
const REQUIRE = "const require = (name) => process.getBuiltinModule(name);";

/** `deno compile`. @param finish what is done to the executable before it is renamed to its path */
async function compile(
  flags: Flags,
  toolchain: Toolchain,
  app: string,
  finish?: (path: string) => Promise<void>,
): Promise<void> {
  await Deno.writeTextFile(join(app, "deno.json"), '{ "nodeModulesDir": "none", "lock": false }\n');
  await Deno.mkdir(dirname(flags.output), { recursive: true });
  // Written beside its path and renamed: a running executable cannot be written to, but it can be replaced.
  const aside = `${flags.output}.${Deno.pid}.tmp`;
  try {
    await output(toolchain.deno, [
      ...["compile", "--quiet", "--allow-all", "--no-check", "--no-code-cache", "--no-remote"],
      ...["--target", flags.target, "--config", join(app, "deno.json")],
      ...(flags.empty ? [] : ["--include", join(app, "build")]),
      ...["--output", aside, join(app, "main.js")],
    ], { cwd: app, env: { ...toolchain.env, DENO_NO_UPDATE_CHECK: "1" } });
    await finish?.(aside);
    await Deno.rename(aside, flags.output);
  } finally {
    await Deno.remove(aside).catch(() => {});
  }
}

/** `main.ts` as JavaScript: what every command needs in `main.js`, what some commands need in files of their own. */
async function bundle(app: string, stamp: string | undefined): Promise<string[]> {
  const binary = esbuildPath();
  if (!isThere(binary)) throw new Error(`${binary} is missing: run make setup first`);
  const commit = await commitOf();
  const meta = join(app, "meta.json");
  await output(binary, [
    join(ROOT, "main.ts"),
    ...["--bundle", "--splitting", "--format=esm", "--platform=node", "--target=esnext", "--log-level=warning"],
    ...["--legal-comments=none", `--outdir=${app}`, `--metafile=${meta}`, `--banner:js=${REQUIRE}`],
    ...(commit ? [`--define:FLEETBOX_COMMIT=${JSON.stringify(commit)}`] : []),
    ...(stamp ? [`--define:FLEETBOX_VERSION=${JSON.stringify(stamp)}`] : []),
  ], { cwd: ROOT });
  const packages = packagesIn(await Deno.readTextFile(meta));
  await Deno.remove(meta);
  return packages;
}

async function commitOf(): Promise<string | undefined> {
  try {
    const [commit, changes] = await Promise.all([
      output("git", ["rev-parse", "--short=12", "HEAD"], { cwd: ROOT }),
      output("git", ["status", "--porcelain", "--untracked-files=no"], { cwd: ROOT }),
    ]);
    return commit.trim() + (changes.trim() ? "-dirty" : "");
  } catch {
    return undefined; // an archive of the source, or no git
  }
}

/** A file for the executable: its name, and its compressed bytes. */
type Part = [file: string, packed: Uint8Array];

/** The files of the micro image, compressed: kept below `build/`, because an image changes less often than the program. */
async function packMicro(from: string): Promise<Part[]> {
  const manifest = JSON.parse(await Deno.readTextFile(join(from, "image.json")));
  const kept = join(ROOT, "build/compile", `micro-${manifest.version}`);
  await Deno.mkdir(kept, { recursive: true });
  return await Promise.all(["kernel", "initrd", "disk"].map(async (part): Promise<Part> => {
    const file: string = manifest[part];
    const place = join(kept, `${file}.br`);
    if (!isThere(place)) {
      const temporary = `${place}.${Deno.pid}.tmp`;
      await Deno.writeFile(temporary, await pack(await Deno.readFile(join(from, file))));
      await Deno.rename(temporary, place);
    }
    return [file, await Deno.readFile(place)];
  }));
}

/** The page of `trace show`. @returns the packages in it */
async function packViewer(app: string): Promise<string[]> {
  const packages = await buildViewer();
  const to = join(app, "build/viewer");
  await Deno.mkdir(to, { recursive: true });
  await Deno.writeFile(join(to, `${basename(PAGE)}.br`), await pack(await Deno.readFile(PAGE)));
  return packages;
}

/** Quality 5 of 11: the better ones take ten times as long for a tenth less. */
async function pack(bytes: Uint8Array): Promise<Uint8Array> {
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: 5,
    [constants.BROTLI_PARAM_LGWIN]: 24,
    [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
  };
  return await promisify(brotliCompress)(bytes, { params });
}

/**
 * Compiles the program with its image. On Linux the image's bytes go before Deno's part, see `src/image/embedded.ts`. The
 * offset is found in a compiled program that does nothing.
 */
async function compileAll(flags: Flags, toolchain: Toolchain, app: string): Promise<void> {
  const packages = [...new Set([...await bundle(app, flags.stamp), ...await packViewer(app)])].sort();
  const parts = await packMicro(flags.micro);
  const micro = join(app, "build/micro");
  await Deno.mkdir(micro, { recursive: true });
  await Deno.copyFile(join(flags.micro, "image.json"), join(micro, "image.json"));
  const mayLieBefore = flags.target.endsWith("-linux-gnu") && !flags.carried;
  const start = mayLieBefore ? await startOfDenoPart(flags, toolchain) : undefined;
  if (start === undefined) {
    for (const [file, packed] of parts) await Deno.writeFile(join(micro, `${file}.br`), packed);
    await compile(flags, toolchain, app);
  } else {
    const inside: Inside = {};
    let at = start;
    for (const [file, { length }] of parts) {
      inside[file] = [at, length];
      at += length;
    }
    await Deno.writeTextFile(join(micro, "inside.json"), JSON.stringify(inside));
    await compile(flags, toolchain, app, (path) => insert(path, start, parts.map(([, packed]) => packed)));
  }
  await Deno.writeTextFile(`${flags.output}-licences.txt`, await licences(packages));
}

/** Where Deno's part begins in what this toolchain makes; undefined when it cannot be told. */
async function startOfDenoPart(flags: Flags, toolchain: Toolchain): Promise<number | undefined> {
  const dir = await Deno.makeTempDir({ dir: join(ROOT, "build/compile"), prefix: "app-" });
  try {
    await Deno.writeTextFile(join(dir, "main.js"), EMPTY);
    const empty = { ...flags, empty: true, output: join(dir, "empty") };
    await compile(empty, toolchain, dir);
    return findDenoPart(await Deno.readFile(empty.output));
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

/**
 * An executable for Linux is the runtime, Deno's part, and 16 bytes, the last 8 of which are that part's length with these
 * 16 (libsui). Deno's part begins with a magic word; without it, the format is another one.
 */
function findDenoPart(executable: Uint8Array): number | undefined {
  const view = new DataView(executable.buffer, executable.byteOffset, executable.length);
  const start = executable.length - Number(view.getBigUint64(executable.length - 8, true));
  const word = new TextDecoder().decode(executable.subarray(start, start + 8));
  return word === "d3n0l4nd" ? start : undefined;
}

async function insert(path: string, start: number, pieces: Uint8Array[]): Promise<void> {
  const whole = await Deno.readFile(path);
  if (findDenoPart(whole) !== start) throw new Error("Deno's part does not begin where it did in an empty program");
  const all = [whole.subarray(0, start), ...pieces, whole.subarray(start)];
  await Deno.writeFile(path, new Blob(all as BlobPart[]).stream());
}

async function main(flags: Flags): Promise<number> {
  let toolchain: Toolchain;
  try {
    toolchain = await findToolchain({ target: flags.target, download: !flags.offline });
  } catch (thrown) {
    console.error(`compile: nothing here can compile: ${(thrown as Error).message}`);
    return 3;
  }
  const app = await Deno.makeTempDir({ dir: await buildDirectory(), prefix: "app-" });
  try {
    if (flags.empty) {
      await Deno.writeTextFile(join(app, "main.js"), EMPTY);
      await compile(flags, toolchain, app);
    } else {
      await compileAll(flags, toolchain, app);
    }
  } finally {
    await Deno.remove(app, { recursive: true });
  }
  const { size } = await Deno.stat(flags.output);
  console.log(
    `compile: ${basename(flags.output)} for ${flags.target}, ${(size / 1e6).toFixed(1)} MB, by ${toolchain.what}`,
  );
  return 0;
}

async function buildDirectory(): Promise<string> {
  const dir = join(ROOT, "build/compile");
  await Deno.mkdir(dir, { recursive: true });
  return dir;
}

if (import.meta.main) {
  try {
    Deno.exit(await main(parseFlags(Deno.args)));
  } catch (thrown) {
    console.error(`compile: ${(thrown as Error).message}`); // the message of Deno or esbuild: our own stack adds nothing
    Deno.exit(1);
  }
}

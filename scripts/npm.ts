/**
 * `make npm`: the library as a package for Node, in `build/npm`: `fleetbox`, `fleetbox/testing` and `fleetbox/vitest`.
 *
 *     scripts/npm.ts [--output DIRECTORY] [--stamp VERSION]
 *
 * JavaScript is made by esbuild: the library, with `src/node/` in place of `Deno` (decision 0019), and `ssh2` in a file of its
 * own. Types are made by TypeScript. The holder is not in it: `helper/` finds the executable.
 */

import { flagsOr, parseArgs } from "./flags.ts";
import { dirname, join, resolve } from "../src/system/path.ts";
import { licences, packagesIn } from "./licences.ts";
import { output, ROOT } from "./toolchain.ts";
import { esbuildPath } from "./viewer.ts";
import { Deno as ForNode } from "../src/node/deno.ts";

/** The package's modules, and what each is made of. */
const MODULES = { index: "mod.ts", testing: "testing.ts", vitest: "vitest.ts" };
/** The oldest Node that it runs on. */
const TARGET = "node20";
const SSH2 = "ssh2.cjs";

/** Bundles the modules into a directory. @returns the packages of npm that are in them */
export async function bundle(to: string, stamp?: string): Promise<string[]> {
  const options = ["--bundle", "--platform=node", `--target=${TARGET}`, "--log-level=warning", "--legal-comments=none"];
  const metas = [join(to, "meta.json"), join(to, "meta-ssh2.json")];
  await output(esbuildPath(), [
    ...Object.entries(MODULES).map(([name, from]) => `${name}=${from}`),
    ...[...options, "--splitting", "--format=esm", "--sourcemap", "--inject:src/node/inject.ts"],
    ...[`--outdir=${to}`, `--metafile=${metas[0]}`, `--define:FLEETBOX_SSH2=${JSON.stringify(`./${SSH2}`)}`],
    ...(stamp ? [`--define:FLEETBOX_VERSION=${JSON.stringify(stamp)}`] : []),
  ], { cwd: ROOT });
  // Its parts in C++ are optional.
  await output(esbuildPath(), [
    "node_modules/ssh2/lib/index.js",
    ...[...options, "--format=cjs", "--external:cpu-features", "--external:*.node"],
    ...[`--outfile=${join(to, SSH2)}`, `--metafile=${metas[1]}`],
  ], { cwd: ROOT });
  const packages = (await Promise.all(metas.map((meta) => Deno.readTextFile(meta)))).flatMap(packagesIn);
  for (const meta of metas) await Deno.remove(meta);
  return [...new Set(packages)].sort();
}

/** The members of `Deno` that a bundle uses, two deep: `errors.NotFound`, `open`. */
export function usedMembers(javascript: string): string[] {
  const found = javascript.matchAll(/(?<![\w.$"'`/])Deno\d*\.(\w+)(?:\.(\w+))?/g);
  return [
    ...new Set([...found].map(([, first, second]) => GROUPS.has(first) && second ? `${first}.${second}` : first)),
  ];
}

/** Members whose own members are looked at, too. */
const GROUPS = new Set(["errors", "env", "build", "version", "SeekMode", "test"]);

/** The members that a bundle uses and `src/node` does not have. */
export function missingMembers(javascript: string): string[] {
  return usedMembers(javascript).filter((member) =>
    // deno-lint-ignore no-explicit-any
    member.split(".").reduce<any>((of, name) => of?.[name], ForNode) === undefined
  );
}

/** Nothing is checked here: `deno check` does that, and knows the types of Deno. */
const COMPILER = {
  declaration: true,
  emitDeclarationOnly: true,
  noCheck: true,
  strict: true,
  target: "esnext",
  module: "nodenext",
  types: [],
  allowImportingTsExtensions: true,
  resolveJsonModule: true,
};

/** The declarations of what the modules export, and of what these need: of each file one, beside it. */
async function writeTypes(to: string): Promise<void> {
  const aside = await Deno.makeTempDir({ dir: join(ROOT, "build"), prefix: "types-" });
  const files = Object.values(MODULES).map((file) => join(ROOT, file));
  try {
    const project = join(aside, "tsconfig.json");
    await Deno.writeTextFile(
      project,
      JSON.stringify({ compilerOptions: { ...COMPILER, rootDir: ROOT, outDir: aside }, files }),
    );
    await output(join(ROOT, "node_modules/.bin/tsc"), ["--project", project], { cwd: ROOT });
    const wanted = Object.values(MODULES).map((file) => file.replace(/\.ts$/, ".d.ts"));
    for (const file of wanted) { // it grows
      const text = await Deno.readTextFile(join(aside, file));
      const place = join(to, "types", file);
      await Deno.mkdir(dirname(place), { recursive: true });
      await Deno.writeTextFile(place, forNode(text));
      for (const [, path] of text.matchAll(/(?:from |import\()"(\.[^"]+)\.ts"/g)) {
        const next = join(dirname(file), `${path}.d.ts`);
        if (path.endsWith(".d")) await copyDeclared(join(dirname(file), `${path}.ts`), join(to, "types"));
        else if (!wanted.includes(next)) wanted.push(next);
      }
    }
  } finally {
    await Deno.remove(aside, { recursive: true });
  }
}

/** Declarations that are a source, beside a source of the same name: they get one of their own. */
async function copyDeclared(file: string, to: string): Promise<void> {
  await Deno.copyFile(join(ROOT, file), join(to, file.replace(/\.d\.ts$/, "_declared.d.ts")));
}

/** Declarations as Node's users need them: what is `Deno`'s is `node:test`'s, and modules are called `.js`. */
function forNode(text: string): string {
  return text
    .replace(/((?:from |import\()"\.[^"]+?)\.d\.ts"/g, '$1_declared.js"')
    .replace(/((?:from |import\()"\.[^"]+?)\.ts"/g, '$1.js"')
    .replaceAll("Deno.TestContext", 'import("node:test").TestContext')
    .replaceAll("Deno.Signal", "NodeJS.Signals")
    .replaceAll("`Deno.test`", "`node:test`")
    .replace(/^import "[^"]+";\n/gm, "")
    .replaceAll('"@fleetbox/testing"', '"fleetbox/testing"')
    .replaceAll('"@fleetbox/vitest"', '"fleetbox/vitest"')
    .replace(/^\/\/# sourceMappingURL=.*\n?/gm, "");
}

async function packageJson(stamp: string | undefined): Promise<string> {
  const { version, license } = JSON.parse(await Deno.readTextFile(join(ROOT, "package.json")));
  const path = (name: string, file: string) => ({
    types: `./types/${file.replace(/\.ts$/, ".d.ts")}`,
    default: `./${name}.js`,
  });
  const exported = Object.entries(MODULES).map((
    [name, file],
  ) => [name === "index" ? "." : `./${name}`, path(name, file)]);
  return JSON.stringify(
    {
      name: "fleetbox",
      version: stamp ?? version,
      description: "Whole Linux machines, and groups of them on one private network, for tests",
      license,
      type: "module",
      engines: { node: ">=20.11" },
      os: ["linux", "darwin"],
      exports: Object.fromEntries(exported),
      // The declarations name types of Node's: streams, and the context of node:test.
      peerDependencies: { "@types/node": ">=20" },
      peerDependenciesMeta: { "@types/node": { optional: true } },
    },
    undefined,
    2,
  ) + "\n";
}

/**
 * The sources' places, as a map names them, become places below the package, although only the map has them: seen from a user's
 * project the true ones would be the user's own, and runners would show a failed test there.
 */
async function moveSources(map: string): Promise<void> {
  const { sources, ...rest } = JSON.parse(await Deno.readTextFile(map));
  const moved = sources.map((source: string) => source.replace(/^(\.\.\/)+/, "source/"));
  await Deno.writeTextFile(map, JSON.stringify({ ...rest, sources: moved }));
}

/** Makes the package. */
export async function makePackage(to: string, stamp?: string): Promise<void> {
  await Deno.remove(to, { recursive: true }).catch(() => {});
  await Deno.mkdir(to, { recursive: true });
  const [packages] = await Promise.all([bundle(to, stamp), writeTypes(to)]);
  for (const { name } of Deno.readDirSync(to)) {
    if (name.endsWith(".map")) await moveSources(join(to, name));
    const missing = name.endsWith(".js") ? missingMembers(await Deno.readTextFile(join(to, name))) : [];
    if (missing.length > 0) throw new Error(`the library uses Deno.${missing.join(", Deno.")}: add it to src/node`);
  }
  await Deno.writeTextFile(join(to, "package.json"), await packageJson(stamp));
  await Deno.writeTextFile(join(to, "LICENCES.txt"), await licences(packages));
  await Deno.copyFile(join(ROOT, "docs/node.md"), join(to, "README.md"));
}

if (import.meta.main) {
  const { values } = flagsOr("npm: the flags are at the head of scripts/npm.ts", () =>
    parseArgs({
      options: { output: { type: "string", default: join(ROOT, "build/npm") }, stamp: { type: "string" } },
      args: Deno.args,
    }));
  try {
    await makePackage(resolve(values.output), values.stamp);
    console.log(`npm: ${values.output}`);
  } catch (thrown) {
    console.error(`npm: ${(thrown as Error).message}`);
    Deno.exit(1);
  }
}

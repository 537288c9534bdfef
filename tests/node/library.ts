/**
 * The library's own tests (`tests/library`) on Node: each file as a bundle, run by `node --test`.
 *
 *     node_modules/.bin/deno run -A --no-check tests/node/library.ts [FILE…]     all that run on Node, one after the other
 */

import { join } from "../../src/system/path.ts";
import { output, ROOT } from "../../scripts/toolchain.ts";
import { esbuildPath } from "../../scripts/viewer.ts";
import { FLEETBOX } from "../support/command.ts";
import type { Ran } from "./support.ts";

/** Files that do not run on Node as they are, and why. */
export const NOT_ON_NODE: Record<string, string> = {
  "fixture_test.ts": "its samples are files for `deno test`; package_test.ts has the same of node:test and Vitest",
  "shared_test.ts": "as fixture_test.ts; package_test.ts has forks of a shared cluster in Vitest",
  "trace_test.ts": "it looks for its own lines by the address of its module, which a bundle does not have",
};

export const ON_NODE = [...Deno.readDirSync(join(ROOT, "tests/library"))]
  .map(({ name }) => name)
  .filter((name) => name.endsWith("_test.ts") && !Object.hasOwn(NOT_ON_NODE, name))
  .sort();

/** Runs a file's tests on Node. @param directory a temporary one */
export async function runOnNode(file: string, directory: string, reporter = "spec"): Promise<Ran> {
  const inject = join(directory, "inject.ts");
  // What the package has in place of globals, but with this `Deno`.
  const others = (await Deno.readTextFile(join(ROOT, "src/node/inject.ts"))).replace(/^export \{ Deno \}.*$/m, "");
  await Deno.writeTextFile(
    inject,
    `${others}\nexport { AsyncDisposableStack, Deno } from ${
      JSON.stringify(join(ROOT, "tests/node/deno_for_tests.ts"))
    };\n`,
  );
  const script = join(directory, file.replace(/\.ts$/, ".mjs"));
  const address = new URL(`../library/${file}`, import.meta.url).href;
  await output(esbuildPath(), [
    join(ROOT, "tests/library", file),
    ...["--bundle", "--format=esm", "--platform=node", "--target=node20", "--log-level=error", "--sourcemap=inline"],
    ...[`--inject:${inject}`, `--alias:#assert=${join(ROOT, "tests/support/assert.ts")}`, `--outfile=${script}`],
    `--define:import.meta.url=${JSON.stringify(address)}`,
  ], { cwd: ROOT });
  const { code, stdout, stderr } = await new Deno.Command("node", {
    args: ["--enable-source-maps", "--test", `--test-reporter=${reporter}`, script],
    env: { FLEETBOX_HELPER: FLEETBOX, FB_DENO: Deno.execPath() },
  }).output();
  return { code, text: new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr) };
}

if (import.meta.main) {
  const failed: string[] = [];
  for (const file of Deno.args.length > 0 ? Deno.args : ON_NODE) {
    const directory = await Deno.makeTempDir({ prefix: "n" });
    try {
      console.log(file);
      const { code, text } = await runOnNode(file, directory);
      console.log(text);
      if (code !== 0) failed.push(file);
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  }
  if (failed.length > 0) throw new Error(`failed on Node: ${failed.join(", ")}`);
}

/** What the tests of the package for Node share: programs, the package in a project of its own, what a run printed. */

import { fileURLToPath } from "node:url";
import { join } from "../../src/system/path.ts";
import { makePackage } from "../../scripts/npm.ts";
import { output, ROOT } from "../../scripts/toolchain.ts";
import { esbuildPath } from "../../scripts/viewer.ts";

/** Of what users have in their projects: the newest that is tested. */
const VITEST = "vitest@4.1.12";
const NODE_TYPES = "@types/node@20.19.43";

export const FLEETBOX = Deno.env.get("FLEETBOX_TEST_EXE") ?? join(ROOT, "bin/fleetbox");

export interface Ran {
  code: number;
  text: string;
}

/** Runs a program to its end. */
export async function run(
  program: string,
  args: string[],
  options: { cwd: string; env?: Record<string, string> },
): Promise<Ran> {
  const { code, stdout, stderr } = await new Deno.Command(program, { args, ...options }).output();
  return { code, text: new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr) };
}

/** A source of these tests as JavaScript for Node, with `src/node` in Deno's place. */
export async function bundleForNode(source: string, to: string): Promise<void> {
  await output(esbuildPath(), [
    fileURLToPath(new URL(source, import.meta.url)),
    ...["--bundle", "--format=esm", "--platform=node", "--target=node20", "--log-level=warning", `--outfile=${to}`],
    `--inject:${join(ROOT, "src/node/inject.ts")}`,
  ], { cwd: ROOT });
}

/** A user's project: made by `npm install` of the packed package and of Vitest. */
export class Project implements AsyncDisposable {
  private constructor(readonly root: string, readonly env: Record<string, string>) {}

  static async make(): Promise<Project> {
    const root = await Deno.makeTempDir({ prefix: "n" });
    const env = { FLEETBOX_HELPER: FLEETBOX, FLEETBOX_HOME: join(root, "h"), NO_COLOR: "1", CI: "" };
    const project = new Project(join(root, "project"), env);
    try {
      await Deno.mkdir(project.root);
      await makePackage(join(root, "package"));
      const packed = await run("npm", ["pack", "--silent", "--pack-destination", root], { cwd: join(root, "package") });
      await project.write("package.json", '{ "type": "module", "private": true }\n');
      const quiet = ["--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error"];
      const installed = await project.run("npm", [
        ...["install", "--save-dev", ...quiet, join(root, packed.text.trim()), VITEST, NODE_TYPES],
      ]);
      if (installed.code !== 0) throw new Error(`npm install failed: ${installed.text}`);
      return project;
    } catch (thrown) {
      await project[Symbol.asyncDispose]();
      throw thrown;
    }
  }

  async write(name: string, text: string): Promise<void> {
    await Deno.writeTextFile(join(this.root, name), text);
  }

  async run(program: string, args: string[], env: Record<string, string> = {}): Promise<Ran> {
    return await run(program, args, { cwd: this.root, env: { ...this.env, ...env } });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(join(this.root, ".."), { recursive: true });
  }
}

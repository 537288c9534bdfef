/**
 * What `deno compile` needs: a Deno, and the runtime (`denort`) of the same version that becomes the executable's front.
 *
 * | what is there                                   | what is taken                                              |
 * | ----------------------------------------------- | ---------------------------------------------------------- |
 * | `DENORT_BIN` (and perhaps `DENO`)               | these                                                      |
 * | a runtime that our Deno downloaded before       | our Deno                                                   |
 * | the network, where it may be used               | our Deno, which downloads its runtime from dl.deno.land    |
 * | `../shared/tools/standalone-toolchain`          | the pair that it puts together from npm, to check with     |
 * | nothing of this                                 | nothing, and why                                           |
 */

import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("..", import.meta.url)).replace(/\/$/, "");
const OUR_DENO = join(ROOT, "node_modules/.bin/deno");

export interface Toolchain {
  deno: string;
  env: Record<string, string>;
  /** For people. */
  what: string;
}

export interface Wanted {
  /** `Deno.build.target` of the executable. */
  target: string;
  /** Whether dl.deno.land may be asked. */
  download: boolean;
}

/** @throws {Error} there is none, with the reasons. */
export async function findToolchain({ target, download }: Wanted): Promise<Toolchain> {
  const given = Deno.env.get("DENORT_BIN");
  if (given) {
    return { deno: Deno.env.get("DENO") ?? OUR_DENO, env: { DENORT_BIN: given }, what: `DENORT_BIN (${given})` };
  }
  const version = (await output(OUR_DENO, ["eval", "console.log(Deno.version.deno)"])).trim();
  const ours = { deno: OUR_DENO, env: {}, what: `Deno ${version}` };
  if (await hasRuntime(version, target)) return ours;
  const reasons = [`no runtime of Deno ${version} for ${target} is on this machine`];
  if (download) {
    const problem = await fetchRuntime(target);
    if (problem === undefined) return ours;
    reasons.push(problem);
  }
  const shared = join(ROOT, "../shared/tools/standalone-toolchain");
  if (target !== Deno.build.target) reasons.push("only the host's own kind can be put together from npm");
  else if (!isThere(shared)) reasons.push(`${shared} is not there`);
  else {
    try {
      return await fromNpm(shared);
    } catch (thrown) {
      reasons.push((thrown as Error).message);
    }
  }
  throw new Error(reasons.join("; "));
}

/** Whether Deno finds the runtime in its own cache: `dl/release/v<version>/denort-<target>.zip`. */
async function hasRuntime(version: string, target: string): Promise<boolean> {
  const { denoDir } = JSON.parse(await output(OUR_DENO, ["info", "--json", "--no-config"]));
  return isThere(join(denoDir, "dl", "release", `v${version}`, `denort-${target}.zip`));
}

/** Lets Deno download the runtime, by compiling nothing. What went wrong, if it did. */
async function fetchRuntime(target: string): Promise<string | undefined> {
  const dir = await Deno.makeTempDir({ prefix: "denort-" });
  try {
    await Deno.writeTextFile(join(dir, "empty.ts"), "");
    await output(OUR_DENO, [
      "compile",
      "--quiet",
      "--target",
      target,
      "--output",
      join(dir, "x"),
      join(dir, "empty.ts"),
    ]);
    return undefined;
  } catch (thrown) {
    return `it cannot be downloaded: ${(thrown as Error).message.trim().split("\n")[0]}`;
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

/** The tool prints `DENO=…` and `DENORT_BIN=…`, quoted for a shell. */
async function fromNpm(tool: string): Promise<Toolchain> {
  const cache = Deno.env.get("FLEETBOX_TOOLCHAIN") ?? join(Deno.env.get("HOME") ?? "/tmp", ".cache/fleetbox-toolchain");
  const script = 'set -eu; said=$("$0" "$1"); eval "$said"; printf "%s\\n" "$DENO" "$DENORT_BIN"';
  const [deno, denort] = (await output("bash", ["-c", script, tool, cache])).trim().split("\n");
  return { deno, env: { DENORT_BIN: denort }, what: "the pair from npm, to check with and not to release" };
}

export async function output(program: string, args: string[], options: Deno.CommandOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(program, { stdin: "null", ...options, args }).output();
  if (code === 0) return new TextDecoder().decode(stdout);
  const said = new TextDecoder().decode(stderr).trim();
  throw new Error(said.split("\n").slice(-5).join("\n") || `${program} ended with code ${code}`);
}

export function isThere(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

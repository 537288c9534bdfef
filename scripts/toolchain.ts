/**
 * What `deno compile` needs: a Deno, and the runtime (`denort`) of the same version that becomes the executable's front.
 *
 * | what is there                                   | what is taken                                              |
 * | ----------------------------------------------- | ---------------------------------------------------------- |
 * | `DENORT_BIN` (and perhaps `DENO`)               | these                                                      |
 * | a runtime that our Deno downloaded before       | our Deno; with `DENO`, that one                            |
 * | the network, where it may be used               | the same, which downloads its runtime from dl.deno.land    |
 * | `../shared/tools/standalone-toolchain`          | the pair that it puts together from npm, for checks        |
 * | nothing of this                                 | nothing: why, and what to do                               |
 */

import { join, resolve } from "../src/system/path.ts";
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

/** @throws {Error} there is none, with the reasons and what to do. */
export async function findToolchain({ target, download }: Wanted): Promise<Toolchain> {
  const deno = givenProgram("DENO") ?? OUR_DENO;
  const denort = givenProgram("DENORT_BIN");
  const version = await versionOf(deno);
  if (denort !== undefined) return { deno, env: { DENORT_BIN: denort }, what: `DENORT_BIN (${denort})` };
  const found = { deno, env: {}, what: `Deno ${version}` };
  if (await hasRuntime(deno, version, target)) return found;
  const reasons = [`no runtime of Deno ${version} for ${target} is on this machine`];
  if (download) {
    const problem = await fetchRuntime(deno, target);
    if (problem === undefined) return found;
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
  throw new Error(`${reasons.join("; ")}\n${whatToDo(version, target)}`);
}

function whatToDo(version: string, target: string): string {
  return `Do one of these:
  - compile on a host that reaches https://dl.deno.land: Deno downloads its runtime from there
  - give a Deno and the runtime (denort) of its version:
      DENO=/path/to/deno DENORT_BIN=/path/to/denort make compile
    for Deno ${version}, the runtime is denort in
      https://dl.deno.land/release/v${version}/denort-${target}.zip`;
}

/**
 * A program that the environment names: by an absolute path, as `deno compile` runs in a directory of its own.
 * @throws {Error} it is not there.
 */
function givenProgram(variable: string): string | undefined {
  const given = Deno.env.get(variable);
  if (!given) return undefined;
  if (variable === "DENO" && !given.includes("/")) return given; // a command, found on PATH
  const path = resolve(given);
  if (!isThere(path)) throw new Error(`${variable} is ${given}, and there is no ${path}: give the path of a file`);
  return path;
}

/** @throws {Error} it does not run. */
async function versionOf(deno: string): Promise<string> {
  try {
    return (await output(deno, ["eval", "console.log(Deno.version.deno)"])).trim();
  } catch (cause) {
    const whose = deno === OUR_DENO ? "run make setup first" : "DENO must be an executable of Deno";
    throw new Error(`${deno} does not run (${(cause as Error).message}): ${whose}`, { cause });
  }
}

/** Whether Deno finds the runtime in its own cache: `dl/release/v<version>/denort-<target>.zip`. */
async function hasRuntime(deno: string, version: string, target: string): Promise<boolean> {
  const { denoDir } = JSON.parse(await output(deno, ["info", "--json", "--no-config"]));
  return isThere(join(denoDir, "dl", "release", `v${version}`, `denort-${target}.zip`));
}

/** Lets Deno download the runtime, by compiling nothing. Returns the error, if there was one. */
async function fetchRuntime(deno: string, target: string): Promise<string | undefined> {
  const dir = await Deno.makeTempDir({ prefix: "denort-" });
  try {
    await Deno.writeTextFile(join(dir, "empty.ts"), "");
    const [to, from] = [join(dir, "x"), join(dir, "empty.ts")];
    await output(deno, ["compile", "--quiet", "--target", target, "--output", to, from]);
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

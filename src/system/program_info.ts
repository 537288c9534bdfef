/**
 * Facts about this program: its version, where its files are, and how it starts itself again (the program and the
 * arguments before `--fleetbox-runner`).
 *
 * A compiled program starts its executable; from source it starts the same Deno with the main module of this checkout,
 * even when the client's main module is another. A compiled executable may be fleetbox, or another program that uses
 * the library; only its main module knows, so fleetbox's main module registers itself. `scripts/compile.ts` inserts the
 * version and commit.
 */

/** A program that becomes a holder, with the arguments before ours. */
export interface Executable {
  program: string;
  args: string[];
}

declare const FLEETBOX_VERSION: string | undefined;
declare const FLEETBOX_COMMIT: string | undefined;

export const VERSION = typeof FLEETBOX_VERSION === "string" ? FLEETBOX_VERSION : "0.1.0";

/** The commit of a compiled executable, with `-dirty` when there were uncommitted changes; from source, undefined. */
export const COMMIT = typeof FLEETBOX_COMMIT === "string" ? FLEETBOX_COMMIT : undefined;

/** The version line of a program: `fleetbox 0.1.0 (4f2c9e1a7b3d)`. */
export function versionLine(name = "fleetbox"): string {
  return COMMIT === undefined ? `${name} ${VERSION}` : `${name} ${VERSION} (${COMMIT})`;
}

let registered: string | undefined;

/**
 * Called by `start.ts` and `helper/main.ts` when they are the program's main module.
 * @param root the directory of the accompanying files; compiled, it is inside the executable.
 */
export function registerFleetbox(root: string): void {
  registered = root;
}

/** Whether this program is fleetbox or its helper, which can become a holder when spawned again. */
export function isFleetbox(): boolean {
  return registered !== undefined;
}

/** The path of a file that comes with fleetbox. Compiled, only this process can read it. */
export function companion(path: string): string {
  return `${registered ?? sourceRoot()}/${path}`;
}

function sourceRoot(): string {
  return import.meta.dirname!.slice(0, -"/src/system".length);
}

export function selfExecutable(): Executable {
  return executable(`${sourceRoot()}/source.ts`);
}

/** The program that this process is, by the main module that it was started with. */
export function sameExecutable(): Executable {
  return executable(Deno.mainModule);
}

/**
 * Options of Deno for a holder: it lives for days and allocates little, so memory counts more than a few milliseconds at its start.
 * Code is optimized without a thread of its own, which would keep 3 MiB.
 */
export const FRUGAL = ["--no-code-cache", "--v8-flags=--max-semi-space-size=1,--no-concurrent-recompilation"];

function executable(mainModule: string): Executable {
  if (Deno.build.standalone) return { program: ownPath(Deno.execPath()), args: [] };
  const program = Deno.execPath();
  const root = sourceRoot();
  const quiet = ["-A", "--no-prompt", "--quiet"];
  return { program, args: ["run", ...FRUGAL, ...quiet, `--config=${root}/deno.json`, mainModule] };
}

/** The same Deno with fleetbox's main module; undefined when compiled, or when that module is not on this disk. */
export function sourceExecutable(): Executable | undefined {
  if (Deno.build.standalone || !import.meta.url.startsWith("file:")) return undefined;
  const self = selfExecutable();
  return isFile(self.args.at(-1)!) ? self : undefined;
}

/**
 * The path of an executable. Linux appends ` (deleted)` when the file was replaced while it ran. Then the new file is
 * the one to start; it reports itself when it is too new for us.
 */
export function ownPath(execPath: string): string {
  const replaced = execPath.replace(/ \(deleted\)$/, "");
  return replaced === execPath || isFile(execPath) ? execPath : replaced;
}

/** As in `files.ts`, which `version` does not load: it reads next to nothing. */
function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

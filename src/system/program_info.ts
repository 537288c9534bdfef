/**
 * What this program is: its version, where what belongs to it lies, and how it starts itself again (the program and the
 * arguments that come before `--fleetbox-runner`).
 *
 * Compiled, that is the executable alone; from source, the same Deno with the main module of this very checkout, whatever
 * the client's own main module is. Whether a compiled executable is fleetbox at all, or somebody's program that uses the
 * library, is known only to its main module: it registers itself. `scripts/compile.ts` puts the stamps in.
 */

/** A program that becomes a holder, with the arguments that come before ours. */
export interface Executable {
  program: string;
  args: string[];
}

declare const FLEETBOX_VERSION: string | undefined;
declare const FLEETBOX_COMMIT: string | undefined;

export const VERSION = typeof FLEETBOX_VERSION === "string" ? FLEETBOX_VERSION : "0.1.0";

/** The commit that the executable was compiled from, `-dirty` when there was more than that; from source, unknown. */
export const COMMIT = typeof FLEETBOX_COMMIT === "string" ? FLEETBOX_COMMIT : undefined;

/** `fleetbox 0.1.0 (4f2c9e1a7b3d)`: what a program says of itself. */
export function versionLine(name = "fleetbox"): string {
  return COMMIT === undefined ? `${name} ${VERSION}` : `${name} ${VERSION} (${COMMIT})`;
}

let registered: string | undefined;

/**
 * Said by `start.ts` and `helper/main.ts` when they are the program's main module.
 * @param root the directory that holds what comes along; compiled, it is inside the executable.
 */
export function registerFleetbox(root: string): void {
  registered = root;
}

/** Whether the program that runs is fleetbox or its helper: spawned again, it can become a holder. */
export function isFleetbox(): boolean {
  return registered !== undefined;
}

/** The path of what comes along with fleetbox. Compiled, only this very process can read it. */
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

function executable(mainModule: string): Executable {
  if (Deno.build.standalone) return { program: ownPath(Deno.execPath()), args: [] };
  const program = Deno.execPath();
  const root = sourceRoot();
  // A holder lives for days and allocates little: memory counts for more than the last milliseconds of its start.
  const frugal = ["--no-code-cache", "--v8-flags=--max-semi-space-size=1"];
  const quiet = ["-A", "--no-prompt", "--quiet"];
  return { program, args: ["run", ...frugal, ...quiet, `--config=${root}/deno.json`, mainModule] };
}

/** The same Deno with fleetbox's main module; undefined when compiled, or when that module is not on this disk. */
export function sourceExecutable(): Executable | undefined {
  if (Deno.build.standalone || !import.meta.url.startsWith("file:")) return undefined;
  const self = selfExecutable();
  return isFile(self.args.at(-1)!) ? self : undefined;
}

/**
 * Where an executable is found. Linux says ` (deleted)` of one that was replaced while it ran: what stands in its place
 * now is the one to start, and says so itself when it is too new for us.
 */
export function ownPath(execPath: string): string {
  const replaced = execPath.replace(/ \(deleted\)$/, "");
  return replaced === execPath || isFile(execPath) ? execPath : replaced;
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

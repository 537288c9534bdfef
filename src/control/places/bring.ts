/**
 * fleetbox at a place: the executable is brought there once, into the store there, under a name with its digest, and is
 * verified there before it has that name.
 */

import { writeAll } from "../../core/bytes.ts";
import { FleetboxError, isNotFound } from "../../core/errors.ts";
import { digestOfFile } from "../../system/digest.ts";
import { replaceFile, sizeOf } from "../../system/files.ts";
import { ProcessError } from "../../system/process.ts";
import { type PlaceConnection, shellLine } from "./connection.ts";

/** What a host says of itself. */
export interface Host {
  /** `Linux x86_64` */
  system: string;
  /** The store there. */
  store: string;
}

/** Looks at the host. @param store another directory for the store there */
export async function lookAt(connection: PlaceConnection, store?: string): Promise<Host> {
  const script = 'uname -sm; printf "%s\\n" "${FLEETBOX_HOME:-$HOME/.fleetbox}"';
  const lines = (await inWords(connection, () => connection.shell(script))).trim().split("\n");
  // What the user's shell prints at its start comes before.
  const [system = "", found = ""] = lines.slice(-2);
  const root = store ?? found;
  if (!root.startsWith("/") || /[\n\0]/.test(root)) {
    throw new FleetboxError(
      "failed",
      `${connection.place.url} has no directory for a store: found ${JSON.stringify(root)}`,
      {
        hint: "Name one: --store /absolute/directory",
      },
    );
  }
  return { system, store: root };
}

/** An executable to bring. */
export interface Cargo {
  path: string;
  digest: string;
  bytes: number;
}

/** @throws {FleetboxError} `not-found` */
export async function cargo(path: string): Promise<Cargo> {
  try {
    const { size, isFile } = Deno.statSync(path);
    if (!isFile) throw new FleetboxError("misuse", `${path} is not a file, expected the executable for the place`);
    return { path, digest: await digestOfFile(path), bytes: size };
  } catch (cause) {
    if (!isNotFound(cause)) throw cause;
    throw new FleetboxError("not-found", `There is no ${path}, expected the executable for the place`, { cause });
  }
}

/** Where an executable is kept there. */
export function programThere(store: string, { digest }: Cargo): string {
  return `${store}/bin/fleetbox-${digest.slice(0, 16)}`;
}

const DIGEST = 'digest() { if command -v sha256sum >/dev/null; then sha256sum "$1"; else shasum -a 256 "$1"; fi; }';

/** The digest of a file there; undefined when there is none. */
export async function digestThere(connection: PlaceConnection, path: string): Promise<string | undefined> {
  const text = await inWords(connection, () => connection.shell(`${DIGEST}; [ ! -e "$1" ] || digest "$1"`, [path]));
  return /\b[0-9a-f]{64}\b/.exec(text)?.[0];
}

/** Copies an executable there, and verifies it. */
export async function bring(connection: PlaceConnection, { path, digest }: Cargo, to: string): Promise<void> {
  const script = `set -e; umask 077; ${DIGEST}
    mkdir -p "\${1%/*}"; aside=$1.$$.tmp; trap 'rm -f "$aside"' EXIT
    cat >"$aside"; found=$(digest "$aside")
    case $found in "$2"*) ;; *) echo "found \${found%% *}, expected $2" >&2; exit 9 ;; esac
    chmod 700 "$aside"; mv "$aside" "$1"`;
  const [program, args] = connection.session(["-T"], shellLine(script, [to, digest]));
  using file = await Deno.open(path);
  const child = new Deno.Command(program, { args, stdin: "piped", stdout: "null", stderr: "piped" }).spawn();
  const output = child.output();
  await file.readable.pipeTo(child.stdin).catch(() => {}); // why it reads no more is told by its end
  const { code, stderr } = await output;
  if (code === 0) return;
  const words = new TextDecoder().decode(stderr).trim();
  throw new FleetboxError("failed", `Cannot bring ${path} to "${connection.place.name}" as ${to}: ${words}`, {
    hint: "Look whether there is space, and add the place again.",
  });
}

/** Copies a file of the place to here, and verifies it. @returns its size @throws {FleetboxError} it is not whole */
export async function fetchFile(connection: PlaceConnection, there: string, here: string): Promise<number> {
  const digest = await digestThere(connection, there);
  await replaceFile(here, async (aside) => {
    using file = await Deno.open(aside, { write: true, createNew: true, mode: 0o600 });
    const [program, args] = connection.session(["-T"], shellLine('exec cat "$1"', [there]));
    const child = new Deno.Command(program, { args, stdin: "null", stdout: "piped", stderr: "inherit" }).spawn();
    for await (const piece of child.stdout) await writeAll(file, piece);
    await child.status;
    const found = await digestOfFile(aside);
    if (found === digest) return;
    throw new FleetboxError(
      "failed",
      `${there} at "${connection.place.name}" did not come whole: found ${found}, expected ${digest}`,
    );
  });
  return sizeOf(here);
}

/** What fleetbox there calls itself. @throws {FleetboxError} `unavailable`: it does not run there */
export async function versionThere(connection: PlaceConnection, program: string): Promise<string> {
  try {
    const text = await connection.shell('exec "$1" version', [program]);
    const line = text.trim().split("\n").at(-1) ?? "";
    if (line.startsWith("fleetbox ")) return line;
    throw new FleetboxError(
      "unavailable",
      `${program} at "${connection.place.name}" is no fleetbox: it says ${JSON.stringify(line)}`,
    );
  } catch (thrown) {
    if (!(thrown instanceof ProcessError)) throw thrown;
    throw new FleetboxError(
      "unavailable",
      `fleetbox does not run at "${connection.place.name}": ${thrown.stderr || `code ${thrown.exitCode}`}`,
      {
        hint: "Is it for that system? Name another: --executable FILE",
      },
    );
  }
}

/** @throws {FleetboxError} of a failed command, with what it said */
async function inWords<T>(connection: PlaceConnection, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    if (!(thrown instanceof ProcessError)) throw thrown;
    const words = thrown.stderr || `code ${thrown.exitCode}`;
    throw new FleetboxError("failed", `A command failed at "${connection.place.name}": ${words}`);
  }
}

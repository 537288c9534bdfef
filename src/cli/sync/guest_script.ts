/**
 * What the guest's shell does in a sync, with nothing but a POSIX shell, `find`, `stat` and `tar`, by busybox or GNU.
 *
 * One connection does all: the guest lists what it has, the host answers with an archive. Its files are unpacked in a directory
 * of their own within the target, and each is renamed into place, so that a reader sees the old file or the new one. The last
 * file of the archive is the script that does so: an archive that was cut off changes nothing.
 */

import { quoted } from "../../core/quoting.ts";
import { findCommand } from "./guest_tree.ts";
import { STAGE } from "./host_tree.ts";
import type { SyncPlan } from "./plan.ts";

/** The names in the archive: the files, by their paths, and the script. */
export const FILES = "f/";
export const APPLY = "apply";
/** The pieces of a file with holes. */
export const PIECES = "p/";

/** What the host answers to the list: an archive follows. */
export const GO = "go\n";

/** The words by which the script says what was wrong with the target; all else is on standard error. */
export type Trouble =
  | "cannot-make"
  | "no-directory"
  | "not-writable"
  | "home-in-it"
  | "unpack"
  | "apply"
  | "missing"
  | "not-readable";

interface ScriptOptions {
  /** The target, as bytes: absolute, or below the user's home. */
  path: string;
  token: string;
  /** Makes nothing. */
  isDryRun: boolean;
  /** Refuses a directory in which the user's home is: to delete there what this host lacks is more than anybody means. */
  isDeleting: boolean;
}

/** What every sync's script begins with: `fail` says what was wrong. */
export function preamble(path: string, token: string): string {
  return `
LC_ALL=C QUOTING_STYLE=literal; export LC_ALL QUOTING_STYLE; unset TAR_OPTIONS CDPATH; umask 022
fail() { printf '%s' '${token}!'"$1"; exit 1; }
dir=${quoted(path.startsWith("/") ? path : `./${path}`)}`;
}

/** The guest's script, for `sh -c`, as bytes. */
export function syncScript({ path, token, isDryRun, isDeleting }: ScriptOptions): string {
  const make = isDryRun ? `empty=$(mktemp -d) && dir=$empty || fail cannot-make` : `mkdir -p "$dir" 2>/dev/null || {
    sudo -n mkdir -p "$dir" && sudo -n chown "$(id -u):$(id -g)" "$dir"
  } || fail cannot-make`;
  return `${preamble(path, token)}
empty=
if ! [ -e "$dir" ] && ! [ -L "$dir" ]; then
  ${make}
fi
[ -d "$dir" ] || fail no-directory
cd "$dir" || fail cannot-make
[ -w . ] || fail not-writable
${isDeleting ? `here=$(pwd -P); case "$(cd && pwd -P)/" in "\${here%/}"/*) fail home-in-it;; esac` : ""}
[ -z "$empty" ] || rmdir "$empty" # one may stand in a directory that is gone
for old in ${STAGE}*; do
  [ ! -d "$old" ] || [ -d "/proc/\${old##*-}" ] || rm -rf "./$old"
done
${findCommand(token)}
printf '%s\\n' '${token}='
IFS= read -r answer || exit 0
[ "$answer" = go ] || exit 0
stage=./${STAGE}$$
rm -rf "$stage"
trap 'rm -rf "$stage"' EXIT
trap 'exit 1' HUP INT TERM
mkdir -m 700 "$stage" && tar -x -p -o -f - -C "$stage" && [ -f "$stage/${APPLY}" ] || fail unpack
failed=
. "$stage/${APPLY}"
rm -rf "$stage"
[ -z "$failed" ] || fail apply
printf '%s' '${token}+'
`;
}

/** A file with holes: its pieces of content, and where each of them is, in units of {@link PIECE_UNIT}. */
export interface Pieces {
  path: string;
  size: number;
  mode: number;
  mtime: number;
  pieces: { name: string; unit: number }[];
}

export const PIECE_UNIT = 1024 * 1024;

/**
 * The script that puts everything into place, as bytes.
 * @param sent the files and links that are in the archive @param sparse those that are in pieces
 */
export function applyScript(plan: SyncPlan, sent: readonly string[], sparse: readonly Pieces[]): string {
  const lines: string[] = [];
  const run = (command: string, paths: readonly string[]) => {
    for (const some of batches(paths)) {
      lines.push(`${command} ${some.map((path) => quoted(`./${path}`)).join(" ")} || failed=1`);
    }
  };
  const opened = openedFor(plan, sent);
  run("chmod u+rwx", opened);
  run("rm -rf", plan.clear);
  run("mkdir -p", plan.make);
  for (const { path, size, mode, mtime, pieces } of sparse) {
    const file = quotedIn(FILES, path);
    const above = path.includes("/") ? path.slice(0, path.lastIndexOf("/")) : "";
    lines.push(`mkdir -p ${quotedIn(FILES, above)} && truncate -s ${size} ${file} || failed=1`);
    for (const { name, unit } of pieces) {
      lines.push(
        `dd if=${quotedIn(PIECES, name)} of=${file} bs=${PIECE_UNIT} seek=${unit} conv=notrunc 2>/dev/null || failed=1`,
      );
    }
    lines.push(`chmod ${mode.toString(8)} ${file} && touch -d @${mtime} ${file} || failed=1`);
  }
  for (const [directory, paths] of Map.groupBy([...sent, ...sparse.map(({ path }) => path)], directoryOf)) {
    for (const some of batches(paths)) {
      lines.push(
        `mv -f ${some.map((path) => quotedIn(FILES, path)).join(" ")} ${quoted(`./${directory}`)} || failed=1`,
      );
    }
  }
  run("rm -rf", plan.remove);
  const modes = [...new Map([...plan.modes, ...opened.map((path) => [path, plan.closed.get(path)!] as const)])];
  // What is deeper first: a directory may lose the right to look into it.
  const groups = Map.groupBy(
    modes.toSorted(([a], [b]) => depth(b) - depth(a)),
    ([path, mode]) => `${depth(path)} ${mode.toString(8)}`,
  );
  for (const [group, some] of groups) run(`chmod ${group.split(" ")[1]}`, some.map(([path]) => path));
  return lines.join("\n") + "\n";
}

/** Directories of the guest that must be opened for what happens in them. */
function openedFor(plan: SyncPlan, sent: readonly string[]): string[] {
  const touched = new Set([...sent, ...plan.make, ...plan.clear, ...plan.remove].map(directoryOf));
  return [...touched].map((path) => path.replace(/\/$/, "")).filter((path) => plan.closed.has(path));
}

/** A path's directory, with a slash at its end; empty for the target itself. */
function directoryOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/") + 1);
}

function depth(path: string): number {
  return path.split("/").length;
}

function quotedIn(folder: string, path: string): string {
  return `"$stage"/${quoted(folder + path)}`;
}

/** How much a command line may have: a system takes 128 KiB in one argument and more in all. */
const MAX_PATHS = 500;
const MAX_BYTES = 32 * 1024;

export function* batches(paths: readonly string[]): Generator<string[]> {
  let some: string[] = [];
  let bytes = 0;
  for (const path of paths) {
    if (some.length > 0 && (some.length === MAX_PATHS || bytes + path.length > MAX_BYTES)) {
      yield some;
      some = [];
      bytes = 0;
    }
    some.push(path);
    bytes += path.length + 16;
  }
  if (some.length > 0) yield some;
}

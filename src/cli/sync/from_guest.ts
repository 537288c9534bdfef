/**
 * One sync of a directory of a member to one of this host: what is there on both sides, what differs, and that fetched. Files are written
 * beside their places first, so an archive that is cut off changes nothing here.
 *
 * The guest is not trusted: what it lists stays below the directory, each thing in a directory that it lists, too; what it sends was asked for.
 * Links are made as they are in the guest, and none is followed.
 */

import { pathOnHost, Placing } from "./placing.ts";
import { FleetboxError } from "../../core/errors.ts";
import { quoted } from "../../core/quoting.ts";
import { statIfThere } from "../../system/files.ts";
import { reach } from "../ssh/ssh_endpoint.ts";
import { byteText, fromByteText, toBytes } from "./byte_text.ts";
import { GuestConnection } from "./connection.ts";
import type { Excludes } from "./excludes.ts";
import { batches, GO, preamble, type Trouble } from "./guest_script.ts";
import { findCommand, type GuestEntry, type GuestTree, parseGuestTree, targetOf } from "./guest_tree.ts";
import { type HostTree, MODE_BITS, readHostTree } from "./host_tree.ts";
import { planSync } from "./plan.ts";
import {
  Ended,
  failure,
  inTries,
  NOTHING,
  type OneTry,
  type SyncOptions,
  type SyncResult,
  type Target,
} from "./sync.ts";
import { ByteReader, untar } from "./untar.ts";

/** @param options `root` is where the files come to @throws {FleetboxError} what was wrong with either directory */
export async function syncFromGuest(
  source: Target,
  options: Omit<SyncOptions, "isStale">,
): Promise<SyncResult> {
  return await inTries(() => tryOnce(source, options));
}

async function tryOnce(source: Target, options: Omit<SyncOptions, "isStale">): Promise<OneTry> {
  const { store, root, excludes, isDeleting, isDryRun, signal } = options;
  const { ssh: endpoint } = await reach(store, source.name);
  signal.throwIfAborted();
  using over = new Ended(store, source.name, signal);
  const token = crypto.randomUUID();
  await using guest = new GuestConnection(
    store,
    endpoint,
    listScript(byteText(source.path || "."), token),
    over.signal,
  );
  const read = async (mark: string) => {
    const found = await guest.readTo([mark, `${token}!`]);
    if (found.mark === mark) return found.text;
    const trouble = found.mark === undefined ? undefined : (await guest.readTo(["\0"])).text as Trouble;
    throw await failure(source, guest, over, trouble, "from");
  };
  const list = await read(`${token}=`);
  const [status, now] = (await read("\n")).trim().split(" ").map(Number);
  const { tree, mtimes } = treeOf(parseGuestTree(list, token), excludes);
  // What could not be listed may be there: nothing is removed for it.
  const kept = isDeleting ? ", so nothing is removed" : "";
  if (status !== 0) tree.problems.push({ path: ".", why: `the guest could not list all of it${kept}` });
  const plan = planSync(tree, hereAs(root), {
    excludes,
    isDeleting: isDeleting && status === 0,
    where: "on this host",
  });
  const changed = [...plan.make, ...plan.modes.keys()];
  const result: OneTry = { ...NOTHING, skipped: tree.skipped, problems: plan.problems, removed: plan.remove };
  const isNothing = [changed, plan.send, plan.clear, plan.remove].every((paths) => paths.length === 0);
  if (isDryRun || isNothing) {
    await guest.finish();
    const bytes = plan.send.reduce((sum, path) => sum + sizeOf(tree, path), 0);
    return { ...result, sent: [...new Set([...changed, ...plan.send])].toSorted(), bytes };
  }
  await using placing = new Placing(root);
  // A file that changes twice within a second seems to be the same afterwards: that second is over before it is read.
  const isRecent = plan.send.some((path) => (mtimes.get(path) ?? 0) >= now);
  await guest.write(toBytes(GO + sendScript(plan.send, token, isRecent)));
  await guest.finish();
  const received = new Map<string, number>();
  const reader = new ByteReader(guest.bytes());
  const wanted = new Set(plan.send);
  try {
    for await (const entry of untar(reader, `${token}+`)) {
      const path = entry.name.replace(/^\.\//, "");
      if (!wanted.delete(path)) continue; // not asked for, or twice
      if (await placing.receive(path, entry, tree.entries.get(path)!)) received.set(path, entry.mtime);
    }
  } catch (thrown) {
    // An archive that was cut off: why the connection ended says more.
    if (!over.signal.aborted && !reader.isOver) throw thrown;
    throw await failure(source, guest, over, undefined, "from");
  }
  const after = parseGuestTree((await reader.rest()).split(`${token}=`)[0], token);
  const { complaints } = await guest.ended();
  const changing = [...received].filter(([path, mtime]) => isOther(after.get(path), tree, path, mtime)).map(([path]) =>
    path
  );
  const missing = plan.send.filter((path) => !received.has(path) && after.has(path) && !placing.hasFailed(path));
  placing.apply(plan, (path) => received.has(path) && !changing.includes(path));
  const whyNot = (path: string) => {
    const complaint = complaints.split("\n").find((line) => line.includes(`./${fromByteText(path)}`));
    return `the guest could not read it${complaint === undefined ? "" : `: ${complaint}`}`;
  };
  return {
    ...result,
    sent: [...new Set([...changed, ...[...received.keys()].filter((path) => !changing.includes(path))])].toSorted(),
    bytes: placing.bytes,
    problems: [...plan.problems, ...placing.problems, ...missing.map((path) => ({ path, why: whyNot(path) }))],
    changing,
  };
}

/** Lists the directory, says how that ended and what time it is, and does what it is told then. */
function listScript(path: string, token: string): string {
  return `${preamble(path, token)}
[ -e "$dir" ] || fail missing
[ -d "$dir" ] || fail no-directory
cd "$dir" && [ -r . ] || fail not-readable
${findCommand(token)}
printf '%s %s %s\\n' '${token}=' "$?" "$(date +%s)"
IFS= read -r answer || exit 0
[ "$answer" = go ] || exit 0
exec sh
`;
}

/** Sends these files and links, and lists all once more. */
function sendScript(paths: readonly string[], token: string, isRecent: boolean): string {
  return [
    ...(isRecent ? ["sleep 1"] : []),
    ...[...batches(paths)].map((some) => `tar -c -f - ${some.map((path) => quoted(`./${path}`)).join(" ")} </dev/null`),
    `printf '%s' '${token}+'`,
    findCommand(token),
    `printf '%s' '${token}='`,
    "exit 0",
    "",
  ].join("\n");
}

/** Whether a file is another one than that which was received: it changed while it was read. */
function isOther(after: GuestEntry | undefined, tree: HostTree, path: string, mtime: number): boolean {
  if (tree.entries.get(path)!.kind === "link") return false;
  return after?.kind !== "file" || after.mtime !== mtime || after.size !== sizeOf(tree, path);
}

function sizeOf(tree: HostTree, path: string): number {
  const { kind, size } = tree.entries.get(path)!;
  return kind === "file" ? size : 0;
}

/** The guest's directory as what is sent from. @throws {FleetboxError} `protocol`: a path that leads elsewhere */
export function treeOf(guest: GuestTree, excludes: Excludes): { tree: HostTree; mtimes: Map<string, number> } {
  const tree: HostTree = { entries: new Map(), problems: [], skipped: [] };
  const mtimes = new Map<string, number>();
  // A directory before what is in it.
  for (const path of [...guest.keys()].toSorted()) {
    const { kind, mode, size, mtime } = guest.get(path)!;
    const above = path.slice(0, Math.max(0, path.lastIndexOf("/")));
    const isOutside = path.split("/").some((part) => part === "" || part === "." || part === "..");
    if (isOutside || (above !== "" && guest.get(above)?.kind !== "directory")) {
      throw new FleetboxError("protocol", `The guest's list of files is malformed: ${fromByteText(path)}`);
    }
    if (excludes(path, kind === "directory")) continue;
    const target = kind === "link" ? targetOf(guest.get(path)!, path) : undefined;
    if (pathOnHost(path) === undefined) {
      tree.problems.push({ path, why: "its name is not UTF-8" });
    } else if (kind === "other" || (kind === "link" && target === undefined)) tree.skipped.push(path);
    else {
      const facts = { mode: mode & MODE_BITS, size, mtimeMs: mtime * 1000 };
      tree.entries.set(path, { kind, ...facts, ...(target === undefined ? {} : { target }) });
      mtimes.set(path, mtime);
    }
  }
  return { tree, mtimes };
}

/** The directory of this host as what is compared with; one that is not there is empty. */
function hereAs(root: string): GuestTree {
  const here: GuestTree = new Map();
  if (!statIfThere(root)) return here;
  const { entries, skipped } = readHostTree(root, () => false);
  for (const [path, { kind, mode, size, mtimeMs, target }] of entries) {
    const shown = kind === "link" ? `./${path} -> ${target}` : `./${path}`;
    here.set(path, { kind, mode, size, mtime: Math.floor(mtimeMs / 1000), shown });
  }
  for (const path of skipped) here.set(path, { kind: "other", mode: 0, size: 0, mtime: 0, shown: `./${path}` });
  return here;
}

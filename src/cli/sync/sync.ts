/** One sync of a directory of this host to one member: what is there on both sides, what differs, and that sent. */

import { pause, within } from "../../core/deadline.ts";
import { FleetboxError } from "../../core/errors.ts";
import { untilMachineEnds } from "../../control/machine_end.ts";
import type { Store } from "../../store.ts";
import { reach } from "../ssh/ssh_endpoint.ts";
import { archive, type Sent } from "./archive.ts";
import { byteText, fromByteText, toBytes } from "./byte_text.ts";
import { GuestConnection } from "./connection.ts";
import type { Excludes } from "./excludes.ts";
import { GO, syncScript, type Trouble } from "./guest_script.ts";
import { parseGuestTree } from "./guest_tree.ts";
import { type HostEntry, type Problem, readHostTree } from "./host_tree.ts";
import { planSync } from "./plan.ts";

/** Where to: a directory of a member, absolute or below its user's home. */
export interface Target {
  name: string;
  path: string;
}

export interface SyncOptions {
  store: Store;
  /** The directory on this host, absolute. */
  root: string;
  excludes: Excludes;
  isDeleting: boolean;
  isDryRun: boolean;
  /** Whether a file that seems to be the same is sent all the same; without it, files of this second are waited for. */
  isStale?: (path: string, entry: HostEntry) => boolean;
  signal: AbortSignal;
}

/** What a sync has done; of a dry run, what it would do. Paths are below the directory. */
export interface SyncResult {
  /** What was made, sent, or got other permissions. */
  sent: string[];
  removed: string[];
  /** Sockets, pipes and devices. */
  skipped: string[];
  bytes: number;
  problems: { path: string; message: string }[];
}

/** How often files that change while they are read are tried. */
const TRIES = 3;

/** ssh's own failures; the guest's script ends with others. */
const SSH_FAILED = 255;

/** How long the report of a machine's end may take. */
const LAST_WORDS_MS = 500;

/** The member was not reached, or no longer: a later try may do. */
export class Unreachable extends FleetboxError {}

/** @throws {Unreachable}; {FleetboxError} what was wrong with either directory */
export async function sync(target: Target, options: SyncOptions): Promise<SyncResult> {
  return await inTries(() => tryOnce(target, options));
}

/** Tries until no file has changed while it was read, a few times. */
export async function inTries(tryOnce: () => Promise<OneTry>): Promise<SyncResult> {
  const result: SyncResult = { sent: [], removed: [], skipped: [], bytes: 0, problems: [] };
  let last = NOTHING;
  for (let tries = 0; tries < TRIES && (tries === 0 || last.changing.length > 0); tries++) {
    last = await tryOnce();
    result.sent.push(...last.sent.filter((path) => !result.sent.includes(path)));
    result.removed.push(...last.removed);
    result.bytes += last.bytes;
  }
  const changing = last.changing.map((path) => ({ path, why: "it changed each time that it was read" }));
  const problems = [...last.problems, ...changing];
  result.problems = problems.map(({ path, why }) => ({ path: fromByteText(path), message: why }));
  result.sent = result.sent.map(fromByteText);
  result.removed = result.removed.map(fromByteText);
  result.skipped = last.skipped.map(fromByteText);
  return result;
}

/** Paths are bytes. */
export interface OneTry {
  sent: string[];
  removed: string[];
  skipped: string[];
  bytes: number;
  problems: Problem[];
  changing: string[];
}

export const NOTHING: OneTry = { sent: [], removed: [], skipped: [], bytes: 0, problems: [], changing: [] };

async function tryOnce(target: Target, options: SyncOptions): Promise<OneTry> {
  const { store, root, excludes, isDeleting, isDryRun, isStale, signal } = options;
  const { ssh: endpoint } = await reach(store, target.name);
  signal.throwIfAborted();
  using over = new Ended(store, target.name, signal);
  const token = crypto.randomUUID();
  const script = syncScript({ path: byteText(target.path || "."), token, isDryRun, isDeleting });
  await using guest = new GuestConnection(store, endpoint, script, over.signal);
  const read = async (mark: string) => {
    const found = await guest.readTo([`${token}${mark}`, `${token}!`]);
    if (found.mark === `${token}${mark}`) return found.text;
    const trouble = found.mark === undefined ? undefined : (await guest.readTo(["\0"])).text as Trouble;
    throw await failure(target, guest, over, trouble);
  };
  const there = parseGuestTree(await read("="), token);
  const tree = readHostTree(root, excludes);
  const plan = planSync(tree, there, { excludes, isDeleting, isStale });
  const changed = [...plan.make, ...plan.modes.keys()];
  const isNothing = [changed, plan.send, plan.clear, plan.remove].every((paths) => paths.length === 0);
  if (isDryRun || isNothing) {
    await guest.finish();
    const bytes = plan.send.reduce((sum, path) => sum + sizeOf(tree.entries.get(path)!), 0);
    const sent = [...new Set([...changed, ...plan.send])].toSorted();
    return { sent, removed: plan.remove, skipped: tree.skipped, bytes, problems: plan.problems, changing: [] };
  }
  if (!isStale) await untilSecondIsOver(plan.send.map((path) => tree.entries.get(path)!), signal);
  const sent: Sent = { paths: [], bytes: 0, problems: [], changing: [] };
  let isTaken = await guest.write(toBytes(GO));
  for await (const bytes of archive(root, tree, plan, sent)) {
    isTaken &&= await guest.write(bytes);
    if (!isTaken) break;
  }
  await guest.finish();
  await read("+");
  await guest.ended();
  return {
    sent: [...new Set([...changed, ...sent.paths])].toSorted(),
    removed: plan.remove,
    skipped: tree.skipped,
    bytes: sent.bytes,
    problems: [...plan.problems, ...sent.problems],
    changing: sent.changing,
  };
}

function sizeOf({ kind, size }: HostEntry): number {
  return kind === "file" ? size : 0;
}

/**
 * A guest's file has the second of its last change, so one that changes twice within a second would seem to be the same:
 * before a file is read, the second in which it was changed is over.
 */
async function untilSecondIsOver(entries: readonly HostEntry[], signal: AbortSignal): Promise<void> {
  const second = Math.floor(Date.now() / 1000);
  if (!entries.some(({ mtimeMs }) => Math.floor(mtimeMs / 1000) === second)) return;
  await pause((second + 1) * 1000 - Date.now() + 1, signal);
  signal.throwIfAborted();
}

/** Fires when the command or the member's machine ends. */
export class Ended implements Disposable {
  readonly #over = new AbortController();
  readonly signal: AbortSignal;
  /** Why the machine has ended. */
  why: string | undefined;
  /** Resolves when it has. */
  readonly machine: Promise<void>;

  constructor(store: Store, name: string, signal: AbortSignal) {
    const watching = AbortSignal.any([signal, this.#over.signal]);
    this.signal = watching;
    this.machine = untilMachineEnds(store, name, watching).then((end) => {
      if (!end) return;
      this.why = end.why;
      this.#over.abort();
    });
  }

  [Symbol.dispose](): void {
    this.#over.abort();
  }
}

/** Why the guest's script has ended. */
export async function failure(
  { name, path }: Target,
  guest: GuestConnection,
  over: Ended,
  trouble: Trouble | undefined,
  way: "to" | "from" = "to",
): Promise<Error> {
  await guest.finish();
  const { code, complaints } = await guest.ended();
  if (over.signal.aborted && !over.why) return over.signal.reason;
  // The connection may have ended before the report of its machine's end has come, which says more.
  if (!trouble && code === SSH_FAILED) await within(LAST_WORDS_MS, over.machine);
  const place = `${name}:${path}`;
  if (over.why) return new Unreachable("failed", `The connection to "${name}" is over: ${over.why}`);
  if (!trouble && code === SSH_FAILED) {
    return new Unreachable("failed", `Cannot reach "${name}" over SSH${complaints ? `: ${complaints}` : ""}`);
  }
  const cause = complaints === "" ? undefined : new Error(complaints);
  const of = (code: "denied" | "misuse" | "failed" | "not-found", why: string, hint?: string) =>
    new FleetboxError(code, `Cannot sync ${way} ${place}: ${why}`, { cause, hint });
  switch (trouble) {
    case "cannot-make":
      return of("denied", "the directory cannot be made or entered");
    case "no-directory":
      return way === "to"
        ? of("misuse", "it is no directory", "Name a directory, or one that is not there yet.")
        : of("misuse", "it is no directory", `A single file: fleetbox cp ${place} .`);
    case "missing":
      return of("not-found", "there is no such directory in the guest");
    case "not-readable":
      return of("denied", "its user may not read it");
    case "not-writable":
      return of("denied", "its user may not write there", `Name a directory that is made for it: ${place}/DIR`);
    case "home-in-it":
      return of("misuse", "with --delete, and its user's home is in it", `Name a directory of its own: ${name}:DIR`);
    case "unpack":
      return of("failed", "the guest could not unpack all; nothing was changed");
    case "apply":
      return of("failed", "not everything could be put into place", "Sync again; what is in place stays.");
    default:
      return of("failed", `the guest's shell ended with code ${code}`);
  }
}

/**
 * `fleetbox sync`: a directory of this host to directories of members; once, or whenever something in it changes. Or a member's to one of this
 * host, once.
 */

import { FleetboxError } from "../../core/errors.ts";
import type { Store } from "../../store.ts";
import { isName } from "../../core/names.ts";
import { resolve } from "../../system/path.ts";
import { collect } from "../arguments/collect.ts";
import { Command } from "../arguments/parser.ts";
import { openStore } from "../arguments/open_store.ts";
import { requireMember } from "../arguments/store_access.ts";
import { bytesText } from "../arguments/sizes.ts";
import { errorJson, errorText, throwAll } from "../error_text.ts";
import { excludesOf } from "../sync/excludes.ts";
import { readHostTree } from "../sync/host_tree.ts";
import { syncFromGuest } from "../sync/from_guest.ts";
import { sync, type SyncOptions, type SyncResult, type Target } from "../sync/sync.ts";
import { watchAndSync } from "../sync/watch.ts";
import { printable } from "../../core/printable.ts";
import { Interrupt } from "../terminal/interrupt.ts";
import { errorWidth, outputClosed, say, sayJson, warn } from "../terminal/output.ts";

interface Flags {
  delete?: boolean;
  exclude?: string[];
  dryRun?: boolean;
  watch?: boolean;
  json?: boolean;
}

export function syncCommand(): Command {
  return new Command("sync")
    .description("bring directories of members up to date with one of this host, or the other way")
    .argument("<dir>", "the directory of this host; or NAME:DIR, to bring one of this host up to date")
    .argument("<targets...>", "NAME:DIR, whose content is then the same; or a directory of this host")
    .option("--delete", "remove where the files come to what is not where they come from")
    .option(
      "--exclude <pattern>",
      "leave out a name, such as '*.o', or a path, such as /build; repeatable",
      collect,
    )
    .option("-w, --watch", "go on, and sync whenever something changes, until Ctrl-C")
    .option("-n, --dry-run", "change nothing; print what would be sent and removed")
    .option("--json", 'one {"event":"sync",…} for each sync of a member')
    .addHelpText("after", HELP)
    .action(async (dir: string, words: string[], flags: Flags) => {
      if (isOfMember(dir)) return await fromGuest(parseTarget(dir), words, flags);
      const targets = words.map(parseTarget);
      checkDistinct(targets, words);
      const excludes = excludesOf(flags.exclude ?? []);
      const root = resolve(Deno.cwd(), dir);
      if (flags.watch && flags.dryRun) {
        throw new FleetboxError("misuse", "Expected --watch or --dry-run, found both");
      }
      readHostTree(root, () => true); // it is there, and can be read
      const store = openStore();
      for (const { name } of targets) await requireMember(store, name);
      using interrupt = new Interrupt(() => undefined);
      const options: SyncOptions = {
        ...{ store, root: Deno.realPathSync(root), excludes, signal: interrupt.signal },
        ...{ isDeleting: flags.delete ?? false, isDryRun: flags.dryRun ?? false },
      };
      if (flags.watch) return await follow(targets, options, flags);
      const ends = await Promise.allSettled(targets.map(async (target) => {
        const result = await sync(target, options);
        tell(target, result, flags);
        if (result.problems.length > 0) throw notAll(placeOf(target), result);
      }));
      throwAll(ends.flatMap((end) => end.status === "rejected" ? [end.reason] : []));
    });
}

function notAll(place: string, { problems }: SyncResult): FleetboxError {
  const [{ path, message }, ...more] = problems;
  const others = more.length > 0 ? `, and ${more.length} more` : "";
  return new FleetboxError("failed", `Not all is in ${place}: ${shown(path)}: ${message}${others}`);
}

/** A member's directory to one of this host. */
async function fromGuest(source: Target, words: readonly string[], flags: Flags): Promise<void> {
  const from = placeOf(source);
  const [to, ...others] = words;
  if (isOfMember(to)) {
    throw new FleetboxError("misuse", `Cannot sync from member to member: found ${from} and ${to}`, {
      hint: `By way of this host: fleetbox sync ${from} ./copy, then fleetbox sync ./copy ${to}`,
    });
  }
  if (others.length > 0) {
    throw new FleetboxError("misuse", `Expected one directory of this host behind ${from}, found ${words.length}`);
  }
  if (flags.watch) {
    throw new FleetboxError("misuse", `Cannot watch ${from}: --watch is for directories of this host`, {
      hint: `Sync again when you need it, or make the member with a directory that both write to: up --share ${to}:DIR`,
    });
  }
  const excludes = excludesOf(flags.exclude ?? []);
  const root = resolve(Deno.cwd(), to);
  const store = openStore();
  await requireMember(store, source.name);
  if (flags.delete) checkDeletes(root, to, store);
  using interrupt = new Interrupt(() => undefined);
  const options = { store, root, excludes, signal: interrupt.signal };
  const result = await syncFromGuest(source, {
    ...options,
    isDeleting: flags.delete ?? false,
    isDryRun: flags.dryRun ?? false,
  });
  tell(source, result, flags, { to: { root, shown: to } });
  if (result.problems.length > 0) throw notAll(to, result);
}

/** @throws {FleetboxError} `misuse`: the user's home or the store is in it, which nobody means to lose */
function checkDeletes(root: string, shown: string, store: Store): void {
  const real = realPath(root);
  for (const [what, path] of [["your home", Deno.env.get("HOME")], ["fleetbox's store", store.root]] as const) {
    if (!path || !`${realPath(path)}/`.startsWith(real === "/" ? real : `${real}/`)) continue;
    throw new FleetboxError("misuse", `Cannot sync to ${shown}: with --delete, and ${what} is in it`, {
      hint: "Name a directory of its own, or leave --delete out.",
    });
  }
}

function realPath(path: string): string {
  try {
    return Deno.realPathSync(path);
  } catch {
    return path;
  }
}

/** @throws {FleetboxError} `interrupted`, by which it ends */
async function follow(targets: readonly Target[], options: SyncOptions, flags: Flags): Promise<void> {
  const { signal } = options;
  const unread = new AbortController();
  warn(`watching ${options.root}; Ctrl-C ends it`);
  await watchAndSync(targets, { ...options, signal: AbortSignal.any([signal, unread.signal]) }, {
    onSync: (target, result, hasNewProblems) => {
      tell(target, result, flags, { hasNewProblems });
      if (outputClosed()) unread.abort();
    },
    onWait: (target, why) => warn(`${placeOf(target)}  ${why.replace(/\.$/, "")}; waiting until it is back`),
    onFailure: (_, thrown) => warn(flags.json ? errorJson(thrown) : errorText(thrown, errorWidth())),
  });
  signal.throwIfAborted();
}

const HELP = `
The content of DIR becomes the content of the directory on each member, which is made if it is missing; a path there is
relative to its user's home. What differs in size, time or kind is sent, in one stream over SSH: a guest needs a shell
and tar. Each file is complete when it is in place. Permissions and links are kept as they are, owners are not. What the
guest has changed in the meantime is overwritten; what it has beside that stays, unless --delete is given.

What cannot be read is told, the rest is synced, and the exit code is 1. With --watch there is a line for each sync that
changed something; a member that is down is waited for, and gets what it lacks when it runs again.

From a member to this host it is the same the other way, once: what you have changed in the meantime is overwritten.

Examples:
  fleetbox sync ./src a:src
  fleetbox sync ./site a:/srv/site b:/srv/site --delete
  fleetbox sync ./src a:src --watch
  fleetbox sync . a:app --exclude .git --exclude node_modules --dry-run
  fleetbox sync a:/var/log ./logs`;

/** @throws {FleetboxError} `misuse` */
function parseTarget(word: string): Target {
  const [, name, path] = /^([^/:]*):(.*)$/s.exec(word) ?? [];
  if (name !== undefined && isName(name) && !path.includes("\0")) {
    return { name, path: path.replace(/^~(\/+|$)/, "") || "." };
  }
  throw new FleetboxError("misuse", `Not a directory of a member: found ${JSON.stringify(word)}, expected NAME:DIR`, {
    hint: "From a member to this host: fleetbox sync NAME:DIR DIR; a single file: fleetbox cp",
  });
}

/** A directory of this host that is called so: `./a:b`. */
function isOfMember(word: string): boolean {
  const [, name] = /^([^/:]*):/.exec(word) ?? [];
  return name !== undefined && isName(name);
}

/** @throws {FleetboxError} `misuse`: the same twice */
function checkDistinct(targets: readonly Target[], words: readonly string[]): void {
  const places = targets.map(({ name, path }) => `${name}:${path.replace(/(?<=.)\/+$/, "")}`);
  const twice = places.findIndex((place, index) => places.indexOf(place) !== index);
  if (twice >= 0) throw new FleetboxError("misuse", `${words[twice]} is given twice`);
}

interface Told {
  /** @default true */
  hasNewProblems?: boolean;
  /** Where it came to on this host. @default it went to the member */
  to?: { root: string; shown: string };
}

function tell(
  target: Target,
  result: SyncResult,
  { json, dryRun }: Flags,
  { hasNewProblems = true, to }: Told = {},
): void {
  const { name, path } = target;
  const { sent, removed, skipped, bytes, problems } = result;
  if (json) {
    const where = to ? { to: to.root } : {};
    return sayJson({ event: "sync", name, path, ...where, ...result, ...(dryRun ? { dry_run: true } : {}) });
  }
  const place = to ? shown(to.shown) : placeOf(target);
  if (hasNewProblems) problems.forEach((one) => warn(`${place}  ${shown(one.path)}: ${one.message}`));
  if (dryRun) {
    for (const one of sent) say(`${to ? "receive" : "send"}  ${shown(one)}`);
    for (const one of removed) say(`remove  ${shown(one)}`);
  }
  const would = dryRun ? "would be " : "";
  const what = [
    ...(sent.length > 0 ? [`${sent.length} ${would}${to ? "received" : "sent"} (${bytesText(bytes)})`] : []),
    ...(removed.length > 0 ? [`${removed.length} ${would}removed`] : []),
    ...(skipped.length > 0 ? [`${skipped.length} left out: sockets, pipes or devices`] : []),
  ];
  if (sent.length + removed.length === 0) what.unshift("up to date");
  say(`${place}  ${what.join(", ")}`);
}

function placeOf({ name, path }: Target): string {
  return `${name}:${shown(path)}`;
}

/** A path on one line. */
function shown(path: string): string {
  return printable(path).replaceAll("\n", " ");
}

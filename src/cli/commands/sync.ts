/** `fleetbox sync`: a directory of this host to directories of members; once, or whenever something in it changes. */

import { FleetboxError } from "../../core/errors.ts";
import { isName } from "../../core/names.ts";
import { resolve } from "../../system/path.ts";
import { collect } from "../arguments/collect.ts";
import { Command } from "../arguments/parser.ts";
import { openStore, requireMember } from "../arguments/store_access.ts";
import { bytesText } from "../arguments/sizes.ts";
import { errorJson, errorText, throwAll } from "../error_text.ts";
import { excludesOf } from "../sync/excludes.ts";
import { readHostTree } from "../sync/host_tree.ts";
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
    .description("bring directories of members up to date with one of this host")
    .argument("<dir>", "the directory of this host")
    .argument("<targets...>", "NAME:DIR, whose content is then the same")
    .option("--delete", "remove in the guest what is not on this host")
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
      checkSource(dir, words);
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
        if (result.problems.length > 0) throw notAll(target, result);
      }));
      throwAll(ends.flatMap((end) => end.status === "rejected" ? [end.reason] : []));
    });
}

function notAll(target: Target, { problems }: SyncResult): FleetboxError {
  const [{ path, message }, ...more] = problems;
  const others = more.length > 0 ? `, and ${more.length} more` : "";
  return new FleetboxError("failed", `Not all is in ${placeOf(target)}: ${shown(path)}: ${message}${others}`);
}

/** @throws {FleetboxError} `interrupted`, by which it ends */
async function follow(targets: readonly Target[], options: SyncOptions, flags: Flags): Promise<void> {
  const { signal } = options;
  const unread = new AbortController();
  warn(`watching ${options.root}; Ctrl-C ends it`);
  await watchAndSync(targets, { ...options, signal: AbortSignal.any([signal, unread.signal]) }, {
    onSync: (target, result, hasNewProblems) => {
      tell(target, result, flags, hasNewProblems);
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

Examples:
  fleetbox sync ./src a:src
  fleetbox sync ./site a:/srv/site b:/srv/site --delete
  fleetbox sync ./src a:src --watch
  fleetbox sync . a:app --exclude .git --exclude node_modules --dry-run`;

/** @throws {FleetboxError} `misuse` */
function parseTarget(word: string): Target {
  const [, name, path] = /^([^/:]*):(.*)$/s.exec(word) ?? [];
  if (name !== undefined && isName(name) && !path.includes("\0")) {
    return { name, path: path.replace(/^~(\/+|$)/, "") || "." };
  }
  throw new FleetboxError("misuse", `Not a directory of a member: found ${JSON.stringify(word)}, expected NAME:DIR`, {
    hint: "From a member to this host, or a single file: fleetbox cp",
  });
}

/** @throws {FleetboxError} `misuse`: it is on a member */
function checkSource(dir: string, words: readonly string[]): void {
  const [, name] = /^([^/:]*):/.exec(dir) ?? [];
  if (name === undefined || !isName(name)) return;
  throw new FleetboxError("misuse", `Cannot sync from a member: found ${JSON.stringify(dir)}, expected a directory`, {
    hint: `Copy it to this host first: fleetbox cp ${dir} .; a local directory of that name: ./${dir} ${words[0]}`,
  });
}

/** @throws {FleetboxError} `misuse`: the same twice */
function checkDistinct(targets: readonly Target[], words: readonly string[]): void {
  const places = targets.map(({ name, path }) => `${name}:${path.replace(/(?<=.)\/+$/, "")}`);
  const twice = places.findIndex((place, index) => places.indexOf(place) !== index);
  if (twice >= 0) throw new FleetboxError("misuse", `${words[twice]} is given twice`);
}

function tell(target: Target, result: SyncResult, { json, dryRun }: Flags, hasNewProblems = true): void {
  const { name, path } = target;
  const { sent, removed, skipped, bytes, problems } = result;
  if (json) return sayJson({ event: "sync", name, path, ...result, ...(dryRun ? { dry_run: true } : {}) });
  if (hasNewProblems) problems.forEach((one) => warn(`${placeOf(target)}  ${shown(one.path)}: ${one.message}`));
  if (dryRun) {
    for (const one of sent) say(`send  ${shown(one)}`);
    for (const one of removed) say(`remove  ${shown(one)}`);
  }
  const would = dryRun ? "would be " : "";
  const what = [
    ...(sent.length > 0 ? [`${sent.length} ${would}sent (${bytesText(bytes)})`] : []),
    ...(removed.length > 0 ? [`${removed.length} ${would}removed`] : []),
    ...(skipped.length > 0 ? [`${skipped.length} left out: sockets, pipes or devices`] : []),
  ];
  if (sent.length + removed.length === 0) what.unshift("up to date");
  say(`${placeOf(target)}  ${what.join(", ")}`);
}

function placeOf({ name, path }: Target): string {
  return `${name}:${shown(path)}`;
}

/** A path on one line. */
function shown(path: string): string {
  return printable(path).replaceAll("\n", " ");
}

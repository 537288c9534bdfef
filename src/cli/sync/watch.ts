/**
 * Syncs whenever something in the directory changes. The system reports changes of this host's files, a group's holder those of
 * its members: a member that is down is waited for, and gets all that it lacks when it runs again.
 */

import { pause } from "../../core/deadline.ts";
import { codeOf, messageOf } from "../../core/errors.ts";
import { followStore } from "../../control/live/follow_store.ts";
import type { Store } from "../../store.ts";
import { Changes, closeWatcher } from "../../system/changes.ts";
import { watchDirectory } from "../../system/watch_directory.ts";
import { byteText } from "./byte_text.ts";
import type { Excludes } from "./excludes.ts";
import type { HostEntry } from "./host_tree.ts";
import { sync, type SyncOptions, type SyncResult, type Target, Unreachable } from "./sync.ts";

/** A burst of changes is over when nothing has changed for so long, or after the longer time in any case. */
const [QUIET_MS, BURST_MS] = [100, 1_000];
/** No event tells when a guest answers that did not answer although its machine runs: it is tried again after this time. */
const RETRY_MS = 2_000;

/** What happens in the course of it, for the user. */
export interface WatchListener {
  /** The first sync of a target, and each one after that did something. */
  onSync(target: Target, result: SyncResult, hasNewProblems: boolean): void;
  /** A target is waited for, with the reason. */
  onWait(target: Target, why: string): void;
  /** A later sync has failed; the next change is another try. */
  onFailure(target: Target, thrown: unknown): void;
}

/** Goes on until the signal fires. @throws what the first sync of a target threw, or the directory's end */
export async function watchAndSync(
  targets: readonly Target[],
  options: Omit<SyncOptions, "isStale" | "isDryRun">,
  listener: WatchListener,
): Promise<void> {
  const { store, root, excludes } = options;
  const over = new AbortController();
  const signal = AbortSignal.any([options.signal, over.signal]);
  using changes = new TreeChanges(root, excludes, signal);
  const following = followMembers(store, changes, signal);
  try {
    await Promise.all([following, ...targets.map((one) => keep(one, { ...options, signal }, changes, listener))]);
  } catch (thrown) {
    if (!options.signal.aborted) throw thrown;
  } finally {
    over.abort();
    await following.catch(() => {});
  }
}

async function keep(
  target: Target,
  options: Omit<SyncOptions, "isStale" | "isDryRun">,
  changes: TreeChanges,
  { onSync, onWait, onFailure }: WatchListener,
): Promise<void> {
  const { signal } = options;
  let began = -Infinity;
  let before = 0;
  let isFirst = true;
  let problems = "[]";
  let isWaiting = false;
  while (!signal.aborted) {
    const seen = changes.count;
    const previous = began;
    const since = before;
    // What changed within the second in which it was read last has the same time, to a guest.
    const isStale = (path: string, { mtimeMs }: HostEntry) =>
      mtimeMs >= previous - 1_000 && changes.hasChanged(path, since);
    let retryMs: number | undefined;
    const start = Date.now();
    try {
      const result = await sync(target, { ...options, isStale, isDryRun: false });
      [began, before] = [start, seen];
      const others = JSON.stringify(result.problems);
      const isNews = result.sent.length + result.removed.length > 0 || others !== problems;
      if (isFirst || isNews || isWaiting) onSync(target, result, others !== problems);
      problems = others;
      isFirst = isWaiting = false;
    } catch (thrown) {
      if (signal.aborted) return;
      const isDown = thrown instanceof Unreachable || ["conflict", "timeout", "protocol"].includes(codeOf(thrown));
      if (!isDown && (isFirst || codeOf(thrown) === "not-found")) throw thrown;
      if (!isDown) onFailure(target, thrown);
      else if (!isWaiting) onWait(target, messageOf(thrown));
      isWaiting ||= isDown;
      if (thrown instanceof Unreachable) retryMs = RETRY_MS;
    }
    await changes.after(seen, signal, retryMs);
    await changes.settled(signal);
  }
}

/** Counts each member that begins to run as a change. */
async function followMembers(store: Store, changes: Changes, signal: AbortSignal): Promise<void> {
  await followStore(store, {
    signal,
    onEvent: (event) => {
      if (event.event === "state" && event.state === "running") changes.note();
      return Promise.resolve();
    },
  });
}

/** The changes in the directory, and what else is a reason to look again. */
class TreeChanges extends Changes implements Disposable {
  /** By path, as bytes: the count at its latest change. */
  readonly #changed = new Map<string, number>();
  readonly #watcher: Deno.FsWatcher;

  constructor(private readonly root: string, private readonly excludes: Excludes, signal: AbortSignal) {
    super(signal);
    const otherwise = "without --watch it is synced once all the same";
    this.#watcher = watchDirectory(root, `watch ${root}`, { isRecursive: true, otherwise });
    void this.#run();
  }

  hasChanged(path: string, since: number): boolean {
    return (this.#changed.get(path) ?? -1) >= since;
  }

  /** Returns when a burst of changes is over. */
  async settled(signal: AbortSignal): Promise<void> {
    for (let waited = 0, seen = -1; seen !== this.count && waited < BURST_MS; waited += QUIET_MS) {
      seen = this.count;
      await pause(QUIET_MS, signal);
    }
  }

  [Symbol.dispose](): void {
    closeWatcher(this.#watcher);
  }

  async #run(): Promise<void> {
    try {
      for await (const { kind, paths } of this.#watcher) {
        if (kind === "access") continue;
        const below = paths.map((path) => byteText(path.slice(this.root.length).replace(/^\/+/, "")));
        const ours = below.filter((path) => path === "" || !this.excludes(path, false));
        for (const path of ours) this.#changed.set(path, this.count);
        if (ours.length > 0 || paths.length === 0) this.note();
      }
    } catch { /* it is closed */ }
  }
}

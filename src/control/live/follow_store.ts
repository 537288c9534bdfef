/**
 * Follows what happens in the store: the groups that run and those that come, each by its holder's stream.
 *
 * Groups come and go with their records in the store's `run` directory, which the system watches for us. A holder that
 * was killed is waited for: its group is orphaned until another one serves it. The caller takes one event at a time, and
 * a slow one makes the streams wait: a holder queues so much for a client, and then drops it, and nothing waits for it.
 */

import { codeOf } from "../../core/errors.ts";
import { Changes, closeWatcher } from "../../system/changes.ts";
import { exists } from "../../system/files.ts";
import { watchDirectory } from "../../system/watch_directory.ts";
import type { Store } from "../../store.ts";
import { request } from "../requests.ts";
import { getGroup, watch } from "../members.ts";
import { ANSWER_MS, type GroupFacts, observeGroups } from "../observe.ts";
import { KnownGroup } from "./known_group.ts";
import type { GroupEvent, Happening, StoreEvent } from "./store_events.ts";

interface FollowOptions {
  /** Only this group, until it has ended. */
  groupId?: string;
  signal: AbortSignal;
  /** Takes an event; the next one waits for it. */
  onEvent: (event: StoreEvent) => Promise<void>;
}

/** A holder claims its sockets, or leaves: it is tried again after this time, unless a file of `run` changes before. */
const CLAIM_MS = 250;
/** No file changes when a machine without a holder ends: it is looked at this often. */
const ORPHANS_MS = 1_000;

/** Returns when the signal fires, or the one group has ended. @throws what a follower of a group threw */
export async function followStore(store: Store, options: FollowOptions): Promise<void> {
  const { groupId } = options;
  store.ensure();
  const over = new AbortController();
  const signal = AbortSignal.any([options.signal, over.signal]);
  using changes = new DirectoryChanges(store.runDir, signal);
  const followers = new Map<string, Promise<void>>();
  let failure: { thrown: unknown } | undefined;
  let what: "present" | "began" = "present";
  let turn = Promise.resolve();
  const emit = (event: StoreEvent) => turn = turn.then(() => signal.aborted ? undefined : options.onEvent(event));
  try {
    while (!signal.aborted) {
      const seen = changes.count;
      // Its own follower knows more of the one group than a look at all records, at each change of any file.
      const isFollowed = groupId !== undefined && followers.has(groupId);
      for (const group of isFollowed ? [] : observeGroups(store)) {
        if (followers.has(group.id) || !isThere(group) || (groupId ?? group.id) !== group.id) continue;
        const follower = new Follower(store, group, changes, emit, signal);
        const done = follower.run(what).catch((thrown) => void (failure ??= { thrown })).finally(() => {
          followers.delete(group.id);
          changes.note();
        });
        followers.set(group.id, done);
      }
      if (failure || (groupId !== undefined && followers.size === 0)) break;
      what = "began";
      await changes.after(seen, signal);
    }
  } finally {
    over.abort();
  }
  if (failure) throw failure.thrown;
}

/** Whether a group has a holder, or machines that another holder adopts. */
function isThere({ holderAlive, bound, machinesAlive }: GroupFacts): boolean {
  return holderAlive || (!bound && machinesAlive.length > 0);
}

class Follower {
  readonly #known = new KnownGroup();
  /** The latest holder that was heard. */
  #holder: number | undefined;
  #isOrphaned = false;

  constructor(
    private readonly store: Store,
    private group: GroupFacts,
    private readonly changes: Changes,
    private readonly emit: (event: StoreEvent) => Promise<void>,
    private readonly signal: AbortSignal,
  ) {}

  /** Follows the group to its end. */
  async run(what: "present" | "began"): Promise<void> {
    const { store, changes, signal } = this;
    await this.#tellGroup(what);
    while (!signal.aborted) {
      const seen = changes.count;
      const now = observeGroups(store).find(({ id }) => id === this.group.id);
      if (now) this.group = now;
      else if (exists(store.group(this.group.id).record)) { // it was just replaced: a list of the directory may lack it then
        await changes.after(seen, signal, CLAIM_MS);
        continue;
      }
      if (!now || (!isThere(now) && !now.isComingBack)) {
        await this.#tell(this.#known.end());
        return await this.#tellGroup("ended");
      }
      if (!now.holderAlive) {
        if (!this.#isOrphaned) await this.#tellGroup("orphaned");
        this.#isOrphaned = true;
        await changes.after(seen, signal, ORPHANS_MS);
      } else if (!await this.#hear()) await changes.after(seen, signal, CLAIM_MS);
    }
  }

  /** Passes on what the holder tells, until it ends or drops us. @returns whether it told anything */
  async #hear(): Promise<boolean> {
    const { store, group, signal } = this;
    const hasSocket = store.socketProbe();
    const via = group.served.find(hasSocket);
    if (via === undefined) return false;
    let rest: Promise<void> | undefined;
    try {
      for await (const event of watch(store, via, signal)) {
        if (event.event === "member" && (event.member.group_id ?? group.id) !== group.id) return false;
        if (!rest) {
          const before = this.#known.begin();
          if (this.#holder === group.holder) await this.#tellGroup("missed");
          else if (this.#holder !== undefined || this.#isOrphaned) {
            // The next one may serve before we look.
            if (!this.#isOrphaned) await this.#tellGroup("orphaned", this.#holder);
            await this.#tellGroup("adopted");
          }
          this.#holder = group.holder;
          this.#isOrphaned = false;
          rest = this.#compare(via, before);
        }
        await this.#tell(this.#known.take(event));
      }
    } catch (thrown) {
      if (codeOf(thrown) === "protocol") throw thrown;
    }
    await rest;
    return rest !== undefined;
  }

  /** Asks for what a stream does not begin with: the faults, and who has left since the stream before. */
  async #compare(via: string, before: { members: string[]; faults: string[] }): Promise<void> {
    const { store } = this;
    try {
      const [faults, group] = await Promise.all([
        request(store, via, "faults", {}, ANSWER_MS),
        before.members.length > 0 ? getGroup(store, via) : undefined,
      ]);
      if (faults) {
        const there = new Set(faults.faults.map(({ id }) => id));
        await this.#tell(this.#known.faultsBegan(faults.faults));
        await this.#tell(this.#known.faultsEnded(before.faults.filter((id) => !there.has(id))));
      }
      const served = group?.members.map(({ name }) => name);
      if (served) await this.#tell(this.#known.gone(this.#known.missing(before.members, served)));
    } catch { /* it is ending, or does not answer: the next stream is compared again */ }
  }

  async #tellGroup(what: GroupEvent["what"], holder = this.group.holder): Promise<void> {
    const { members } = this.group;
    await this.#tell([{ event: "group", what, members, holder }]);
  }

  async #tell(happenings: readonly Happening[]): Promise<void> {
    const { group, id } = this.group;
    for (const { event, ...rest } of happenings) {
      await this.emit({ event, at: new Date().toISOString(), group, group_id: id, ...rest } as StoreEvent);
    }
  }
}

/** The changes of a directory, counted. */
class DirectoryChanges extends Changes implements Disposable {
  readonly #watcher: Deno.FsWatcher;

  constructor(path: string, signal: AbortSignal) {
    super(signal);
    this.#watcher = watchDirectory(path, `follow the groups in ${path}`);
    void this.#run();
  }

  [Symbol.dispose](): void {
    closeWatcher(this.#watcher);
  }

  async #run(): Promise<void> {
    try {
      for await (const _ of this.#watcher) this.note();
    } catch { /* it is closed */ }
  }
}

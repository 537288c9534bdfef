/**
 * The first boot of a group: all or nothing. When one member fails, the others are stopped again, new members are
 * removed, and those that were to be restored get their disks back. One that has gone on from its suspended state runs on: its
 * memory would be lost. The names stay claimed until a client got the
 * reason, or for {@link LAST_WORDS_MS}.
 */

import { startLimit } from "../../core/deadline.ts";
import { LAST_WORDS_MS } from "../../wire.ts";
import { log } from "../log.ts";
import type { Member } from "../member/member.ts";
import { removeReplaced } from "../snapshots/replaced.ts";
import type { EventHub } from "../server/events.ts";

/** The group's part. */
interface FirstBootContext {
  hub: EventHub;
  /** Boots a member. @throws why it did not come up */
  boot(member: Member): Promise<void>;
  /** Removes the files of a failed boot. The member stays. */
  discard(member: Member): Promise<void>;
  /** Releases a member. */
  leave(member: Member): Promise<void>;
}

const runs = ({ phases: { now } }: Member) => now.kind === "running" || now.kind === "paused";

export class FirstBoot {
  /** Resolved when its members run, or when those of a failed boot have left. */
  ended: Promise<void> = Promise.resolve();
  #failed: Member | undefined;
  /** Resolved when a client got the reason, or when there is no time for that. */
  readonly #told = Promise.withResolvers<void>();

  constructor(private readonly context: FirstBootContext) {}

  run(members: readonly Member[]): Promise<void> {
    return this.ended = this.#run(members);
  }

  async #run(members: readonly Member[]): Promise<void> {
    const { hub, boot, discard, leave } = this.context;
    const stops: Promise<void>[] = [];
    let leaving: readonly Member[] = [];
    // Until the last member runs, a running one that dies fails the boot, too.
    const off = hub.subscribe((event) => {
      if (event.event !== "member" || event.member.state !== "error" || this.#failed) return;
      const failed = this.#failed = members.find(({ name }) => name === event.member.name);
      if (!failed) return;
      leaving = members.filter((member) => member === failed || !member.hasGoneOn);
      for (const member of leaving) member.isLeaving = true;
      const others = leaving.filter((other) => other !== failed && !other.isStopping);
      stops.push(...others.map((other) => other.stop({ force: true, graceMs: 0 }).catch(() => {})));
    });
    await Promise.allSettled(members.map(boot));
    off();
    const failed = this.#failed;
    // Those that were stopped meanwhile get their disks back when they leave.
    if (!failed) return void await Promise.all(members.filter(runs).map(removeReplaced));
    await Promise.all(stops);
    const others = leaving.filter((member) => member !== failed).map(({ name }) => name);
    if (others.length > 0) log(`${others.join(", ")}: stopped again, because ${failed.name} failed`);
    await Promise.all(leaving.map(discard));
    // Its client may not have asked yet, and cannot get the reason once the members have left.
    const endLimit = startLimit(LAST_WORDS_MS, () => this.end());
    await this.#told.promise;
    endLimit();
    await Promise.all(leaving.map(leave));
  }

  /**
   * A client got a member's failure in a status or a report, so the waiting command has it. A watching client does not
   * count.
   */
  told(name: string): void {
    if (this.#failed?.name === name) this.end();
  }

  /** The failed member has left: the reason is no longer available. */
  left(member: Member): void {
    if (member === this.#failed) this.end();
  }

  /** No client needs the reason any more. */
  end(): void {
    this.#told.resolve();
  }
}

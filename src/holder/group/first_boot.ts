/**
 * The first boot of a group: all or nothing. When one member fails, the others are taken down again, and what the boot
 * created is removed. The members' names stay claimed until a client was told why, or for {@link LAST_WORDS_MS}.
 */

import { startLimit } from "../../core/deadline.ts";
import { LAST_WORDS_MS } from "../../wire.ts";
import { log } from "../log.ts";
import type { Member } from "../member/member.ts";
import type { EventHub } from "../server/events.ts";

/** What it needs of its group. */
export interface FirstBootContext {
  hub: EventHub;
  /** Boots a member. @throws why it did not come up */
  boot(member: Member): Promise<void>;
  /** Removes what a failed boot created. The member stays. */
  discard(member: Member): Promise<void>;
  /** Lets a member go. */
  leave(member: Member): Promise<void>;
}

export class FirstBoot {
  /** Resolved when its members run, or when those of one that failed have left. */
  ended: Promise<void> = Promise.resolve();
  #failed: Member | undefined;
  /** Resolved when a client was told why, or when there is no time for that. */
  readonly #told = Promise.withResolvers<void>();

  constructor(private readonly context: FirstBootContext) {}

  run(members: readonly Member[]): Promise<void> {
    return this.ended = this.#run(members);
  }

  async #run(members: readonly Member[]): Promise<void> {
    const { hub, boot, discard, leave } = this.context;
    const stops: Promise<void>[] = [];
    // Until the last of them runs, one that ran already and dies has failed as well.
    const off = hub.subscribe((event) => {
      if (event.event !== "member" || event.member.state !== "error" || this.#failed) return;
      const failed = this.#failed = members.find(({ name }) => name === event.member.name);
      if (!failed) return;
      for (const member of members) member.isLeaving = true;
      const others = members.filter((other) => other !== failed && !other.isStopping);
      stops.push(...others.map((other) => other.stop({ force: true, graceMs: 0 }).catch(() => {})));
    });
    await Promise.allSettled(members.map(boot));
    off();
    const failed = this.#failed;
    if (!failed) return;
    await Promise.all(stops);
    const others = members.filter((member) => member !== failed).map(({ name }) => name);
    if (others.length > 0) log(`${others.join(", ")}: taken down again, because ${failed.name} failed`);
    await Promise.all(members.map(discard));
    // Its client may not have begun to ask. Once the members have left, nobody can tell why.
    const endLimit = startLimit(LAST_WORDS_MS, () => this.end());
    await this.#told.promise;
    endLimit();
    await Promise.all(members.map(leave));
  }

  /**
   * A client was told of a member's failure by its status or its report: that is who waits for it. One that watches may be
   * anybody, and does not count.
   */
  told(name: string): void {
    if (this.#failed?.name === name) this.end();
  }

  /** The member that failed has left: nobody can tell why any more. */
  left(member: Member): void {
    if (member === this.#failed) this.end();
  }

  /** Nobody needs to be told any more. */
  end(): void {
    this.#told.resolve();
  }
}

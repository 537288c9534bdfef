/** Where members wait: those of a checkpoint until all have arrived, any for those that they need, and for a place among those that boot. */

import { unlessAborted } from "../../core/deadline.ts";
import { FleetboxError } from "../../core/errors.ts";
import type { Options } from "../../core/options.ts";
import type { EventHub } from "../server/events.ts";
import type { Member } from "../member/member.ts";
import { Places } from "../places.ts";

/** The group's members. */
type Roster = ReadonlyMap<string, Pick<Member, "state" | "isStopping">>;

export class Gate {
  /** For so many that boot at once. */
  readonly places = new Places();
  readonly #missing: Set<string>;
  readonly #open = Promise.withResolvers<void>();

  /** For a group; those of a new one that are made from a checkpoint wait for each other. */
  static of(names: readonly string[], { snapshot }: Options, roster: Roster, hub: EventHub): Gate {
    return new Gate(names.filter((name) => snapshot?.members[name] !== undefined), roster, hub);
  }

  constructor(names: Iterable<string>, private readonly roster?: Roster, private readonly hub?: EventHub) {
    this.#missing = new Set(names);
    if (this.#missing.size === 0) this.#open.resolve();
  }

  /** Whether all have arrived or left. */
  get isOpen(): boolean {
    return this.#missing.size === 0;
  }

  /** Resolves when all have arrived or left. A name that is not waited for passes with the others. */
  arrive(name: string): Promise<void> {
    this.leave(name);
    return this.#open.promise;
  }

  /** It will not arrive. */
  leave(name: string): void {
    this.#missing.delete(name);
    if (this.#missing.size === 0) this.#open.resolve();
  }

  /**
   * Resolves when all that a member needs run.
   * @throws {FleetboxError} `failed`: one of them does not come up, or has left; the signal's reason
   */
  async untilRunning(name: string, needs: readonly string[], signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const look = () => {
      const lost = needs.find((need) => isLost(this.roster?.get(need)));
      if (lost !== undefined) reject(neededIsLost(name, lost, this.roster?.get(lost)));
      else if (needs.every((need) => this.roster?.get(need)?.state === "running")) resolve();
    };
    const off = this.hub?.subscribe(({ event }) => {
      if (event === "member" || event === "gone") look();
    });
    look();
    await unlessAborted(promise, signal).finally(off);
  }
}

/** It will not run. */
function isLost(member: Pick<Member, "state" | "isStopping"> | undefined): boolean {
  return !member || member.isStopping || member.state === "error";
}

function neededIsLost(name: string, lost: string, member: Pick<Member, "state"> | undefined): FleetboxError {
  const why = !member ? "is not in this group" : member.state === "error" ? "did not come up" : "is being stopped";
  return new FleetboxError("failed", `Cannot boot "${name}": "${lost}", which it needs, ${why}`);
}

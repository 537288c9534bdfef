/** Where members wait: those that go on from saved states until all have arrived, any for those that they need, and for a place among those that boot. */

import { unlessAborted } from "../../core/deadline.ts";
import { FleetboxError } from "../../core/errors.ts";
import { type Options, optionsOf } from "../../core/options.ts";
import type { Store } from "../../store.ts";
import { isSuspended } from "../../store/snapshots.ts";
import type { EventHub } from "../server/events.ts";
import type { Member } from "../member/member.ts";
import { Places } from "../places.ts";

/** The group's members. */
type Roster = ReadonlyMap<string, Pick<Member, "state" | "isStopping">>;

interface GateRequest {
  store: Store;
  names: readonly string[];
  /** Those that are started now, and not adopted. */
  boot: readonly string[];
  options: Options;
  roster: Roster;
  hub: EventHub;
}

export class Gate {
  /** For so many that boot at once. */
  readonly places = new Places();
  readonly #missing: Set<string>;
  readonly #open = Promise.withResolvers<void>();

  /**
   * For a group; those of a new one that are made from a checkpoint, or are suspended, wait for each other: a suspended state is
   * used up when its machine runs, so none does before all are loaded.
   */
  static of({ store, names, boot, options, roster, hub }: GateRequest): Gate {
    const goesOn = (name: string) => {
      const { cold, needs = [] } = optionsOf(options, name);
      return isSuspended(store, name) && !cold && needs.length === 0; // one that needs others comes when these run
    };
    const made = names.filter((name) => options.snapshot?.members[name] !== undefined);
    return new Gate([...made, ...boot.filter(goesOn)], roster, hub);
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

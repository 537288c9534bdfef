/**
 * Where a group is in its life, and what in the store is its own: each only ever goes forward.
 *
 * A group is `open`, `ending` from the moment in which it is told to end or its last member leaves, and `ended` once everything
 * is let go of. It holds `nothing`, then the `record` of what it is about to claim, then its `members` (sockets, pidfiles): what a
 * holder that must be gone at once may sweep follows from that.
 */

const STATES = ["open", "ending", "ended"] as const;
const HOLDINGS = ["nothing", "record", "members"] as const;

export type LifeState = typeof STATES[number];
export type Holdings = typeof HOLDINGS[number];

export class GroupLife {
  #state: LifeState = "open";
  #holds: Holdings = "nothing";

  get state(): LifeState {
    return this.#state;
  }
  get holds(): Holdings {
    return this.#holds;
  }
  get isOpen(): boolean {
    return this.#state === "open";
  }

  /** Goes forward to a state. False: the group was there already, or beyond. */
  advance(state: Exclude<LifeState, "open">): boolean {
    if (STATES.indexOf(state) <= STATES.indexOf(this.#state)) return false;
    this.#state = state;
    return true;
  }

  /** What the group holds from now on; less than before is passed over. */
  hold(what: Holdings): void {
    if (HOLDINGS.indexOf(what) > HOLDINGS.indexOf(this.#holds)) this.#holds = what;
  }
}

/**
 * The states of a member and the one table of transitions between them.
 *
 * Everything that changes a member's state goes through {@link MemberState.to}; what the table does not allow is an
 * error of ours and throws. Only `starting` and `running` have an address to tell. Counts are derived, never kept.
 */

import { toWireError, type WireError } from "../../core/errors.ts";
import type { Stage, State } from "../../wire.ts";

/** From each state, the states that may follow. `stopped` is also how a member is before anything happens. */
const NEXT: Record<State, readonly State[]> = {
  stopped: ["downloading", "starting", "running", "error"], // `running`: taken over from a holder that died
  downloading: ["starting", "error", "stopped"],
  starting: ["downloading", "running", "error", "stopped"],
  running: ["error", "stopped"],
  error: ["downloading", "starting", "stopped"],
};

const ACTIVE: ReadonlySet<State> = new Set<State>(["downloading", "starting", "running"]);

export function isActive(state: State): boolean {
  return ACTIVE.has(state);
}

/** Whether the table allows a change. */
export function mayFollow(from: State, to: State): boolean {
  return NEXT[from].includes(to);
}

/** One member's state, with the stage within it, since when, and the cause of an `error`. */
export class MemberState {
  #state: State = "stopped";
  #stage: Stage | undefined;
  #since = new Date();
  #failure: WireError | undefined;

  constructor(readonly onChange: () => void) {}

  get state(): State {
    return this.#state;
  }
  get stage(): Stage | undefined {
    return this.#stage;
  }
  get since(): Date {
    return this.#since;
  }
  get failure(): WireError | undefined {
    return this.#failure;
  }

  /**
   * Changes the state; `problem` is what is wrong with it all the same, `since` when it came to be so, if not now.
   * @throws {Error} the table does not allow it.
   */
  to(state: Exclude<State, "error">, stage?: Stage, problem?: WireError, since?: Date): void {
    this.#change(state, stage, problem, since);
  }

  /** Changes the state to `error`, with its cause. */
  fail(cause: unknown): void {
    this.#change("error", undefined, toWireError(cause));
  }

  /** Changes the stage within the state, and what is wrong with it, if anything. */
  at(stage: Stage | undefined, problem?: WireError): void {
    if (this.#stage === stage && this.#failure?.message === problem?.message) return;
    this.#stage = stage;
    this.#failure = problem;
    this.onChange();
  }

  #change(state: State, stage: Stage | undefined, failure: WireError | undefined, since = new Date()): void {
    if (!mayFollow(this.#state, state)) throw new Error(`a member cannot go from ${this.#state} to ${state}`);
    this.#state = state;
    this.#stage = stage;
    this.#failure = failure;
    this.#since = since;
    this.onChange();
  }
}

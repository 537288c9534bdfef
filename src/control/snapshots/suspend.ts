/** Suspends members of a group: their holder saves their machines at one instant and ends them; the next start goes on from there. */

import { codeOf, FleetboxError } from "../../core/errors.ts";
import type { Store } from "../../store.ts";
import { isSuspended } from "../../store/snapshots/suspended.ts";
import type { Event } from "../../wire.ts";
import { getReport } from "../members.ts";
import { stream } from "../requests.ts";
import { ofEarlierVersion } from "./checkpoint.ts";

export interface SuspendRequest {
  /** Members that run in one group. */
  names: readonly string[];
  /** Whether each step is an event. @default false */
  verbose?: boolean;
  onEvent?: (event: Event) => void;
  /** Ends the wait; the holder brings it to its end nevertheless. */
  signal?: AbortSignal;
}

/** Returns when their machines are gone. @throws {FleetboxError} why it cannot be done: all of them run on then */
export async function suspend(
  store: Store,
  { names, verbose, onEvent = () => {}, signal }: SuspendRequest,
): Promise<void> {
  try {
    for await (const event of stream(store, names[0], "suspend", { names: [...names], verbose }, signal)) {
      onEvent(event);
      if (event.event === "done") return;
    }
  } catch (thrown) {
    throw codeOf(thrown) === "protocol" ? ofEarlierVersion(names[0], thrown) : thrown;
  }
  signal?.throwIfAborted();
  // A holder that ends with its last member may end before its reply.
  for (const name of names) {
    const report = await getReport(store, name);
    if (!report && isSuspended(store, name)) continue;
    throw new FleetboxError("failed", `The holder of "${name}" ended before the members were suspended`, {
      hint: "See what they are now: fleetbox ls",
    });
  }
}

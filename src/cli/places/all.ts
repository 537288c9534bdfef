/** `ls --all-places`: the members of every place, asked at once. One that does not answer is a row. */

import { PlaceConnection } from "../../control/places/connection.ts";
import { requirePlace } from "../../control/places/known.ts";
import { LATE, within } from "../../core/deadline.ts";
import { FleetboxError, messageOf } from "../../core/errors.ts";
import { lazyModule } from "../../core/lazy_modules.ts";
import type { Store } from "../../store.ts";
import { placeNames } from "../../store/places.ts";
import type { MemberView } from "../member_view.ts";
import { viewsThere } from "./says.ts";

/** How long a place may take to answer, the connection included. */
const ANSWER_MS = 5_000;

/** The members of all places, each with its place. */
export async function viewsOfPlaces(store: Store): Promise<MemberView[]> {
  return (await Promise.all(placeNames(store).map((name) => viewsAt(store, name)))).flat();
}

async function viewsAt(store: Store, place: string): Promise<MemberView[]> {
  const over = new AbortController();
  try {
    const views = await within(ANSWER_MS, ask(store, place, over.signal));
    if (views === LATE) throw new FleetboxError("timeout", `it did not answer within ${ANSWER_MS / 1000} s`);
    return views.map((view) => ({ ...view, place }));
  } catch (thrown) {
    const reason = messageOf(thrown);
    return [{ name: "", place, state: "unknown", running: false, ip: "", bound: false, reason }];
  } finally {
    over.abort();
  }
}

/** How long somebody at a prompt waits. */
const PROMPT_MS = 1_500;

/** The members of a place that there is a connection to; none of another, which is not connected to. Never fails. */
export async function viewsIfConnected(store: Store, name: string): Promise<MemberView[]> {
  const over = new AbortController();
  const asking = async () => {
    const isOpen = await new PlaceConnection(store, requirePlace(store, name)).isOpen(over.signal);
    return isOpen ? await ask(store, name, over.signal) : [];
  };
  try {
    const views = await within(PROMPT_MS, asking());
    return views === LATE ? [] : views;
  } catch {
    return [];
  } finally {
    over.abort();
  }
}

async function ask(store: Store, name: string, signal: AbortSignal): Promise<MemberView[]> {
  const place = requirePlace(store, name);
  const connection = new PlaceConnection(store, place);
  await connection.open({ quietly: true, signal });
  if (place.engine) {
    const { atEngine, observeJobs } = await lazyModule<typeof import("./engine/run.ts")>(
      "src/cli/places/engine/run.ts",
    );
    const { viewsAtEngine } = await lazyModule<typeof import("./engine/list.ts")>("src/cli/places/engine/list.ts");
    const at = atEngine(store, place, connection);
    return await viewsAtEngine(at, await observeJobs(at, signal), signal);
  }
  return await viewsThere(connection, place, { signal });
}

/** The group that a command is about, when its members may be left out. */

import { memberOfOnlyGroup } from "../control/faults.ts";
import type { Store } from "../store.ts";
import { requireAndAdopt } from "./adopt_and_tell.ts";

/**
 * The first of the members that were named, which are adopted if they have to be; else one of the only group that runs.
 * @param hint what to do when several run, by a member of one
 * @throws {FleetboxError} `not-found`; `misuse`: several run; `timeout`: its holder does not answer
 */
export async function memberAsked(
  store: Store,
  names: readonly string[],
  hint: (member: string) => string,
): Promise<string> {
  if (names.length === 0) {
    return await memberOfOnlyGroup(store, { why: "no member is named", hint: ([first]) => hint(first) });
  }
  const silent = (await requireAndAdopt(store, names)).find(({ silence }) => silence);
  if (silent) throw silent.silence;
  return names[0];
}

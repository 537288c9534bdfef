/** The first that can be told of members whose start is not waited for. */

import { Limit } from "../../core/deadline.ts";
import type { Store } from "../../store.ts";
import type { MemberReport } from "../../wire.ts";
import { getReport, watch } from "../members.ts";

/** A holder that serves begins its members' boots after a write or two. */
const BEGIN_MS = 5_000;

/** A member's report once its start has begun: until then its holder tells that it is stopped. Undefined: it is not served. */
export async function reportOfBegun(
  store: Store,
  name: string,
  signal: AbortSignal,
): Promise<MemberReport | undefined> {
  const report = await getReport(store, name);
  if (report?.state !== "stopped") return report;
  using limit = new Limit(BEGIN_MS);
  for await (const event of watch(store, name, AbortSignal.any([signal, limit.signal]))) {
    if (event.event === "member" && event.member.name === name && event.member.state !== "stopped") break;
    if (event.event === "gone" && event.name === name) break;
  }
  signal.throwIfAborted();
  return await getReport(store, name);
}

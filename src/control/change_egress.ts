/** Changes what a member may reach while it runs. */

import type { Options } from "../core/options.ts";
import type { Store } from "../store.ts";
import type { Event, MemberReport } from "../wire.ts";
import { changeMember, getGroup, getReport } from "./members.ts";

/** Changes a served member's egress and its access to the host. @returns a note about the change; undefined without one */
export async function changeEgress(
  store: Store,
  name: string,
  { egress, host_access }: Options,
  onEvent: (event: Event) => void,
): Promise<string | undefined> {
  if (egress === undefined && host_access === undefined) return undefined;
  const isAsIs = (report: Pick<MemberReport, "egress" | "host_access">) =>
    report.egress === (egress ?? report.egress) && report.host_access === (host_access ?? report.host_access);
  const before = await getReport(store, name);
  // Where a holder of an earlier version does not tell it of a member that runs, it is its group's.
  const group = before?.egress || before?.state !== "running" ? undefined : await getGroup(store, name);
  const has = before?.egress ? before : group;
  if (has && isAsIs(has)) return undefined;
  if (!(await changeMember(store, name, { egress, host_access }, onEvent))) return undefined;
  const report = await getReport(store, name);
  if (!report) return undefined; // it has left, and is missing at the end
  return `${name}: egress is ${report.egress} now${report.host_access ? ", with access to the host" : ""}`;
}

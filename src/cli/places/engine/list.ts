/** `ls` of a place with an engine: each job's members by fleetbox in that job, all others by fleetbox beside the store. */

import { messageOf } from "../../../core/errors.ts";
import { naturalOrder } from "../../../store.ts";
import type { Job, Jobs } from "../../../control/places/engine/jobs.ts";
import type { MemberView } from "../../member_view.ts";
import { viewsThere } from "../says.ts";
import type { AtEngine } from "./run.ts";

export async function viewsAtEngine(at: AtEngine, jobs: Jobs, signal?: AbortSignal): Promise<MemberView[]> {
  const inJob = async ({ key, id, serves }: Job): Promise<MemberView[]> => {
    try {
      const connection = await at.connect(key, { quietly: true, signal });
      const views = await viewsThere(connection, at.place, { env: { FLEETBOX_JOB: key }, signal });
      return views.filter(({ name }) => serves.includes(name));
    } catch (thrown) {
      const reason = `job ${id}: ${messageOf(thrown)}`;
      return serves.map((name) => ({ name, state: "unknown", running: false, ip: "", bound: false, reason }));
    }
  };
  const serving = jobs.live.filter(({ serves }) => serves.length > 0);
  const [stored, ...served] = await Promise.all([viewsThere(at.login, at.place, { signal }), ...serving.map(inJob)]);
  const waiting = jobs.live.filter(({ phase }) => phase === "queued" || phase === "starting").flatMap((job) =>
    job.members.map((name) => waits(name, job, stored.find((view) => view.name === name)))
  );
  const views = [...served.flat(), ...waiting];
  const names = new Set([...views.map(({ name }) => name), ...serving.flatMap(({ serves }) => serves)]);
  return [...views, ...stored.filter(({ name }) => !names.has(name))].sort((a, b) => naturalOrder(a.name, b.name));
}

/** The members that the store there has. */
export async function namesAtLogin({ login, place }: AtEngine): Promise<string[]> {
  return (await viewsThere(login, place)).map(({ name }) => name);
}

function waits(name: string, { id, phase, reason }: Job, stored?: MemberView): MemberView {
  const base = stored ?? { name, ip: "", bound: false };
  if (phase === "starting") return { ...base, state: "starting", running: false };
  return { ...base, state: "queued", running: false, reason: `it waits as job ${id}${reason ? `: ${reason}` : ""}` };
}

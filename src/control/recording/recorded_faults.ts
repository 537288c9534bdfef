/** The faults of a trace as a plan, which makes them again. Pure. */

import { type FaultPlan, type FaultStep, PLAN_VERSION } from "../../core/faults/plan.ts";
import type { TraceEvent, TraceFault, TraceMeta } from "../../core/trace/types.ts";

/** A fault that was not healed is made again for so long. */
const UNHEALED_MS = 24 * 3_600_000;

/**
 * The plan for `fleetbox fault run`, in times since the trace began; undefined when there were no faults.
 * @param events in the order of their times; other kinds are passed over
 */
export function planOf({ started }: Pick<TraceMeta, "started">, events: readonly TraceEvent[]): FaultPlan | undefined {
  const startMs = Date.parse(started);
  const ends = new Map(
    events.flatMap((event) => event.event === "fault-ended" ? [[event.id, Date.parse(event.at)]] : []),
  );
  const began = events.filter((event): event is TraceFault =>
    event.event === "fault-began" && event.spec !== undefined
  );
  const steps = began.map(({ at, id, spec, seed }): FaultStep => {
    const beganMs = Date.parse(at), endMs = ends.get(id);
    return {
      at_ms: Math.max(0, beganMs - startMs),
      for_ms: endMs === undefined ? UNHEALED_MS : Math.max(1, endMs - beganMs),
      fault: spec!,
      ...(seed === undefined ? {} : { seed }),
    };
  });
  return steps.length === 0 ? undefined : { version: PLAN_VERSION, seed: began[0].seed ?? 0, steps };
}

/** Waits for members to run: one stream of events for each group, and one limit that does not count downloads and waits for other members. */

import { Countdown } from "../core/deadline.ts";
import { FleetboxError, fromWireError } from "../core/errors.ts";
import type { Store } from "../store.ts";
import type * as wire from "../wire.ts";
import { watch } from "./members.ts";

interface WaitOptions {
  /** The limit in milliseconds; downloads, scripts, and waits for other members, do not count. @default 180000 */
  timeoutMs?: number;
  /** Whether the limit begins anew with each stage that one of them reaches, as the holder's do. @default false */
  byStage?: boolean;
  onEvent?: (event: wire.Event) => void;
  /** Whether `onEvent` also gets each step. @default false */
  verbose?: boolean;
  /** Whether `onEvent` also gets what scripts say. @default false */
  output?: boolean;
  /** Called once, with the first member that has to download something. */
  onDownload?: (name: string) => void;
  signal?: AbortSignal;
}

/**
 * Waits until every named member runs, and returns their reports in that order.
 * @throws {FleetboxError} the cause as soon as one of them is in `error` or leaves; `not-found`: no holder serves one;
 * `timeout`, naming the missing members and their stages.
 */
export async function waitMembers(
  store: Store,
  names: string[],
  options: WaitOptions = {},
): Promise<wire.MemberReport[]> {
  const { timeoutMs = 180_000 } = options;
  const seen = new Map<string, wire.MemberReport>();
  const over = new AbortController();
  const stopped = options.signal ? AbortSignal.any([options.signal, over.signal]) : over.signal;
  const clock = new Countdown(timeoutMs, () => over.abort());
  let announced = false;
  const pending = () => names.filter((name) => seen.get(name)?.state !== "running");

  const follow = async (start: string) => {
    for await (const event of watch(store, start, stopped, options.verbose, options.output)) {
      options.onEvent?.(event);
      if (event.event === "gone" && names.includes(event.name)) {
        const last = seen.get(event.name);
        throw last?.failure ? fromWireError(last.failure) : new FleetboxError("failed", `"${event.name}" was stopped`);
      }
      if (event.event !== "member") continue;
      const { member } = event;
      const before = seen.get(member.name);
      seen.set(member.name, member);
      if (!names.includes(member.name)) continue;
      if (member.state === "error") {
        throw fromWireError(member.failure ?? { code: "failed", message: member.error ?? "it failed", causes: [] });
      }
      if (member.state === "downloading" && !announced) {
        announced = true;
        options.onDownload?.(member.name);
      }
      if (names.some((name) => doesNotCount(seen.get(name)))) clock.pause();
      else clock.resume();
      if (options.byStage && before?.stage !== member.stage) clock.renew();
      if (pending().length === 0) return;
    }
  };

  try {
    // One stream tells of a whole group: another is only opened for a name that the streams so far did not mention.
    for (const name of names) {
      if (seen.has(name)) continue;
      await follow(name);
      if (options.signal?.aborted) {
        throw new FleetboxError("interrupted", `Waiting for ${names.join(", ")} was interrupted`);
      }
      if (over.signal.aborted) throw timedOut(pending(), seen, timeoutMs);
      if (!seen.has(name)) throw new FleetboxError("not-found", `"${name}" is not running`);
      if (seen.get(name)!.state !== "running") throw new FleetboxError("failed", `The holder of "${name}" ended`);
    }
  } finally {
    clock.end();
    over.abort();
  }
  return names.map((name) => seen.get(name)!);
}

/** A download and a script do not count, nor the wait for other members or for a turn: each has a limit of its own from the begin of its boot. */
function doesNotCount(report: wire.MemberReport | undefined): boolean {
  return report?.state === "downloading" || ["waiting", "queued", "script"].includes(report?.stage ?? "");
}

function timedOut(missing: string[], seen: Map<string, wire.MemberReport>, limitMs: number): FleetboxError {
  const where = missing.map((name) => {
    const report = seen.get(name);
    return `${name} (${report ? report.stage ?? report.state : "not served"})`;
  });
  return new FleetboxError("timeout", `Not running after ${limitMs / 1000} s: ${where.join(", ")}`, {
    hint: `Look at the console: fleetbox logs ${missing[0]}`,
  });
}

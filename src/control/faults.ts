/**
 * Faults of groups, for the command line and the library: which group a fault is for, and the requests to its holder.
 *
 * The names of a fault decide the group: all of them must be in one. A fault without names is for the group of `via`, or for the
 * only one that runs.
 */

import { FleetboxError } from "../core/errors.ts";
import { faultText } from "../core/faults/text.ts";
import { type FaultSpec, type FaultWish, GATEWAY, namesOfFault } from "../core/faults.ts";
import { listed } from "../core/names.ts";
import { naturalOrder, type Store } from "../store.ts";
import type { ClockReport, FaultReport, FaultsReport } from "../wire.ts";
import { ANSWER_MS, observeAll, silencesOf } from "./observe.ts";
import { request } from "./requests.ts";

/** A pause waits for the hypervisor, a fault in a guest for the guest. */
const FAULT_MS = 120_000;

const membersNamed = (spec: FaultSpec) => namesOfFault(spec).filter((name) => name !== GATEWAY);

/**
 * Begins a fault; returns when it has an effect.
 * @param via a member of the group, for a fault that names none
 * @throws {FleetboxError} `misuse`, `not-found`, `conflict`: why it cannot be
 */
export async function beginFault(store: Store, wish: FaultWish, via?: string): Promise<FaultReport> {
  const { spec, forMs, seed } = wish;
  const member = via ?? membersNamed(spec)[0] ?? await memberOfOnlyGroup(store);
  const fields = { spec, ...(forMs === undefined ? {} : { for_ms: forMs }), ...(seed === undefined ? {} : { seed }) };
  const report = await request(store, member, "fault", fields, FAULT_MS);
  if (report) return report;
  throw new FleetboxError("not-found", `"${member}" is not running, and a fault is for what runs: ${faultText(spec)}`, {
    hint: `Start it first: fleetbox up ${member}`,
  });
}

/** What is said when several groups run. */
interface Which {
  why: string;
  /** @param firsts a member of each group */
  hint(firsts: readonly string[]): string;
}

const WHICH_FAULT: Which = {
  why: "the fault names no member",
  hint: (firsts) => `Say it by one of its members: --via ${listed(firsts)}`,
};

/** A member of the only group that runs. @throws {FleetboxError} `not-found`, or `misuse`: there are several */
export async function memberOfOnlyGroup(store: Store, which = WHICH_FAULT): Promise<string> {
  const { groups, silences } = await runningGroups(store);
  if (groups.length === 1) return groups[0][0];
  if (groups.length === 0) {
    if (silences.length > 0) throw silences[0];
    throw new FleetboxError("not-found", "There is no group that runs", { hint: "Start one: fleetbox up a,b,c" });
  }
  throw new FleetboxError("misuse", `Which group? ${groups.length} run, and ${which.why}`, {
    hint: which.hint(groups.map(([first]) => first)),
  });
}

/** The members of each group that a holder serves, in the order of their names; and why holders did not answer. */
async function runningGroups(store: Store): Promise<{ groups: string[][]; silences: FleetboxError[] }> {
  const { members } = await observeAll(store, ANSWER_MS);
  const groups = new Map<string, string[]>();
  for (const { name, report } of members) {
    if (!report?.running) continue;
    const key = report.group_id ?? report.group ?? name;
    groups.set(key, [...groups.get(key) ?? [], name]);
  }
  return {
    groups: [...groups.values()].map((names) => names.sort(naturalOrder)),
    silences: silencesOf(members),
  };
}

/**
 * The faults of every group that runs, or of the group of `via`.
 * @param onSilence called for each holder that did not answer: its group may have faults
 */
export async function listFaults(
  store: Store,
  via?: string,
  onSilence: (silence: FleetboxError) => void = () => {},
): Promise<FaultsReport[]> {
  const { groups, silences } = via === undefined ? await runningGroups(store) : { groups: [[via]], silences: [] };
  const firsts = groups.map(([first]) => first);
  silences.forEach(onSilence);
  const reports = await Promise.all(firsts.map(async (first) => {
    try {
      return await request(store, first, "faults", {}, ANSWER_MS);
    } catch (thrown) {
      if (thrown instanceof FleetboxError && thrown.code === "protocol" && via === undefined) return undefined; // an earlier version has none
      throw thrown;
    }
  }));
  if (via !== undefined && !reports[0]) throw notRunning(via);
  return reports.filter((one) => one !== undefined);
}

/**
 * Ends faults: these, or all of the groups that run, or all of the group of `via`.
 * @returns what they were
 * @throws {FleetboxError} `not-found`: there is none of that id; none is ended then. A holder did not answer: those of others
 * are ended
 */
export async function healFaults(
  store: Store,
  { ids, via }: { ids?: readonly string[]; via?: string } = {},
): Promise<FaultReport[]> {
  if (via !== undefined) {
    const report = await request(store, via, "heal", ids === undefined ? {} : { ids: [...ids] }, FAULT_MS);
    if (!report) throw notRunning(via);
    return report.faults;
  }
  const silences: FleetboxError[] = [];
  const groups = await listFaults(store, undefined, (silence) => silences.push(silence));
  const wanted = groups.map(({ faults }) => faults.filter(({ id }) => ids === undefined || ids.includes(id)));
  const known = wanted.flat().map(({ id }) => id);
  const unknown = ids?.find((id) => !known.includes(id));
  if (unknown !== undefined) {
    if (silences.length > 0) throw silences[0]; // it may be one of that group
    const all = groups.flatMap(({ faults }) => faults.map(({ id }) => id));
    throw new FleetboxError("not-found", `There is no fault "${unknown}"`, {
      hint: all.length > 0 ? `There are: ${listed(all)}` : "There are none",
    });
  }
  const healed = await Promise.all(wanted.map(async (faults) => {
    if (faults.length === 0) return [];
    const members = faults.flatMap((fault) => [...membersNamed(fault.spec), ...fault.members]);
    const heal = { ids: faults.map(({ id }) => id) };
    for (const member of new Set(members)) {
      const report = await request(store, member, "heal", heal, FAULT_MS);
      if (report) return report.faults;
    }
    return []; // the group ended meanwhile, and its faults with it
  }));
  if (ids === undefined && silences.length > 0) throw silences[0];
  return healed.flat();
}

/**
 * The clock of a member's guest.
 * @param options.cheap only where no login is needed
 * @throws {FleetboxError} `not-found`, `conflict`: it does not run; `failed`: it does not answer; `unavailable`: it would not be cheap
 */
export async function readClock(
  store: Store,
  name: string,
  { cheap, signal }: { cheap?: boolean; signal?: AbortSignal } = {},
): Promise<ClockReport> {
  const report = await request(store, name, "clock", { cheap }, FAULT_MS, signal);
  if (report) return report;
  throw notRunning(name);
}

/** Ends a member's pauses. @returns what they were: none, when it is not paused */
export async function healPauses(store: Store, name: string): Promise<FaultReport[]> {
  const faults = (await listFaults(store, name)).flatMap(({ faults }) => faults);
  const ids = faults.filter(({ spec }) => spec.kind === "pause" && spec.member === name).map(({ id }) => id);
  return ids.length === 0 ? [] : await healFaults(store, { ids, via: name });
}

/** Lets members go on that faults pause. @returns the faults that were ended @throws {FleetboxError} `conflict`: one is not paused */
export async function resumeMembers(store: Store, names: readonly string[]): Promise<FaultReport[]> {
  const healed: FaultReport[] = [];
  for (const name of names) {
    const pauses = await healPauses(store, name);
    if (pauses.length === 0) {
      throw new FleetboxError("conflict", `Cannot resume "${name}": it is not paused`, {
        hint: `See what is wrong with it: fleetbox status ${name}`,
      });
    }
    healed.push(...pauses);
  }
  return healed;
}

function notRunning(name: string): FleetboxError {
  return new FleetboxError("not-found", `"${name}" is not running`, { hint: `Start it first: fleetbox up ${name}` });
}

/** `up` and what it prints, timed; and the moments of a start beside the counterpart's. */

import type { Store } from "../../src/store.ts";
import type { Stages } from "./bare_qemu.ts";
import { median, round, type Row, timeFleetbox } from "./bench.ts";

/** Egress is off, as nothing that is measured here talks to the outside. */
const UP = ["--egress", "off", "--json"];

/** What a member's events have of it. */
export interface ToldMember {
  name: string;
  state: string;
  stage?: string;
  hypervisor_pid?: number;
  warm?: true;
}

export interface Up {
  ms: number;
  stages: Stages;
  /** From the last event: all members, as they run. */
  members: ToldMember[];
}

/** `up`, timed, with the moments at which its events were printed. The slowest member's moment counts. */
export async function up(store: Store, names: string, options: readonly string[] = []): Promise<Up> {
  return await timeStart(store, ["up", names, ...UP, ...options]);
}

/** The same for any command that starts members and prints their events, `--json` included. */
export async function timeStart(store: Store, args: string[]): Promise<Up> {
  const stages: Stages = {};
  let members: ToldMember[] = [];
  const onLine = (line: string, atMs: number) => {
    const told = JSON.parse(line);
    if (told.event === "member") stages[told.member.state === "running" ? "running" : stageOf(told.member)] = atMs;
    if (Array.isArray(told.members)) members = told.members;
  };
  const ms = await timeFleetbox(store, args, { onLine });
  return { ms, stages: { ...stages, returned: ms }, members };
}

function stageOf(member: ToldMember): string {
  return member.stage === "boot" && member.hypervisor_pid !== undefined ? "qemu" : member.stage ?? "";
}

const OF_A_BOOT = ["image", "disk", "boot", "qemu", "kernel", "network", "ssh", "running", "returned"];

/** `stage ms` for ours, the counterpart's in parentheses: medians. */
export function breakdown(
  ours: readonly { stages: Stages }[],
  bare: readonly { stages: Stages }[],
  order: readonly string[] = OF_A_BOOT,
): string {
  const at = (starts: readonly { stages: Stages }[], stage: string) => {
    const values = starts.map(({ stages }) => stages[stage]).filter((value) => value !== undefined);
    return values.length === 0 ? undefined : Math.round(median(values));
  };
  return order.flatMap((stage) => {
    const [mine, theirs] = [at(ours, stage), at(bare, stage)];
    if (mine === undefined && theirs === undefined) return [];
    return [`${stage} ${mine ?? "-"}${theirs === undefined ? "" : ` (${theirs})`}`];
  }).join(", ");
}

/** A start, and when each of its moments came. */
export interface Timed {
  ms: number;
  stages: Stages;
}

/** A row of starts whose medians may differ by a factor at most. `order`: the moments that are told, as of {@link breakdown}. */
export function ratioRow(
  what: string,
  ours: readonly Timed[],
  counterpart: string,
  theirs: readonly Timed[],
  limit: number,
  order?: readonly string[],
): Row {
  const [measured, against] = [ours, theirs].map((starts) => starts.map(({ ms }) => round(ms)));
  return {
    what,
    measured: median(measured),
    unit: "ms",
    against: { what: counterpart, value: median(against) },
    limit: { kind: "ratio", value: limit },
    runs: { measured, against },
    note: breakdown(ours, theirs, order),
  };
}

/** Faults of a member's disk: requests that fail, and requests that are slow. */

import { bad, flag, member, numberIn, oneOf, only, whole } from "./values.ts";

/**
 * What a guest asks of its disk: data, to take data, or to have for good what it took.
 *
 * @example
 * ```ts
 * import { type DiskOperation, start } from "fleetbox";
 *
 * const on: DiskOperation[] = ["write", "flush"];
 * await using vm = await start();
 * await using fault = await vm.disk.fail({ on, rate: 0.01 });
 * console.log(fault.what);
 * ```
 */
export type DiskOperation = "read" | "write" | "flush";

export const DISK_OPERATIONS: readonly DiskOperation[] = ["read", "write", "flush"];

/** Some of a member's requests to its disk fail, or are slow: one of the two. */
export interface DiskFault {
  kind: "disk";
  member: string;
  /** Of which requests. @default all that it can be: see {@link operationsOf} */
  on?: DiskOperation[];
  /** They fail with this. */
  error?: "EIO";
  /** Only the first of them does. */
  once?: boolean;
  /** So many of them do, by chance: from 0.001 to 1, in steps of 0.001. @default all */
  rate?: number;
  /** Only those that touch these sectors of 512 bytes, the first and the last. */
  sectors?: [number, number];
  /** At most so many of them a second. */
  iops?: number;
  /** Each is so much later. */
  latencyMs?: number;
}

/** How many requests a rate counts out: it is exact in each so many of them. */
export const RATE_STEPS = 1_000;

/** How many rules QEMU may have to look through at each request. */
const MAX_RULES = 32_768;

/** A late request holds up each change of the faults, and the end of the machine. */
const MAX_LATENCY_MS = 5_000;

/** The requests that a fault is about. */
export function operationsOf({ on, sectors, iops }: Pick<DiskFault, "on" | "sectors" | "iops">): DiskOperation[] {
  const all = DISK_OPERATIONS.filter((one) => one !== "flush" || (sectors === undefined && iops === undefined));
  return on === undefined ? all : DISK_OPERATIONS.filter((one) => on.includes(one));
}

/** Of {@link RATE_STEPS} requests, how many fail. */
export function failuresOf(rate: number): number {
  return Math.round(rate * RATE_STEPS);
}

/** @throws {FleetboxError} `misuse` */
export function checkDiskFault(spec: Record<string, unknown>): void {
  only(spec, ["kind", "member", "on", "error", "once", "rate", "sectors", "iops", "latencyMs"]);
  member(spec);
  const { on, error, iops, latencyMs } = spec;
  if (on !== undefined) {
    if (!Array.isArray(on) || on.length === 0) bad("on", on, `some of ${DISK_OPERATIONS.join(", ")}`);
    for (const one of on as unknown[]) oneOf("on", one, DISK_OPERATIONS);
  }
  if (error !== undefined) return checkError(spec);
  for (const key of ["once", "rate", "sectors"]) {
    if (spec[key] !== undefined) bad(key, spec[key], "nothing: it needs an error");
  }
  if (iops === undefined && latencyMs === undefined) bad("error", error, "an error, iops, or a latency");
  if (iops !== undefined) {
    whole("iops", iops, 1, 1_000_000);
    if (asks(on, "flush")) bad("on", on, "read, write: iops do not count flushes, which can have a latency");
  }
  if (latencyMs !== undefined) numberIn("latency in ms", latencyMs, 1, MAX_LATENCY_MS);
}

function checkError({ on, error, once, rate, sectors, iops, latencyMs }: Record<string, unknown>): void {
  if (error !== "EIO") bad("error", error, "EIO: a guest's disk (virtio) knows no other error");
  const slow = iops !== undefined ? "iops" : latencyMs !== undefined ? "latency" : undefined;
  if (slow !== undefined) bad("error", error, `nothing beside ${slow}: two faults do both`);
  flag("once", once);
  if (rate !== undefined) {
    numberIn("rate", rate, 1 / RATE_STEPS, 1);
    if (once) bad("rate", rate, "nothing beside once");
  }
  if (sectors === undefined) return;
  if (!Array.isArray(sectors) || sectors.length !== 2) bad("sectors", sectors, "the first and the last one");
  const [first, last] = sectors as unknown[];
  whole("sectors", first, 0, 2 ** 40);
  whole("sectors", last, first as number, 2 ** 40);
  if (asks(on, "flush")) bad("on", on, "read, write: a flush is of the whole disk");
  const count = (last as number) - (first as number) + 1;
  if (once && count > 1) bad("sectors", sectors, "a single one: each of them would fail once");
  const most = Math.floor(MAX_RULES / (typeof rate === "number" && rate < 1 ? failuresOf(rate) : 1));
  if (count > most) bad("sectors", sectors, `at most ${most} sectors${rate === undefined ? "" : ", with this rate"}`);
}

function asks(on: unknown, operation: DiskOperation): boolean {
  return Array.isArray(on) && on.includes(operation);
}

/** `a, reads and writes fail (EIO), 1%`, without its kind. */
export function diskFaultText(spec: DiskFault, timeText: (ms: number) => string, part: (value: number) => string) {
  const { member, error, once, rate, sectors, iops, latencyMs } = spec;
  const words = operationsOf(spec).map((one) => one === "flush" ? "flushes" : `${one}s`);
  const operations = [words.slice(0, -1).join(", "), words.at(-1)].filter((some) => some !== "").join(" and ");
  const what = error !== undefined
    ? [
      `${operations} fail (${error})`,
      ...(once ? ["once"] : []),
      ...(rate === undefined ? [] : [part(rate)]),
      ...(sectors ? [sectors[0] === sectors[1] ? `sector ${sectors[0]}` : `sectors ${sectors.join("-")}`] : []),
    ]
    : [
      ...(iops === undefined ? [] : [`${operations} at most ${iops} a second`]),
      ...(latencyMs === undefined ? [] : [`${iops === undefined ? `${operations} ` : ""}${timeText(latencyMs)} late`]),
    ];
  return `${member}, ${what.join(", ")}`;
}

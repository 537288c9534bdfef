/** `fleetbox fault disk`: disks whose requests fail, or are slow. */

import { FleetboxError } from "../../core/errors.ts";
import type { DiskFault, DiskOperation } from "../../core/faults/disk.ts";
import { parseDelay, parseProbability, parseWhole } from "../arguments/fault_arguments.ts";
import { parseNames } from "../arguments/name_arguments.ts";
import { Command } from "../arguments/parser.ts";
import { type FillFlags, fillOf, fillOptions } from "./fault_fill.ts";
import { beginOfEach, type Common, common } from "../fault_begin.ts";

interface Flags extends Common, FillFlags {
  on?: string;
  error?: string;
  once?: boolean;
  rate?: string;
  sectors?: string;
  iops?: string;
  latency?: string;
}

export function diskCommand(): Command {
  return common(fillOptions(
    new Command("disk")
      .description("make requests to disks fail, or slow; fill file systems")
      .argument("<names...>", "running members: a,b,c or a b c")
      .option("--on <requests>", "of read, write, flush (default: all)")
      .option("--error <error>", "they fail with this: EIO, the one error that a guest's disk knows")
      .option("--once", "only the first of them fails")
      .option("--rate <part>", "so many of them fail, by chance: 0.1% and more")
      .option("--sectors <first-last>", "only what touches these sectors of 512 bytes fails")
      .option("--iops <number>", "so many reads and writes a second, and no more")
      .option("--latency <duration>", "each is so much later, at most 5s"),
  )).addHelpText(
    "after",
    `
It is the guest's own disk (/dev/vda), and its own requests: what it has cached it does not ask for, and a flush with nothing new to
flush does not fail. A failed write is not written. The disk's file stays whole, and is as before when the fault ends; what
a guest does after an error, such as to mount its file system read-only, stays.

Examples:
  fleetbox fault disk a --on write,flush --error EIO --rate 1% --for 30s
  fleetbox fault disk a --on flush --latency 200ms
  fleetbox fault disk a --fill 95% --path /var`,
  ).action(async (words: string[], flags: Flags) => {
    const names = parseNames(words);
    const fill = fillOf(flags);
    if (fill) {
      checkAlone(flags);
      await beginOfEach(names, { kind: "fill", ...fill }, flags);
      return;
    }
    const what = faultOf(flags);
    await beginOfEach(names, { kind: "disk", ...what }, flags);
  });
}

/** A full file system is a fault of its own. @throws {FleetboxError} `misuse` */
function checkAlone({ on, error, once, rate, sectors, iops, latency }: Flags): void {
  if ([on, error, once, rate, sectors, iops, latency].every((one) => one === undefined)) return;
  throw new FleetboxError("misuse", "Give --fill alone: a full file system and a disk that fails are two faults");
}

function faultOf(flags: Flags): Omit<DiskFault, "kind" | "member"> {
  const { error, once, rate, sectors, iops, latency } = flags;
  if ([error, once, rate, sectors, iops, latency].every((one) => one === undefined)) {
    throw new FleetboxError(
      "misuse",
      "What is to be wrong with the disk? For example: fleetbox fault disk a --error EIO",
    );
  }
  const of = flags.on === undefined ? {} : { on: flags.on.split(",") as DiskOperation[] };
  // What makes no sense together is refused by the fault's own check.
  const isSlow = iops !== undefined || latency !== undefined;
  return {
    ...of,
    ...(error === undefined && isSlow ? {} : { error: (error ?? "EIO") as DiskFault["error"] }),
    ...(once ? { once } : {}),
    ...(rate === undefined ? {} : { rate: parseProbability(rate, "--rate") }),
    ...(sectors === undefined ? {} : { sectors: parseSectors(sectors) }),
    ...(iops === undefined ? {} : { iops: parseWhole(iops, "--iops", 1_000_000) }),
    ...(latency === undefined ? {} : { latencyMs: parseDelay(latency, "--latency") }),
  };
}

/** `2048-4095`, or a single one. */
function parseSectors(text: string): [number, number] {
  const match = /^(\d+)(?:-(\d+))?$/.exec(text.trim());
  const [first, last] = [Number(match?.[1]), Number(match?.[2] ?? match?.[1])];
  if (match && first <= last) return [first, last];
  throw new FleetboxError(
    "misuse",
    `Bad value for --sectors: found ${JSON.stringify(text)}, expected the first and the last one: 2048-4095`,
  );
}

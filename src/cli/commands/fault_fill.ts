/** The part of `fleetbox fault disk` that fills a file system: its options, and the fault that they mean. */

import { FleetboxError } from "../../core/errors.ts";
import type { FillFault } from "../../core/faults/fill.ts";
import { parseProbability } from "../arguments/fault_arguments.ts";
import type { Command } from "../arguments/parser.ts";

export interface FillFlags {
  fill?: string;
  path?: string;
}

/** Adds them. */
export function fillOptions(command: Command): Command {
  return command
    .option("--fill <part>", "its file system is full to that part, as df tells it: 95%")
    .option("--path <directory>", "with --fill, a directory on that file system (default: /)");
}

/** The fault; undefined when none is asked for. @throws {FleetboxError} `misuse` */
export function fillOf({ fill, path }: FillFlags): Omit<FillFault, "kind" | "member"> | undefined {
  if (fill === undefined) {
    if (path === undefined) return undefined;
    throw new FleetboxError("misuse", "--path has no effect without --fill");
  }
  return { share: parseProbability(fill, "--fill"), ...(path === undefined ? {} : { path }) };
}

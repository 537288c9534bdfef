/** `fleetbox fault clock`: the clocks of members are moved, go at another rate, or are moved to and fro. */

import { FleetboxError } from "../../core/errors.ts";
import type { ClockFault } from "../../core/faults/clock.ts";
import { parseDurationMs } from "../arguments/duration.ts";
import { parseMove, parseTimes } from "../arguments/fault_arguments.ts";
import { parseNames } from "../arguments/name_arguments.ts";
import { Command } from "../arguments/parser.ts";
import { beginOfEach, type Common, common } from "../fault_begin.ts";

interface ClockFlags extends Common {
  bump?: string;
  rate?: string;
  strobe?: string;
  period?: string;
}

export function clockFaultCommand(): Command {
  return common(
    new Command("clock")
      .description("make the clocks of members wrong")
      .argument("<names...>", "running members: a,b,c or a b c")
      .option("--bump <duration>", "move it, once: +30s, -30s")
      .option("--rate <number>", "make it go so many times as fast: 0.9 to 1.1")
      .option("--strobe <duration>", "move it, and move it back, again and again: 200ms, -1s")
      .option("--period <duration>", "with --strobe, how long it stays there each time (default: 1s)"),
  ).addHelpText(
    "after",
    `
For all programs of the guest alike. Bumps add up. What keeps the guest's clock right (systemd-timesyncd, chrony, ntpd) is
stopped meanwhile, and started again. At the end the clock is as right, or as wrong, as it was before. What the clocks show:
fleetbox clock.

Example:
  fleetbox fault clock a --bump +30s --for 1m`,
  ).action(async (words: string[], flags: ClockFlags) => {
    const [names, change] = [parseNames(words), changeOf(flags)];
    await beginOfEach(names, { kind: "clock", ...change }, flags);
  });
}

function changeOf({ bump, rate, strobe, period }: ClockFlags): Partial<ClockFault> {
  const given = [bump, rate, strobe].filter((one) => one !== undefined);
  if (given.length !== 1) {
    const found = given.length === 0
      ? "What is to be wrong with the clock?"
      : "Give one of --bump, --rate and --strobe.";
    throw new FleetboxError("misuse", `${found} For example: fleetbox fault clock a --bump +30s`);
  }
  if (period !== undefined && strobe === undefined) {
    throw new FleetboxError("misuse", "--period has no effect without --strobe");
  }
  if (bump !== undefined) return { bumpMs: parseMove(bump, "--bump") };
  if (rate !== undefined) return { rate: parseTimes(rate, "--rate") };
  const periodMs = period === undefined ? {} : { periodMs: parseDurationMs(period, "--period") };
  return { strobeMs: parseMove(strobe!, "--strobe"), ...periodMs };
}

/** `fleetbox wait`: returns when members run. */

import { Command } from "../arguments/parser.ts";
import { reachMember, waitMembers } from "../../control.ts";
import { FleetboxError } from "../../core/errors.ts";
import { DEFAULTS } from "../../core/options.ts";
import type { MemberReport } from "../../wire.ts";
import { summary, throwProblems } from "../bring_members_up.ts";
import { parseDurationMs } from "../arguments/duration.ts";
import { Interrupt } from "../terminal/interrupt.ts";
import { parseNames } from "../arguments/name_arguments.ts";
import { say, sayJson } from "../terminal/output.ts";
import { progressFor, VERBOSE } from "../terminal/progress.ts";
import { openStore } from "../arguments/open_store.ts";
import { requireMember } from "../arguments/store_access.ts";

interface Flags {
  timeout?: string;
  json?: boolean;
  verbose?: boolean;
}

export function waitCommand(): Command {
  return new Command("wait")
    .description("wait until booting members run")
    .argument("<names...>", "members: a,b,c or a b c")
    .option(
      "--timeout <duration>",
      `such as 90, 90s or 2m, downloads not counted (default: ${DEFAULTS.bootTimeoutMs / 1000}s)`,
    )
    .option("--verbose", VERBOSE)
    .option("--json", 'one JSON object per event, then {"event":"wait","members":[…]}')
    .addHelpText("after", "\nExample:\n  fleetbox up a b --no-wait && fleetbox wait a b --timeout 2m")
    .action(async (words: string[], flags: Flags) => {
      const names = parseNames(words);
      const timeoutMs = flags.timeout === undefined
        ? DEFAULTS.bootTimeoutMs
        : parseDurationMs(flags.timeout, "--timeout");
      const store = openStore();
      for (const member of await Promise.all(names.map((name) => requireMember(store, name)))) {
        if (member.silence) throw member.silence;
        if (!member.report) throw notServed(member.name);
      }
      const progress = progressFor(names, flags);
      using interrupt = new Interrupt(() => void progress.end());
      let reports: MemberReport[];
      try {
        reports = await waitMembers(store, names, {
          timeoutMs,
          verbose: flags.verbose,
          signal: interrupt.signal,
          onEvent: (event) => {
            if (event.event === "member" && names.includes(event.member.name)) progress.member(event.member);
            if (event.event === "detail" && names.includes(event.name)) progress.detail(event);
          },
        });
        reports = await Promise.all(reports.map(async (report) => await reachMember(store, report.name) ?? report));
      } finally {
        progress.end();
      }
      if (flags.json) sayJson({ event: "wait", members: reports });
      else summary(reports).forEach(say);
      throwProblems(reports);
    });
}

function notServed(name: string): FleetboxError {
  return new FleetboxError("conflict", `"${name}" is not running and not booting`, {
    hint: `Boot it: fleetbox up ${name}`,
  });
}

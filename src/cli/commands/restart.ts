/** `fleetbox restart`: shuts members down and boots them again, in their group, with the options that they have. */

import { Command } from "../arguments/parser.ts";
import { FleetboxError } from "../../core/errors.ts";
import { listed } from "../../core/names.ts";
import { DEFAULTS, type Options } from "../../core/options.ts";
import { checkGrows, checkHostMemory, checkStays, resourcesOf } from "../../store/resources.ts";
import { homeGroup, leftAlone, type MemberFacts, observeGroups, orphanGroup } from "../../control/observe.ts";
import { BringUp } from "../../control/bring_up.ts";
import { ofAProgram, planUp } from "../../control/plan.ts";
import { isInStore } from "../../control/remove.ts";
import type { Store } from "../../store.ts";
import type { MemberReport } from "../../wire.ts";
import { resolveHelper } from "../../../helper/resolve.ts";
import { noteAccelerator } from "../accelerator_note.ts";
import { addResourceFlags, FLAG_WORDING, memberOptions } from "../arguments/member_options.ts";
import { openStore } from "../arguments/open_store.ts";
import { requireMember } from "../arguments/store_access.ts";
import { addWaitFlags, stillRunning, summary, throwProblems } from "../bring_members_up.ts";
import { throwAll } from "../error_text.ts";
import { Interrupt } from "../terminal/interrupt.ts";
import { say, sayJson } from "../terminal/output.ts";
import { type Progress, progressFor } from "../terminal/progress.ts";
import { chosenNames, graceOf, stopMembers } from "./stop.ts";

interface Flags {
  all?: boolean;
  force?: boolean;
  grace?: string;
  cpus?: string;
  memory?: string;
  disk?: string;
  timeout?: string;
  wait: boolean;
  json?: boolean;
  verbose?: boolean;
}

export function restartCommand(): Command {
  const command = new Command("restart")
    .alias("reboot")
    .description("shut members down and boot them again, with their disks, addresses and options")
    .argument("[names...]", "members: a,b,c or a b c")
    .option("--all", "every running member, except those of a running program")
    .option("--force", "do not wait for the guest: end the machine at once")
    .option("--grace <duration>", "how long the guest may take to shut down before it is ended (default: 30s)");
  return addWaitFlags(
    addResourceFlags(command)
      .option(
        "--timeout <duration>",
        `limit for each stage of a boot, such as 90, 90s or 2m (default: ${DEFAULTS.bootTimeoutMs / 1000}s)`,
      ),
  )
    .addHelpText(
      "after",
      `
The rest of the group runs on. A member that is stopped is booted; one that is suspended goes
on where it was. Shared directories are read anew.
Ctrl-C during the boot takes down again what this command boots.

Events of --json: as those of up; the last one is {"event":"restart","members":[…]}.

Examples:
  fleetbox restart a
  fleetbox restart a b --force
  fleetbox restart a --memory 1G`,
    )
    .action(restartAction);
}

async function restartAction(words: string[], flags: Flags): Promise<void> {
  const options = memberOptions(flags, Deno.cwd, "");
  const graceMs = graceOf(flags);
  const store = openStore();
  const { names, spared } = await chosenNames(store, words, flags.all ?? false, "restart");
  const members = await Promise.all(names.map((name) => requireMember(store, name)));
  for (const member of members) checkBoots(member, options);
  const groups = observeGroups(store);
  const isUp = (member: MemberFacts) => member.report || member.silence || orphanGroup(groups, member.name);
  const homes = Map.groupBy(members, (member) => homeOf(member, groups));

  const progress = progressFor(names, flags);
  if (spared.length > 0) progress.note(leftAlone(spared));
  for (const { name, isSuspended } of members.filter((member) => !isUp(member))) {
    progress.note(isSuspended ? `${name} is suspended: it goes on where it was` : `${name} is stopped: it is booted`);
  }
  const bringUps: BringUp[] = [];
  using interrupt: Interrupt = new Interrupt(() => {
    progress.end();
    return stillRunning(bringUps.flatMap(({ started }) => started));
  });
  const { signal } = interrupt;
  const toStop = members.filter(isUp).map(({ name }) => name);
  const stopped = await stopMembers(store, toStop, { ...flags, graceMs, signal }, progress);
  if (interrupt.happened) {
    progress.end();
    throw new FleetboxError("interrupted", "Interrupted; the members continue to shut down, and are not booted again", {
      hint: "List the members: fleetbox ls",
    });
  }
  const down = [...stopped.stopped, ...stopped.notRunning];
  const failures = [...stopped.failures];
  const reports = (await Promise.all([...homes.values()].map(async (home) => {
    const left = home.filter(({ name }) => !toStop.includes(name) || down.includes(name));
    const lost = left.filter((member) => isRemoved(store, member)).map(({ name }) => name);
    failures.push(...lost.map(wasRemoved));
    const its = left.map(({ name }) => name).filter((name) => !lost.includes(name));
    if (its.length === 0) return [];
    const bringUp = bringUpOf(store, its, options, { flags, progress, signal });
    bringUps.push(bringUp);
    return await bringUp.run().catch((thrown) => {
      failures.push(thrown);
      return [];
    });
  }))).flat().sort((a, b) => names.indexOf(a.name) - names.indexOf(b.name));
  progress.end();
  tell(reports, names, flags);
  if (interrupt.happened && failures.length > 1) {
    throw new FleetboxError("interrupted", `Interrupted; stopped again: ${listed(down)}`, {
      hint: "List the members: fleetbox ls",
    });
  }
  throwAll(failures);
  throwProblems(reports);
}

/** Before anything is stopped. @throws {FleetboxError} it could not be booted again */
function checkBoots({ name, report, stored, isSuspended }: MemberFacts, options: Options): void {
  if (report?.bound) throw ofAProgram(name);
  if (stored && "damage" in stored) throw stored.damage;
  if (!stored) return;
  checkGrows(stored.config, options);
  const wanted = resourcesOf(stored.config, options);
  if (isSuspended && !report) checkStays(stored.config, wanted);
  checkHostMemory({ name, memory_mb: wanted.memory_mb });
}

/** Whether another command has removed it meanwhile: what would boot is a new one, without its disk. */
function isRemoved(store: Store, { name, stored }: MemberFacts): boolean {
  return stored !== undefined && !isInStore(store, name);
}

function wasRemoved(name: string): FleetboxError {
  return new FleetboxError("not-found", `"${name}" was removed while it was being restarted`);
}

/** Members of one group boot together; those of others stay on networks of their own. */
function homeOf(member: MemberFacts, groups: ReturnType<typeof observeGroups>): string {
  const { name, report, stored } = member;
  const group = orphanGroup(groups, name) ?? homeGroup(groups, member);
  return report?.group_id ?? group?.id ?? (stored && "config" in stored ? stored.config.group : undefined) ?? name;
}

function bringUpOf(
  store: Store,
  names: string[],
  options: Options,
  { flags, progress, signal }: { flags: Flags; progress: Progress; signal: AbortSignal },
): BringUp {
  return new BringUp(store, {
    names,
    options,
    asked: { options, wording: FLAG_WORDING },
    wait: flags.wait,
    verbose: flags.verbose,
    timeoutMs: options.boot_timeout_ms ?? DEFAULTS.bootTimeoutMs,
    plan: (facts, groups) => planUp(names.map((name) => facts.get(name)!), groups),
    findExecutable: resolveHelper,
    onMachine: (via) => noteAccelerator(store, via, (text) => progress.note(text)),
    progress,
    signal,
  });
}

function tell(reports: MemberReport[], names: readonly string[], flags: Flags): void {
  if (flags.json) sayJson({ event: "restart", members: reports });
  else if (names.length === 0) say("nothing runs");
  else if (reports.length > 0) summary(reports).forEach(say);
}

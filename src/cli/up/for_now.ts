/**
 * `up --rm`: members that live as long as the command, and are removed with their disks at its end.
 *
 * Their holder is bound to this process (`control/spawn.ts`), as those of the library are: it ends and removes them also when
 * this process is killed.
 */

import { watch } from "../../control.ts";
import type { GroupFacts, MemberFacts } from "../../control/observe.ts";
import { type Plan, planBound } from "../../control/plan.ts";
import { removeLogs } from "../../control/remove.ts";
import { type Session, spawn, type SpawnOptions } from "../../control/spawn.ts";
import { FleetboxError } from "../../core/errors.ts";
import { listed } from "../../core/names.ts";
import type { Options } from "../../core/options.ts";
import type { Store } from "../../store.ts";
import { isAlive, isSameProcess, ownIdentity } from "../../system/process.ts";
import { openStore } from "../arguments/open_store.ts";
import { bringMembersUp, type UpFlags } from "../bring_members_up.ts";
import { throwAll } from "../error_text.ts";
import { Interrupt } from "../terminal/interrupt.ts";
import { sayJson, warn } from "../terminal/output.ts";
import { removeEach } from "./remove_each.ts";

/** Brings new members up, and waits until the user interrupts it or none of them runs any more; then removes them. */
export async function upForNow(names: string[], flags: UpFlags, options: Options): Promise<void> {
  if (!flags.wait) {
    throw new FleetboxError(
      "misuse",
      "With --rm the command stays as long as its members: --rm or --no-wait, not both",
    );
  }
  const store = openStore();
  const owner = ownIdentity();
  let session: Session | undefined;
  const plan = (facts: Map<string, MemberFacts>, groups: GroupFacts[]): Plan => {
    const members = names.map((name) => facts.get(name)!);
    const kept = members.find(({ stored }) => stored && "config" in stored && isKept(stored.config.owner));
    if (kept) return { step: "refuse", error: exists(kept.name) };
    return planBound(members, [], groups, { holder: session?.pid, existing: "refuse", isAlive });
  };
  try {
    await bringMembersUp({
      names,
      flags,
      options: { ...options, ...(owner && { owner }) },
      startHolder: async (request: SpawnOptions) => session = await spawn(store, { ...request, bound: true }),
      plan,
    });
  } catch (thrown) {
    await session?.close();
    throw thrown;
  }
  if (!flags.json) {
    warn(
      `${names.length > 1 ? "they are" : "it is"} removed when this command ends: Ctrl-C, or when none runs any more`,
    );
  }
  using interrupt = new Interrupt(() => `left at once; the holder of ${listed(names)} removes them`);
  await untilDown(store, names, interrupt.signal);
  await end(store, session!, { names, owner, flags });
}

function isKept(owner: Options["owner"]): boolean {
  return owner === undefined || isAlive(owner);
}

function exists(name: string): FleetboxError {
  return new FleetboxError("conflict", `There is a member "${name}" already, and --rm removes only what it makes`, {
    hint: `Choose another name, or none; or boot that one: fleetbox up ${name}`,
  });
}

/** Waits until none of the members has a machine that runs, or the signal fires. */
async function untilDown(store: Store, names: readonly string[], signal: AbortSignal): Promise<void> {
  await Promise.all(names.map(async (name) => {
    for await (const event of watch(store, name, signal)) {
      if (event.event === "gone" && event.name === name) return;
      if (event.event === "member" && event.member.name === name && event.member.state === "error") {
        warn(`${name}: ${event.member.failure?.message ?? event.member.error ?? "its machine ended"}`);
        return;
      }
    }
  }));
}

interface Ending {
  names: readonly string[];
  owner: Options["owner"];
  flags: UpFlags;
}

async function end(store: Store, session: Session, { names, owner, flags }: Ending): Promise<void> {
  await session.close(); // its machines and what belongs to its client end with it
  const ours = names.filter((name) => !isOfOthers(store, name, owner));
  for (const name of names) {
    if (!ours.includes(name)) warn(`${name} stays: it was removed, and made again by another command`);
  }
  const { removed, failures } = await removeEach(store, ours, flags);
  removeLogs(store, ours);
  if (flags.json) sayJson({ event: "rm", removed });
  throwAll(failures);
}

/** Whether another command has made the member of that name that there is now. */
function isOfOthers(store: Store, name: string, owner: Options["owner"]): boolean {
  const stored = store.readMember(name);
  return owner !== undefined && stored !== undefined && "config" in stored &&
    !isSameProcess(stored.config.owner, owner);
}

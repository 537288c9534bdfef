/** Scripts that members are to run (`up --run`): which have run before, and those of members that run already. */

import type { Options, Script } from "../core/options.ts";
import { ranBefore, scriptDigest } from "../store/scripts.ts";
import type { MemberConfig, Store } from "../store.ts";
import type { Event } from "../wire.ts";
import { stream } from "./requests.ts";

/**
 * Runs scripts in the guest of a member that runs: those that have not run in it. It ends when the signal fires. A failure is in the
 * member's report then.
 * @throws {FleetboxError} `conflict`: it does not run; `protocol`: its holder is of an earlier version
 */
export async function runScripts(
  store: Store,
  name: string,
  scripts: Script[],
  onEvent: (event: Event) => void,
  signal: AbortSignal,
): Promise<void> {
  for await (const event of stream(store, name, "run", { scripts, output: true }, signal)) {
    if (event.event === "done") return;
    onEvent(event);
  }
  signal.throwIfAborted();
}

/** What is told of a member that is to boot, of scripts that have run in it. */
export function whatRanBefore({ name, scripts = [] }: MemberConfig, { run = [] }: Options): string[] {
  const done = scripts.filter(({ text }) => text === undefined).map(({ digest }) => digest);
  return run.filter(({ text }) => done.includes(scriptDigest(text))).map((one) => ranBefore(name, one.name));
}

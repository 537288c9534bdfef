/**
 * `fleetbox-helper`: the holder on its own, for clients that are not fleetbox themselves.
 *
 * The contract is the one of `main.ts`: `--fleetbox-runner NAMES` makes it the holder of these members, with
 * `FLEETBOX_OPTS` and, bound, `FLEETBOX_PARENT_PID` in its environment. `version` says which protocol it speaks. It has no
 * commands; where clients look for it is in `resolve.ts`.
 */

import { registerFleetbox, VERSION, versionLine } from "../src/system/program_info.ts";
import { PROTOCOL_VERSION, RUNNER_FLAG } from "../src/wire.ts";

const USAGE = `fleetbox-helper ${VERSION}: holds groups of machines for programs that use fleetbox.

  fleetbox-helper ${RUNNER_FLAG} NAMES    hold these members, joined by commas
  fleetbox-helper version [--json]`;

async function main(args: string[]): Promise<number> {
  const [first, second, ...rest] = args;
  if (first === RUNNER_FLAG && second !== undefined && rest.length === 0) {
    const { runHolder } = await import("../src/holder.ts");
    return await runHolder(second);
  }
  if ((first === "version" || first === "--version") && rest.length === 0) {
    const facts = { name: "fleetbox-helper", version: VERSION, protocol: PROTOCOL_VERSION };
    console.log(second === "--json" ? JSON.stringify(facts) : versionLine("fleetbox-helper"));
    return 0;
  }
  console.error(USAGE);
  return 2;
}

if (import.meta.main) {
  registerFleetbox(import.meta.dirname!.replace(/\/helper$/, ""));
  Deno.exit(await main(Deno.args));
}

/**
 * Which executable a client spawns as its holder: a pure function from facts to the next step, in this order.
 *
 * | what is found                                                | what is spawned                                   |
 * | ------------------------------------------------------------ | ------------------------------------------------- |
 * | `FLEETBOX_HELPER`                                            | that; refused when it is not a program            |
 * | this program is a compiled fleetbox                          | this program again                                |
 * | this is Deno, and fleetbox's main module is there            | the same Deno with that module                    |
 * | a `fleetbox` on `PATH` that speaks our protocol              | that                                              |
 * | the catalogue has a helper for this platform                 | that, from the store's `bin/` or downloaded there |
 * | nothing of this                                              | refused, with what to set                         |
 *
 * A compiled program that imports `mod.ts` is not fleetbox: spawned again it would be itself.
 */

import type { Executable } from "../src/system/program_info.ts";
import { FleetboxError } from "../src/core/errors.ts";
import type { Catalog, CatalogEntry } from "./catalog.ts";

/** The version that a program on `PATH` reports. */
export interface Asked {
  program: string;
  /** Absent: it did not report one. */
  protocol?: number;
}

export interface Facts {
  /** `FLEETBOX_HELPER`, when it is set, and the program that it names. */
  named?: { text: string; program?: string };
  /** The running executable, and whether `deno compile` made it. */
  self: string;
  isCompiled: boolean;
  /** Whether the program is fleetbox or its helper: their main modules register themselves. */
  isFleetbox: boolean;
  /** How this Deno runs fleetbox's main module; absent when there is none. */
  source?: Executable;
  /** The `fleetbox` on `PATH`; absent: there is none. It is asked only when it matters. */
  onPath?: string;
  asked?: Asked;
  /** The protocol that we speak. */
  protocol: number;
  /** `Deno.build.target` */
  target: string;
  catalog: Catalog;
}

type Decision =
  | { step: "use"; executable: Executable }
  /** Ask this program for its protocol, and decide again. */
  | { step: "ask"; program: string }
  | { step: "download"; entry: CatalogEntry }
  | { step: "refuse"; error: FleetboxError };

export function decide(facts: Facts): Decision {
  const { named, self, isCompiled, isFleetbox, source, onPath, asked, protocol, target, catalog } = facts;
  if (named) {
    if (named.program) return { step: "use", executable: { program: named.program, args: [] } };
    return { step: "refuse", error: notAProgram(named.text) };
  }
  if (isCompiled && isFleetbox) return { step: "use", executable: { program: self, args: [] } };
  if (!isCompiled && source) return { step: "use", executable: source };
  if (onPath && asked?.program !== onPath) return { step: "ask", program: onPath };
  if (onPath && asked?.protocol === protocol) return { step: "use", executable: { program: onPath, args: [] } };
  const entry = catalog.protocol === protocol && Object.hasOwn(catalog.helpers, target)
    ? catalog.helpers[target]
    : undefined;
  if (entry) return { step: "download", entry };
  return { step: "refuse", error: nowhere(facts) };
}

const NEXT = "Install fleetbox and put it on PATH, or set FLEETBOX_HELPER to the path of fleetbox or fleetbox-helper.";

function notAProgram(text: string): FleetboxError {
  return new FleetboxError("misuse", `FLEETBOX_HELPER is ${JSON.stringify(text)}, which is not a program`, {
    hint: "Set it to the path of fleetbox or fleetbox-helper, or unset it.",
  });
}

function nowhere({ isCompiled, onPath, asked, protocol, target }: Facts): FleetboxError {
  const self = isCompiled ? "this program is not fleetbox" : "fleetbox's main module is not beside this library";
  const spoken = asked?.protocol === undefined ? "says no protocol version" : `speaks version ${asked.protocol}`;
  const path = onPath ? `${onPath} ${spoken}, expected ${protocol}` : "no fleetbox is on PATH";
  return new FleetboxError(
    "unavailable",
    `Cannot find a fleetbox executable to start the holder: ${self}; ${path}; and there is none to download for ${target}`,
    { hint: NEXT },
  );
}

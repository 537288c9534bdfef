/**
 * Finds the executable that a client spawns as its holder: gathers the facts, lets `decide.ts` decide, and does it.
 *
 * Cheap facts are gathered at once; a program on `PATH` is asked for its version, and the catalogue's helper downloaded,
 * only when the decision needs that. The result is kept for the life of this process.
 */

import { variable } from "../src/core/environment.ts";
import { Limit } from "../src/core/deadline.ts";
import { run, which } from "../src/system/process.ts";
import { type Executable, isFleetbox, ownPath, sourceExecutable } from "../src/system/program_info.ts";
import type { Store } from "../src/store.ts";
import { PROTOCOL_VERSION } from "../src/wire.ts";
import { CATALOG, type Catalog } from "./catalog.ts";
import { type Asked, decide, type Facts } from "./decide.ts";
import type { DownloadOptions } from "./download.ts";

/** How long a program on `PATH` may take to print its version. */
const ASK_LIMIT_MS = 10_000;

export interface ResolveOptions extends DownloadOptions {
  /** Replaces the facts that are found; for tests. */
  facts?: Partial<Facts>;
  catalog?: Catalog;
}

/**
 * The executable that becomes a holder for this process.
 * @throws {FleetboxError} `misuse`: FLEETBOX_HELPER is not a program; `unavailable`: there is none; or why it could not
 * be downloaded.
 */
export async function resolveHelper(store: Store, options: ResolveOptions = {}): Promise<Executable> {
  const { catalog = CATALOG } = options;
  const facts: Facts = { ...gather(catalog), ...options.facts };
  for (;;) {
    const decision = decide(facts);
    switch (decision.step) {
      case "use":
        return decision.executable;
      case "refuse":
        throw decision.error;
      case "ask":
        facts.asked = await ask(decision.program);
        break;
      case "download": {
        const { downloadHelper } = await import("./download.ts");
        const { version } = catalog;
        const program = await downloadHelper(store, { ...decision.entry, version, target: facts.target }, options);
        return { program, args: [] };
      }
      default:
        return decision satisfies never;
    }
  }
}

function gather(catalog: Catalog): Facts {
  const text = variable("FLEETBOX_HELPER");
  return {
    named: text ? { text, program: which(text) } : undefined,
    self: ownPath(Deno.execPath()),
    isCompiled: Deno.build.standalone,
    isFleetbox: isFleetbox(),
    source: sourceExecutable(),
    onPath: which("fleetbox"),
    protocol: PROTOCOL_VERSION,
    target: Deno.build.target,
    catalog,
  };
}

/** Asks a program for its protocol. Never throws: a program without an answer is not used. */
export async function ask(program: string, limitMs = ASK_LIMIT_MS): Promise<Asked> {
  using limit = new Limit(limitMs);
  try {
    const said = JSON.parse(await run(program, ["version", "--json"], { signal: limit.signal }));
    return Number.isInteger(said?.protocol) ? { program, protocol: said.protocol } : { program };
  } catch {
    return { program };
  }
}

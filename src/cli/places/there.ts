/**
 * A command that names a place: fleetbox there does it (`run_there.ts`), or, if it is a client, it goes on here with the members
 * there. Those who only need a client do not load what the others do.
 */

import { PlaceConnection } from "../../control/places/connection.ts";
import { requirePlace } from "../../control/places/known.ts";
import { openPlaceStore, proxyCommand } from "../../control/places/place_client.ts";
import { FleetboxError } from "../../core/errors.ts";
import { lazyModule } from "../../core/lazy_modules.ts";
import type { Store } from "../../store.ts";
import type { Place } from "../../store/places.ts";
import { versionLine } from "../../system/program_info.ts";
import { openStore } from "../arguments/open_store.ts";
import { isNews } from "../said_once.ts";
import { warn } from "../terminal/output.ts";
import { checkWorksThere, kindOf } from "./commands.ts";
import { useCurrentPlace } from "./current.ts";
import type { PlaceWish } from "./wish.ts";

/**
 * Runs a command at a place. @returns its exit code; undefined: the command is to run here
 * @throws {FleetboxError} `not-found`: there is no such place; `unavailable`: it cannot be reached
 */
export async function runThere({ place: name, isGiven, words }: PlaceWish): Promise<number | undefined> {
  const kind = kindOf(words[0] ?? "help");
  if (kind === "here") {
    if (!isGiven || words.length === 0) return undefined;
    throw new FleetboxError("misuse", `fleetbox ${words[0]} is of this host: --on has no effect on it`, {
      hint: "Leave --on out.",
    });
  }
  const end = words.indexOf("--");
  if ((end < 0 ? words : words.slice(0, end)).some((word) => word === "--help" || word === "-h")) return undefined;
  if (words[0] === "trace" && await readsBundleHere(words)) {
    if (!isGiven) return undefined;
    throw new FleetboxError("misuse", `That bundle is a file of this host: --on ${name} has no effect on it`, {
      hint: "Leave --on out; or name a trace there, by its id or a member.",
    });
  }
  const store = openStore();
  const place = requirePlace(store, name!);
  checkWorksThere(words, place.name);
  await tellOfVersions(store, place);
  const connection = new PlaceConnection(store, place);
  if (!place.engine && kind === "client") {
    const shadow = await openPlaceStore(place, connection, { mayAsk: true });
    useCurrentPlace({ name: place.name, store: shadow, proxy: proxyCommand(connection), connection });
    return undefined;
  }
  await connection.open();
  if (place.engine) {
    const { runAtEngine } = await lazyModule<typeof import("./engine/run.ts")>("src/cli/places/engine/run.ts");
    return await runAtEngine(store, place, connection, words, kind);
  }
  const { runWithFiles } = await lazyModule<typeof import("./run_there.ts")>("src/cli/places/run_there.ts");
  return await runWithFiles(connection, place, words);
}

async function tellOfVersions(store: Store, { name, url, version }: Place): Promise<void> {
  if (version === versionLine()) return;
  const sentence =
    `the place "${name}" has ${version}, this is ${versionLine()}; bring this one: fleetbox place add ${name} ${url}`;
  if (await isNews(store, sentence)) warn(`fleetbox: ${sentence}`);
}

async function readsBundleHere(words: readonly string[]): Promise<boolean> {
  const traces = await lazyModule<typeof import("./traces.ts")>("src/cli/places/traces.ts");
  return traces.readsBundleHere(words);
}

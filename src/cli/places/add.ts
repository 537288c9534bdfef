/** `fleetbox place add`: connects to a host, looks at it, brings fleetbox there, and keeps it as a place. */

import { FleetboxError } from "../../core/errors.ts";
import { parseAddress } from "../../control/places/address.ts";
import {
  bring,
  type Cargo,
  cargo,
  digestThere,
  lookAt,
  programThere,
  versionThere,
} from "../../control/places/bring.ts";
import { PlaceConnection } from "../../control/places/connection.ts";
import { checkPlaceName, type Place, placePaths, placeStore, readPlace, writePlace } from "../../store/places.ts";
import type { Store } from "../../store.ts";
import { removeIfThere } from "../../system/files.ts";
import { ownPath, versionLine } from "../../system/program_info.ts";
import { type EngineWish, lookAtSlurm } from "../../control/places/engine/look.ts";
import { Command } from "../arguments/parser.ts";
import { bytesText } from "../arguments/sizes.ts";
import { openStore } from "../arguments/open_store.ts";
import { ask, canAsk } from "../terminal/consent.ts";
import { say, sayJson, warn } from "../terminal/output.ts";

interface Flags extends EngineWish {
  yes?: boolean;
  executable?: string;
  store?: string;
  json?: boolean;
}

export function addPlaceCommand(): Command {
  return new Command("add")
    .description("add a host, or bring this version of fleetbox to one")
    .argument("<place>", "its name")
    .argument("<address>", "ssh://[user@]host[:port], or slurm://[user@]login[:port]; ~/.ssh/config says the rest")
    .option("-y, --yes", "do not ask before fleetbox is copied there")
    .option("--executable <file>", "the fleetbox to bring (default: this one); for another system, one for that")
    .option("--store <dir>", "the store there (default: its FLEETBOX_HOME, else ~/.fleetbox)")
    .option("--partition <name>", "slurm:// only: the partition of its jobs")
    .option("--account <name>", "slurm:// only: the account of its jobs")
    .option("--time <limit>", "slurm:// only: the time limit of its jobs, as sbatch takes it: 2:00:00")
    .option("--json", "one JSON object")
    .addHelpText(
      "after",
      `
Uses your own OpenSSH: keys, agent, jump hosts, known hosts. An unknown or changed host key is OpenSSH's to ask about or to
refuse. The executable is copied into the store there once a version, and verified by its digest; nothing else is
installed; fleetbox place check tells what the host lacks for machines.

slurm://login is a Slurm cluster with that login host, slurm:// alone one whose sbatch is on this host: each group is a job.
The store there has to be on a file system that its nodes share, such as the home directory.

--json: {"event":"place","name","url","system","store","version","engine"?}

Examples:
  fleetbox place add big ssh://me@big.example
  fleetbox place add big ssh://big --yes
  fleetbox place add lab slurm://login --partition p --time 2:00:00`,
    )
    .action(add);
}

async function add(name: string, url: string, flags: Flags): Promise<void> {
  checkPlaceName(name);
  const { scheme, host } = parseAddress(url);
  checkWish(scheme, flags);
  const store = openStore();
  const before = placeBefore(store, name, url, flags.store);
  const load = await cargo(ownExecutable(flags.executable));
  const connection = new PlaceConnection(store, { name, url });
  await connection.open();
  try {
    const engine = scheme === "slurm" ? await lookAtSlurm(connection, wishOf(flags)) : undefined;
    const found = await lookAt(connection, flags.store ?? before?.store);
    // This host's own store has this host's own members.
    if (host === undefined && flags.store === undefined && !before) found.store += `-${name}`;
    const program = programThere(found.store, load);
    if (await digestThere(connection, program) !== load.digest) {
      consent(name, url, load, flags);
      if (!flags.json) warn(`bringing fleetbox to ${name}…`);
      await bring(connection, load, program);
    }
    const version = await versionThere(connection, program);
    const place: Place = {
      name,
      url,
      ...(engine && { engine }),
      ...found,
      program,
      digest: load.digest,
      version,
      added_at: new Date().toISOString(),
    };
    removeIfThere(placeStore(store, name).key);
    await writePlace(store, place);
    tell(place, flags);
  } catch (thrown) {
    if (!before) await forget(connection, placePaths(store, name).dir);
    throw thrown;
  }
}

/** The place as it is. @throws {FleetboxError} `conflict`: it is another host, or has another store */
function placeBefore(store: Store, name: string, url: string, root?: string): Place | undefined {
  const place = readPlace(store, name);
  const hint = `Remove it first, which touches nothing there: fleetbox place rm ${name}`;
  if (place && place.url !== url) {
    throw new FleetboxError("conflict", `The place "${name}" is ${place.url}, found ${url}`, { hint });
  }
  if (place && root !== undefined && place.store !== root) {
    throw new FleetboxError("conflict", `The place "${name}" has the store ${place.store}, found ${root}`, { hint });
  }
  return place;
}

const WISHES = ["partition", "account", "time"] as const;

function wishOf(flags: Flags): EngineWish {
  return Object.fromEntries(WISHES.map((name) => [name, flags[name]]));
}

/** @throws {FleetboxError} `misuse`: the option has no effect on such a place, or its value is none */
function checkWish(scheme: "ssh" | "slurm", flags: Flags): void {
  for (const name of WISHES) {
    const value = flags[name];
    if (value === undefined) continue;
    if (scheme !== "slurm") {
      throw new FleetboxError("misuse", `--${name} is of jobs, found a place that is a host`, {
        hint: "Leave it out; or name a cluster: slurm://login",
      });
    }
    if (!/^[\w.,:+-]+$/.test(value) || value.startsWith("-")) {
      throw new FleetboxError("misuse", `Bad --${name}: ${JSON.stringify(value)}, expected what sbatch takes`);
    }
  }
}

function ownExecutable(given: string | undefined): string {
  if (given !== undefined) return given;
  if (Deno.build.standalone) return ownPath(Deno.execPath());
  throw new FleetboxError("misuse", "fleetbox runs from source here, so that it has no executable to bring", {
    hint: "Compile it, and name what that makes: make compile; --executable FILE",
  });
}

/** @throws {FleetboxError} `misuse`: nobody can be asked; `failed`: the answer was no */
function consent(name: string, url: string, { bytes }: Cargo, flags: Flags): void {
  if (flags.yes) return;
  if (!canAsk(flags)) {
    throw new FleetboxError(
      "misuse",
      `Cannot ask before fleetbox is copied to "${name}": expected a terminal, or --yes`,
      {
        hint: `fleetbox place add ${name} ${url} --yes`,
      },
    );
  }
  ask(`Copy fleetbox (${bytesText(bytes)}) to ${url}?`, "Nothing was copied");
}

/** What a failed attempt made here. */
async function forget(connection: PlaceConnection, dir: string): Promise<void> {
  await connection.close();
  await Deno.remove(dir, { recursive: true }).catch(() => {});
}

function tell({ name, url, engine, system, store, version }: Place, flags: Flags): void {
  if (flags.json) return sayJson({ event: "place", name, url, system, store, version, ...(engine && { engine }) });
  say(`${name} is ${url}: ${system}, ${version}${engine ? `, Slurm's cluster ${engine.cluster}` : ""}`);
  if (engine) warn(`its nodes have to see ${store}: is it on a file system that they share?`);
  if (version !== versionLine()) warn(`this is ${versionLine()}`);
  warn(`try: fleetbox place check ${name}; fleetbox up a --on ${name}`);
}

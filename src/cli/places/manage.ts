/** `fleetbox place ls`, `check` and `rm`. */

import { digestThere } from "../../control/places/bring.ts";
import { closeConnections, PlaceConnection } from "../../control/places/connection.ts";
import { environmentFor, requirePlace } from "../../control/places/known.ts";
import { FleetboxError } from "../../core/errors.ts";
import { type Engine, engineOf } from "../../control/places/engine/engine.ts";
import { shellCommand } from "../../core/quoting.ts";
import { jobDirectories, type Place, placeNames, removePlace } from "../../store/places.ts";
import { versionLine } from "../../system/program_info.ts";
import { Command } from "../arguments/parser.ts";
import { openStore } from "../arguments/open_store.ts";
import { say, sayJson, warn } from "../terminal/output.ts";
import { tableLines } from "../terminal/table.ts";
import { runAt } from "./run_there.ts";

export function listPlacesCommand(): Command {
  return new Command("ls")
    .alias("list")
    .description("list the places; connects to none")
    .option("-q, --quiet", "names only")
    .option("--json", "one JSON array")
    .addHelpText(
      "after",
      `
CONNECTED tells whether there is a connection now, which commands share; one that is not used ends after ten minutes.

--json: [{"name","url","system","store","version","connected","engine"?}]

Example:
  fleetbox place ls`,
    )
    .action(async (flags: { quiet?: boolean; json?: boolean }) => {
      const store = openStore();
      const names = placeNames(store);
      if (flags.quiet) return names.forEach(say);
      const views = await Promise.all(names.map(async (name) => {
        const place = requirePlace(store, name);
        const { url, system, version, engine } = place;
        return {
          name,
          url,
          system,
          store: place.store,
          version,
          connected: await new PlaceConnection(store, place).isOpen(),
          ...(engine && { engine }),
        };
      }));
      if (flags.json) return sayJson(views);
      if (views.length === 0) return warn("no places yet: fleetbox place add big ssh://me@host");
      const rows = views.map(({ name, url, system, version, connected }) =>
        [name, url, system, version.replace(/^fleetbox /, ""), connected ? "yes" : "-"].map((text) => ({ text }))
      );
      tableLines(["NAME", "ADDRESS", "SYSTEM", "FLEETBOX", "CONNECTED"], rows).forEach(say);
    });
}

export function checkPlaceCommand(): Command {
  return new Command("check")
    .description("check a place: the connection, fleetbox there, and what doctor says there")
    .argument("<place>", "the place")
    .addHelpText("after", "\nExits with 1 when machines cannot run there.\n\nExample:\n  fleetbox place check big")
    .action(async (name: string) => {
      const store = openStore();
      const place = requirePlace(store, name);
      const connection = new PlaceConnection(store, place);
      await connection.open();
      say(`ok    ${"connection".padEnd(11)}  ${place.url}, ${place.system}`);
      const digest = await digestThere(connection, place.program);
      if (digest !== place.digest) {
        const found = digest === undefined ? "nothing" : `another one (${digest.slice(0, 16)})`;
        throw new FleetboxError(
          "damaged",
          `${place.program} at "${name}" is not what was brought there: found ${found}`,
          {
            hint: `Bring it again: fleetbox place add ${name} ${place.url}`,
          },
        );
      }
      const isSame = place.version === versionLine();
      say(
        `${isSame ? "ok  " : "warn"}  ${"fleetbox".padEnd(11)}  ${place.version}${
          isSame ? "" : `; here ${versionLine()}`
        }`,
      );
      if (!isSame) say(`${" ".repeat(19)}try: fleetbox place add ${name} ${place.url}`);
      const engine = engineOf(place);
      if (engine) return await checkNode(connection, place, engine);
      Deno.exitCode = await runAt(connection, place, ["doctor"]);
    });
}

/** What machines need is asked of a node, which Slurm chooses. */
async function checkNode(connection: PlaceConnection, place: Place, engine: Engine): Promise<void> {
  say(
    `ok    ${"slurm".padEnd(11)}  cluster ${place.engine!.cluster}; a node is asked by srun, as soon as there is one`,
  );
  const variables = Object.entries(environmentFor(place)).map(([name, value]) => `${name}=${value}`);
  const line = shellCommand(engine.once(["env", ...variables, place.program, "doctor"]));
  const [program, args] = connection.session(["-T"], line);
  const child = new Deno.Command(program, { args, stdin: "null" }).spawn();
  Deno.exitCode = (await child.status).code;
}

export function removePlacesCommand(): Command {
  return new Command("rm")
    .alias("remove")
    .description("forget places and end the connections to them; what is there stays as it is")
    .argument("<place...>", "the places")
    .addHelpText(
      "after",
      `
Machines there run on, and their disks stay: remove those first with fleetbox rm --on PLACE, if they shall go.

Example:
  fleetbox place rm big`,
    )
    .action(async (words: string[]) => {
      const store = openStore();
      const names = [...new Set(words.flatMap((word) => word.split(",")))];
      const known = placeNames(store); // one whose record is damaged, too
      names.filter((name) => !known.includes(name)).forEach((name) => requirePlace(store, name));
      for (const name of names) {
        for (const one of [...jobDirectories(store, name), name]) await closeConnections(store, one);
        await removePlace(store, name);
        say(`forgot ${name}`);
      }
    });
}

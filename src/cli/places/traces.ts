/**
 * `trace stop` and `trace show` at a place: what was recorded there is packed, or made a page, there, and comes here. That file
 * is removed there once it is here, whole.
 */

import { fetchFile } from "../../control/places/bring.ts";
import type { PlaceConnection } from "../../control/places/connection.ts";
import { FleetboxError } from "../../core/errors.ts";
import { broughtDir, type Place } from "../../store/places.ts";
import { checkNewFile } from "../arguments/new_file.ts";
import { bytesText } from "../arguments/sizes.ts";
import { openInBrowser } from "../terminal/browser.ts";
import { say } from "../terminal/output.ts";
import type { TraceRow } from "../trace/recording.ts";
import { askThere } from "./says.ts";

/** Whether such a command reads a bundle of this host, which has a path. */
export function readsBundleHere([command, verb, ...rest]: readonly string[]): boolean {
  if (command !== "trace" || (verb !== "show" && verb !== "events")) return false;
  const word = withoutOptions(rest, ["-o", "--output", "--between", "--member"]).words[0];
  return word !== undefined && !/^[a-z0-9-]+$/.test(word);
}

/** @param runAt runs a command there, whose output goes to a file */
export async function traceThere(
  connection: PlaceConnection,
  place: Place,
  [, verb, ...rest]: readonly string[],
  runAt: (words: readonly string[], output: Deno.FsFile) => Promise<number>,
): Promise<number> {
  const isStop = verb === "stop";
  const { words, values, switches } = withoutOptions(rest, isStop ? ["-w", "--write"] : ["-o", "--output"]);
  const [word] = words;
  const rows = await askThere(place.name, ["trace", "ls", "--json"]) as TraceRow[];
  const found = rows.filter(({ id, members }) => word === undefined || id === word || members.includes(word));
  const id = found.length === 1 ? found[0].id : word;
  const file = values.at(-1) ?? `${id ?? "trace"}.${isStop ? "zip" : "html"}`;
  checkNewFile(file, { force: switches.includes("--force"), how: "replaced" });
  const others = switches.filter((one) => one !== "--force" && one !== "--no-open");
  const directory = `${broughtDir(place.store)}/${crypto.randomUUID().slice(0, 8)}`;
  const path = `${directory}/${id ?? "trace"}.${isStop ? "zip" : "html"}`;
  await connection.shell('umask 077; mkdir -p "$1"', [directory]);
  const line = ["trace", verb, ...(id === undefined ? [] : [id]), ...words.slice(1), isStop ? "-w" : "-o", path];
  using nowhere = await Deno.open("/dev/null", { write: true });
  const code = await runAt([...line, ...(isStop ? [] : ["--no-open"]), ...others], nowhere);
  if (code === 0) {
    const bytes = await fetchFile(connection, path, file).catch((cause) => {
      throw new FleetboxError("failed", `The trace is at "${place.name}" as ${path}, and could not be brought here`, {
        cause,
        hint: `Copy it: scp ${place.url.replace(/^ssh:/, "scp:")}/${path} ${file}`,
      });
    });
    if (isStop) {
      say(`${file}  ${bytesText(bytes)}`);
      say(`  look at it  fleetbox trace show ${file}`);
    } else if (switches.includes("--no-open") || !await openInBrowser(file)) say(file);
  }
  await connection.shell('rm -rf "$1"', [directory]);
  return code;
}

/** A command's operands, its switches, and the values of those options that have one. */
function withoutOptions(
  line: readonly string[],
  valued: readonly string[],
): { words: string[]; values: string[]; switches: string[] } {
  const found: ReturnType<typeof withoutOptions> = { words: [], values: [], switches: [] };
  for (let at = 0; at < line.length; at++) {
    const [, flag, value] = /^(--[a-z-]+)=(.*)$/s.exec(line[at]) ?? /^(-[a-z])(.+)$/s.exec(line[at]) ?? [];
    if (valued.includes(flag)) found.values.push(value);
    else if (valued.includes(line[at]) && at + 1 < line.length) found.values.push(line[++at]);
    else found[line[at].startsWith("-") ? "switches" : "words"].push(line[at]);
  }
  return found;
}

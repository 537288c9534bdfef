/** `capture -w FILE --on PLACE`: captured there, written here. */

import { FleetboxError, isNoSpace } from "../../core/errors.ts";
import { checkNewFile } from "../arguments/new_file.ts";

/** Where standard output of the command there goes. */
export interface OutputFile {
  /** The command's words without the file. */
  words: string[];
  open(): Promise<Deno.FsFile>;
  path: string;
}

/** The file that a capture is to write here; undefined: standard output. @throws {FleetboxError} as `capture` here */
export function outputFile(words: readonly string[]): OutputFile | undefined {
  const rest: string[] = [];
  let path: string | undefined;
  let force = false;
  for (let at = 0; at < words.length; at++) {
    const word = words[at];
    const begun = /^(?:--write=|-w)(.+)$/s.exec(word)?.[1];
    if (word === "--force") force = true;
    else if (begun !== undefined) path = begun;
    else if ((word === "-w" || word === "--write") && at + 1 < words.length) path = words[++at];
    else rest.push(word);
  }
  if (path === undefined || path === "-") return undefined;
  const file = path;
  checkNewFile(file, { force, how: "written" });
  return { words: rest, path: file, open: () => open(file, force) };
}

async function open(path: string, force: boolean): Promise<Deno.FsFile> {
  try {
    const how = force ? { create: true, truncate: true } : { createNew: true };
    return await Deno.open(path, { write: true, mode: 0o600, ...how });
  } catch (cause) {
    throw new FleetboxError(isNoSpace(cause) ? "no-space" : "failed", `Cannot write ${path}`, { cause });
  }
}

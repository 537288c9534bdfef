/** The file that a command is asked to write, looked at before anything else is done. */

import { FleetboxError } from "../../core/errors.ts";

interface NewFile {
  /** Whether a regular file may be overwritten. @default false */
  force?: boolean;
  /**
   * `replaced`: the file is made beside its place and renamed, so that a device or a link there would be gone. `written`: it is opened,
   * and a pipe or a device gets what is written.
   */
  how: "replaced" | "written";
}

/** @throws {FleetboxError} `conflict`: there is such a file; `misuse`: there is something that is no regular file */
export function checkNewFile(path: string, { force = false, how }: NewFile): void {
  const there = how === "replaced" ? look(path, Deno.lstatSync) : look(path, Deno.statSync);
  if (!there) return;
  if (there.isFile) {
    if (force) return;
    throw new FleetboxError("conflict", `Cannot write ${path}: there is such a file already`, {
      hint: "Overwrite it: --force",
    });
  }
  if (!there.isDirectory && how === "written") return;
  throw new FleetboxError("misuse", `Cannot write ${path}: it is ${kindOf(there)}, expected a file`, {
    hint: there.isDirectory
      ? `Name a file in it: ${path.replace(/\/+$/, "")}/FILE`
      : "Name a file that is not there yet.",
  });
}

function look(path: string, stat: (path: string) => Deno.FileInfo): Deno.FileInfo | undefined {
  try {
    return stat(path);
  } catch {
    return undefined; // it cannot be written either, which its writer says
  }
}

function kindOf(there: Deno.FileInfo): string {
  if (there.isDirectory) return "a directory";
  if (there.isSymlink) return "a link";
  if (there.isSocket) return "a socket";
  if (there.isFifo) return "a pipe";
  return "a device";
}

/**
 * What fleetbox has outside its store: caches of builds, which are its own, and what names it in files of the user's, which is told
 * and stays. Nothing else is looked at, and nothing that another program uses is removed.
 */

import { variable } from "../../core/environment.ts";
import { buildLeftOvers } from "../../image/build.ts";
import type { Store } from "../../store.ts";
import { bytesUsed, exists, readIfThere } from "../../system/files.ts";
import { join } from "../../system/path.ts";
import { companion, ownPath } from "../../system/program_info.ts";
import type { Left, OwnPart } from "./part.ts";
import { removeAt } from "./store_parts.ts";

/** Files in which completion is turned on, as `fleetbox completion --help` says it. */
const SHELL_FILES = [".bashrc", ".bash_profile", ".profile", ".zshrc", ".config/fish/config.fish"];
/** Where users put what fleetbox prints. */
const PRINTED = [
  ".config/fish/completions/fleetbox.fish",
  ".local/share/bash-completion/completions/fleetbox",
  ".local/share/man/man1/fleetbox.1",
];

export function partsElsewhere(store: Store): { parts: OwnPart[]; left: Left[] } {
  const home = Deno.env.get("HOME");
  const below = (path: string) => home ? [join(home, path)] : [];
  const elsewhere = Deno.env.get("XDG_CACHE_HOME");
  const caches = elsewhere ? [elsewhere] : below(".cache");
  const own = [
    ...caches.map((path) => join(path, "fleetbox-build")),
    ...below(".cache/fleetbox-toolchain"),
    ...buildLeftOvers(),
  ].filter(exists);
  const left: Left[] = [program()];
  const standard = below(".fleetbox").find((path) => path !== store.root && exists(path));
  if (standard) left.push({ path: standard, why: `another store: FLEETBOX_HOME=${standard} fleetbox uninstall` });
  for (const path of SHELL_FILES.flatMap(below)) {
    if (readIfThere(path)?.includes("fleetbox completion")) {
      left.push({ path, why: "has a line with fleetbox completion" });
    }
  }
  for (const path of PRINTED.flatMap(below)) {
    if (exists(path)) left.push({ path, why: "made from what fleetbox printed" });
  }
  for (const path of below(".ssh/config")) {
    if (readIfThere(path)?.includes(store.key)) left.push({ path, why: "has hosts with fleetbox's key" });
  }
  // From source Deno keeps what it has translated with that of all other programs.
  if (!Deno.build.standalone) {
    const deno = Deno.env.get("DENO_DIR") ?? caches.map((path) => join(path, "deno"))[0];
    if (deno && exists(deno)) left.push({ path: deno, why: "Deno's cache, which is for all its programs" });
  }
  const helper = variable("FLEETBOX_HELPER");
  if (helper) left.push({ path: helper, why: "the program of FLEETBOX_HELPER" });
  return {
    parts: own.map((path) => ({ kind: "cache", path, bytes: bytesUsed(path), remove: () => removeAt(path) })),
    left,
  };
}

/** It removes all that it has made, but not itself: who has installed it, a package or a user, removes it. */
function program(): Left {
  if (Deno.build.standalone) return { path: ownPath(Deno.execPath()), why: "the program itself" };
  return { path: companion("").replace(/\/$/, ""), why: "the checkout that this program runs from" };
}

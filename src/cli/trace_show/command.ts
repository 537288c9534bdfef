/** `fleetbox trace show`: a bundle as one HTML page, opened in the browser. */

import { startLimit } from "../../core/deadline.ts";
import { FleetboxError, isNoSpace } from "../../core/errors.ts";
import { elementsOf } from "../../viewer/data/embedded.ts";
import { readIfThere, replaceFile, statIfThere } from "../../system/files.ts";
import { start, which } from "../../system/process.ts";
import { Command } from "../arguments/parser.ts";
import { openStore } from "../arguments/store_access.ts";
import { say, warn } from "../terminal/output.ts";
import { type Bundle, readBundleFiles } from "./bundle_files.ts";
import { type Page, viewerPage } from "./page.ts";

interface Flags {
  output?: string;
  open: boolean;
  force?: boolean;
}

/** How long the desktop's opener may take before the command ends without its answer. */
const OPENER_MS = 3000;

export function traceShowCommand(): Command {
  return new Command("show")
    .description("show a recorded group in the browser: one HTML file, without any network")
    .argument("<file>", "a trace.zip, the directory of a trace, or its id (trace ls)")
    .option("-o, --output <file>", "the page (default: beside the bundle, with .html)")
    .option("--no-open", "write the page only")
    .option("--force", "overwrite a file that is no such page")
    .addHelpText(
      "after",
      `
The page has the whole bundle inside, and asks nothing of any server: it can be kept, and sent to others. It holds what the
consoles and the network held, secrets too. Without a desktop its path is printed.

Examples:
  fleetbox trace show trace.zip
  fleetbox trace show trace.zip -o report.html --no-open`,
    )
    .action(async (path: string, flags: Flags) => {
      const out = flags.output ?? `${path.replace(/\/+$/, "").replace(/\.zip$/, "")}.html`;
      const bundle = await readBundleFiles(placeOf(path));
      const page = await viewerPage();
      checkOutput(out, page, flags);
      await writePage(out, page, bundle);
      for (const notice of bundle.contents.notices) warn(notice);
      if (flags.open && await openPage(out)) warn(`opened ${out}`);
      else say(out);
    });
}

/** What is to be read: what has this path, else what is recorded under this id. */
function placeOf(path: string): string {
  if (statIfThere(path) || !/^[\w-]+$/.test(path)) return path;
  const recorded = openStore().trace(path);
  return statIfThere(recorded) ? recorded : path;
}

/** @throws {FleetboxError} `conflict`, `misuse`: something else is at its place */
function checkOutput(path: string, page: Page, { force }: Flags): void {
  const there = statIfThere(path);
  if (there?.isDirectory) throw new FleetboxError("misuse", `Cannot write ${path}: it is a directory, expected a file`);
  if (!there?.isFile || force || readIfThere(path)?.startsWith(page.head.slice(0, 100))) return;
  throw new FleetboxError("conflict", `Cannot write ${path}: there is a file already, which is no page of a trace`, {
    hint: "Write another file: -o FILE; or overwrite it: --force",
  });
}

async function writePage(path: string, { head, tail }: Page, { contents, parts }: Bundle): Promise<void> {
  try {
    await replaceFile(path, async (aside) => {
      const whole = [head, elementsOf(contents, parts), tail].join("");
      await Deno.writeTextFile(aside, whole, { mode: 0o600, createNew: true });
    });
  } catch (cause) {
    throw new FleetboxError(isNoSpace(cause) ? "no-space" : "failed", `Cannot write ${path}`, { cause });
  }
}

/** Whether a desktop has opened it. */
async function openPage(path: string): Promise<boolean> {
  const isMac = Deno.build.os === "darwin";
  const hasDesktop = isMac || Deno.env.get("DISPLAY") || Deno.env.get("WAYLAND_DISPLAY");
  const opener = which(isMac ? "open" : "xdg-open");
  if (!hasDesktop || opener === undefined) return false;
  const child = start(opener, [path]);
  const { promise: late, resolve } = Promise.withResolvers<undefined>();
  const end = startLimit(OPENER_MS, () => resolve(undefined));
  const exit = await Promise.race([child.exited, late]);
  end();
  if (exit === undefined || exit.code === 0) return true;
  warn(`${opener} could not open it: ${child.tail().split("\n").at(-1) || `it ended with code ${exit.code}`}`);
  return false;
}

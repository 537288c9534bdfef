/** `fleetbox trace show`: a bundle as one HTML page, opened in the browser. */

import { FleetboxError, isNoSpace } from "../../core/errors.ts";
import { elementsOf } from "../../viewer/data/embedded.ts";
import { readIfThere, replaceFile } from "../../system/files.ts";
import { checkNewFile } from "../arguments/new_file.ts";
import { Command } from "../arguments/parser.ts";
import { openInBrowser } from "../terminal/browser.ts";
import { say, warn } from "../terminal/output.ts";
import { foundTrace, TRACE_WORD } from "../trace/found.ts";
import { type Bundle, readBundleFiles } from "./bundle_files.ts";
import { type Page, viewerPage } from "./page.ts";

interface Flags {
  output?: string;
  open: boolean;
  force?: boolean;
}

export function traceShowCommand(): Command {
  return new Command("show")
    .description("show a recorded group in the browser: one HTML file, without any network")
    .argument("<trace>", TRACE_WORD)
    .option(
      "-o, --output <file>",
      "the page (default: beside the bundle, with .html; of an id or a member: <id>.html, here)",
    )
    .option("--no-open", "write the page only")
    .option("--force", "overwrite the file")
    .addHelpText(
      "after",
      `
The page has the whole bundle inside, and asks nothing of any server: it can be kept, and sent to others. It holds what the
consoles and the network held, secrets too. Without a desktop its path is printed.

Examples:
  fleetbox trace show trace.zip
  fleetbox trace show trace.zip -o report.html --no-open`,
    )
    .action(async (word: string, flags: Flags) => {
      const { path, id } = foundTrace(word);
      const beside = `${id ?? path.replace(/\/+$/, "").replace(/\.zip$/, "")}.html`;
      const out = flags.output ?? beside;
      const bundle = await readBundleFiles(path);
      const page = await viewerPage();
      // A page that was made of this bundle before is made anew.
      const force = flags.force || (flags.output === undefined && isPage(beside, page));
      checkNewFile(out, { force, how: "replaced" });
      await writePage(out, page, bundle);
      for (const notice of bundle.contents.notices) warn(notice);
      if (flags.open && await openInBrowser(out)) warn(`opened ${out}`);
      else say(out);
    });
}

function isPage(path: string, { head }: Page): boolean {
  return readIfThere(path)?.startsWith(head.slice(0, 100)) ?? false;
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

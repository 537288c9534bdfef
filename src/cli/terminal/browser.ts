/** Opens pages in the desktop's browser. */

import { startLimit } from "../../core/deadline.ts";
import { start, which } from "../../system/process.ts";
import { warn } from "./output.ts";

/** How long the desktop's opener may take before the command ends without its answer. */
const OPENER_MS = 3000;

/** Whether a desktop has opened it. @param place a path or an address */
export async function openInBrowser(place: string): Promise<boolean> {
  const isMac = Deno.build.os === "darwin";
  const hasDesktop = isMac || Deno.env.get("DISPLAY") || Deno.env.get("WAYLAND_DISPLAY");
  const opener = which(isMac ? "open" : "xdg-open");
  if (!hasDesktop || opener === undefined) return false;
  const child = start(opener, [place]);
  const { promise: late, resolve } = Promise.withResolvers<undefined>();
  const end = startLimit(OPENER_MS, () => resolve(undefined));
  const exit = await Promise.race([child.exited, late]);
  end();
  if (exit === undefined || exit.code === 0) return true;
  warn(`${opener} could not open it: ${child.tail().split("\n").at(-1) || `it ended with code ${exit.code}`}`);
  return false;
}

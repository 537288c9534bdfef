/** The page's program: shows the bundle that is inside the page, or the group that the page's server serves. */

import { render } from "preact";
import "uplot/dist/uPlot.min.css";
import "@xterm/xterm/css/xterm.css";
import "./style.css";
import "./lists.css";
import "./live.css";
import { EmbeddedBundle } from "./data/embedded.ts";
import { LiveSource } from "./data/live_source.ts";
import { App } from "./view/app.tsx";

/** Where the token of the address is kept for a reload: it is no longer in the address. */
const TOKEN = "fleetbox view";

const root = document.getElementById("root")!;
const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const live = document.getElementById("live")
  ? new LiveSource({ token: takeToken(), fetch: (input, init) => fetch(input, init), wait })
  : undefined;
const source = live ?? new EmbeddedBundle((id) => document.getElementById(id)?.textContent ?? undefined);
try {
  await source.open(async (trace) => {
    if (!document.title.includes("·")) root.textContent = "";
    document.title = `${trace.meta.group || "trace"} · fleetbox`;
    render(<App trace={trace} live={live} />, root);
    if (live && performance.getEntriesByName("shown").length > 0) return;
    await nextFrame();
    performance.mark("shown");
    if (live) performance.mark("complete"); // all that there is
  });
  performance.mark("complete");
} catch (thrown) {
  const why = thrown instanceof Error ? thrown.message : thrown;
  root.textContent = live ? String(why) : `This bundle cannot be shown: ${why}`;
}

function takeToken(): string {
  const given = location.hash.slice(1);
  if (given) {
    sessionStorage.setItem(TOKEN, given);
    history.replaceState(null, "", location.pathname);
  }
  addEventListener("hashchange", () => location.reload()); // the address was entered once more
  return given || (sessionStorage.getItem(TOKEN) ?? "");
}

/** The next frame, or, where the page is not in sight, at once. */
function nextFrame(): Promise<unknown> {
  return new Promise((resolve) => document.hidden ? resolve(0) : requestAnimationFrame(() => setTimeout(resolve)));
}

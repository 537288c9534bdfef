/** The page's program: shows the bundle that is inside the page. */

import { render } from "preact";
import "uplot/dist/uPlot.min.css";
import "@xterm/xterm/css/xterm.css";
import "./style.css";
import "./lists.css";
import { EmbeddedBundle } from "./data/embedded.ts";
import { App } from "./view/app.tsx";

const root = document.getElementById("root")!;
const source = new EmbeddedBundle((id) => document.getElementById(id)?.textContent ?? undefined);
try {
  await source.open(async (trace) => {
    if (!document.title.includes("·")) root.textContent = "";
    document.title = `${trace.meta.group || "trace"} · fleetbox`;
    render(<App trace={trace} />, root);
    await nextFrame();
    performance.mark("shown");
  });
  performance.mark("complete");
} catch (thrown) {
  root.textContent = `This bundle cannot be shown: ${thrown instanceof Error ? thrown.message : thrown}`;
}

/** The next frame, or, where the page is not in sight, at once. */
function nextFrame(): Promise<unknown> {
  return new Promise((resolve) => document.hidden ? resolve(0) : requestAnimationFrame(() => setTimeout(resolve)));
}

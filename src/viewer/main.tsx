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
  await source.open((trace) => {
    performance.mark("read");
    document.title = `${trace.meta.group || "trace"} · fleetbox`;
    root.textContent = "";
    render(<App trace={trace} />, root);
    requestAnimationFrame(() => performance.mark("shown"));
  });
} catch (thrown) {
  root.textContent = `This bundle cannot be shown: ${thrown instanceof Error ? thrown.message : thrown}`;
}

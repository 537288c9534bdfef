/**
 * Measures the viewer with a bundle of an hour: 36,000 events, 200,000 packets, three consoles of 1 MiB.
 *
 *     node_modules/.bin/deno run -A tests/viewer/measure.ts [RUNS]
 *
 * Opening: from the navigation until the lanes and events are shown, and until packets and consoles are there, too. Scrolling and dragging: the time between frames.
 */

import type { Page } from "playwright-core";
import { launch, pageOf, Viewer } from "./browser.ts";
import { bundleFiles, HOUR } from "./bundle.ts";
import { LiveStub } from "./live_stub.ts";

/** Collects the gaps between frames, until asked for them. */
const BEGIN = `(() => {
  const gaps = [];
  let last = performance.now(), isOn = true;
  const frame = () => {
    const now = performance.now();
    gaps.push(now - last);
    last = now;
    if (isOn) requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
  window.gaps = () => { isOn = false; return gaps; };
})()`;

/** Scrolls a list to its end in so many frames. */
const SCROLL = `(async () => {
  const list = document.querySelector(".scroller"), frames = 120;
  for (let index = 0; index <= frames; index++) {
    list.scrollTop = (list.scrollHeight - list.clientHeight) * index / frames;
    await new Promise(requestAnimationFrame);
  }
})()`;

const dir = Deno.makeTempDirSync();
const browser = await launch();
try {
  const path = await pageOf(dir, HOUR);
  const opened: [number, number][] = [];
  for (let run = 0; run < Number(Deno.args[0] ?? 5); run++) {
    await using viewer = await Viewer.open(browser, path);
    opened.push(await viewer.openedMs());
  }
  console.log(
    `lanes are shown after ${opened.map(([ms]) => ms).join(", ")} ms, all of it after ${
      opened.map(([, ms]) => ms).join(", ")
    } ms`,
  );
  console.log(`the page has ${(Deno.statSync(path).size / 1e6).toFixed(1)} MB`);
  await using viewer = await Viewer.open(browser, path);
  const { page } = viewer;
  for (const [key, what] of [["1", "events"], ["2", "packets"], ["3", "space-time"], ["4", "consoles"]]) {
    await page.keyboard.press(key);
    await report(page, what, () => page.evaluate(SCROLL));
  }
  await page.keyboard.press("2");
  await report(page, "a range is dragged, all lists follow", async () => {
    await page.mouse.move(300, 150);
    await page.mouse.down();
    await page.mouse.move(800, 150, { steps: 60 });
    await page.mouse.up();
  });
  await report(page, "zoomed by the wheel", async () => {
    for (let index = 0; index < 30; index++) await page.mouse.wheel(0, index < 15 ? -120 : 120);
  });
  await using stub = await LiveStub.start();
  stub.members = ["a", "b", "c"];
  for (const [name, content] of bundleFiles(HOUR)) {
    if (name.endsWith(".pcapng")) stub.packets("net-0001.pcapng", content);
    else stub.send({ file: name, text: new TextDecoder().decode(content), whole: name === "meta.json" });
  }
  stub.second = HOUR.seconds;
  await using live = await Viewer.open(browser, stub.address);
  for (const [key, what] of [["5", "network"], ["2", "packets"], ["4", "consoles"]]) {
    await live.page.keyboard.press(key);
    await report(live.page, `live, after an hour: ${what}`, async () => {
      for (let tick = 0; tick < 20; tick++) {
        stub.tick();
        for (const name of stub.members) stub.output(name, `tick ${tick}\r\n`);
        await live.page.evaluate("new Promise((resolve) => setTimeout(resolve, 250))");
      }
    });
  }
} finally {
  await browser.close();
  Deno.removeSync(dir, { recursive: true });
}

async function report(page: Page, what: string, act: () => Promise<unknown>): Promise<void> {
  await page.evaluate(BEGIN);
  await act();
  const gaps = (await page.evaluate("gaps()") as number[]).sort((a, b) => a - b);
  const at = (part: number) => gaps[Math.min(gaps.length - 1, Math.floor(gaps.length * part))].toFixed(0);
  console.log(
    `${what}: ${gaps.length} frames, between them ${at(0.5)} ms (median), ${at(0.95)} ms (95 %), ${at(1)} ms (most)`,
  );
}

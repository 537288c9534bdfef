/**
 * Takes the pictures of the documentation: `docs/viewer-*.png`.
 *
 *     node_modules/.bin/deno run -A tests/viewer/pictures.ts [DIRECTORY]
 */

import { join } from "../../src/system/path.ts";
import { fileURLToPath } from "node:url";
import { smallPng } from "./small_png.ts";
import { launch, pageOf, Viewer } from "./browser.ts";

const to = Deno.args[0] ?? fileURLToPath(new URL("../../docs", import.meta.url));
const dir = Deno.makeTempDirSync();
const browser = await launch();
let path = "";
try {
  path = await pageOf(dir, { seconds: 95, packets: 4000, consoleBytes: 12_000 });
  await take("lanes", "light", 1280, 800, async ({ page }) => {
    const search = page.getByLabel("Search in everything");
    await search.fill("no quorum");
    await page.getByRole("tab", { name: /Events +[1-9]\d?$/ }).waitFor();
    await page.locator(".rows .row").first().click();
    await search.fill("");
    await page.getByRole("tab", { name: /Events +\d{3}/ }).waitFor();
    await page.keyboard.press("Escape");
  });
  await take("packets", "dark", 1280, 800, async ({ page }) => {
    await page.mouse.move(420, 150);
    await page.mouse.down();
    await page.mouse.move(560, 150, { steps: 4 });
    await page.mouse.up();
    await page.mouse.move(700, 700);
    await page.keyboard.press("3");
    await page.locator(".rows .row").nth(4).click();
  });
  await take("consoles", "light", 1280, 800, async ({ page }) => {
    await page.keyboard.press("4");
    await page.getByLabel("Search in everything").fill("raft");
    await page.locator(".rows .row").nth(8).click();
  });
} finally {
  await browser.close();
  Deno.removeSync(dir, { recursive: true });
}

async function take(
  name: string,
  theme: "light" | "dark",
  width: number,
  height: number,
  act: (viewer: Viewer) => Promise<void>,
) {
  await using viewer = await Viewer.open(browser, path, { width, height, theme });
  await act(viewer);
  await viewer.page.evaluate("new Promise(requestAnimationFrame).then(() => new Promise(requestAnimationFrame))");
  const bytes = smallPng(await viewer.page.screenshot());
  Deno.writeFileSync(join(to, `viewer-${name}.png`), bytes);
  console.log(`viewer-${name}.png: ${Math.round(bytes.length / 1024)} KiB`);
}

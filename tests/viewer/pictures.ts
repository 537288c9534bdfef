/**
 * Takes the pictures of the documentation: `docs/viewer-*.png`.
 *
 *     node_modules/.bin/deno run -A tests/viewer/pictures.ts [DIRECTORY] [light|dark] [WIDTH] [HEIGHT]
 *
 * A theme and a size are for looks at the live page.
 */

import { join } from "../../src/system/path.ts";
import { fileURLToPath } from "node:url";
import { unzipSync, zipSync } from "fflate";
import { smallPng } from "./small_png.ts";
import { launch, pageOf, Viewer } from "./browser.ts";
import { LiveStub } from "./live_stub.ts";

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
  path = await pageOfExample(dir);
  await take("example", "light", 1280, 800, async ({ page }) => {
    const search = page.getByLabel("Search in everything");
    await search.fill("www/leader");
    await page.getByRole("tab", { name: /Events +2$/ }).waitFor();
    await page.locator(".rows .row").filter({ hasText: "cat www/leader" }).first().click();
    await search.fill("");
    await page.getByRole("tab", { name: /Events +[2-9]\d$/ }).waitFor();
  });
  await using stub = await LiveStub.start();
  stub.group();
  for (let second = 2; second < 95; second++) stub.tick();
  path = stub.address;
  const [, theme = "light", width = "1280", height = "800"] = Deno.args;
  await take("live", theme as "light", Number(width), Number(height), async ({ page }) => {
    await page.getByRole("button", { name: /^Link a – b/ }).click();
    await page.getByRole("button", { name: "Cut", exact: true }).click();
    await page.getByText("done").first().waitFor();
    for (let second = 0; second < 8; second++) stub.tick();
    await page.getByRole("button", { name: /^Link b – c/ }).click();
    await page.getByRole("button", { name: "Shape", exact: true }).click();
    await page.getByText("done").nth(1).waitFor();
    stub.tick();
    await page.getByRole("button", { name: /^Link b – c.*50 ms/ }).waitFor();
    await page.mouse.move(640, 30);
  });
} finally {
  await browser.close();
  Deno.removeSync(dir, { recursive: true });
}

/** The page of the bundle that the failing example leaves: real machines. */
async function pageOfExample(dir: string): Promise<string> {
  const root = fileURLToPath(new URL("../..", import.meta.url));
  const bundles = join(dir, "bundles");
  const { code } = await new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", "--no-check", "examples/failing/split_brain.ts"],
    cwd: root,
    env: { FLEETBOX_HOME: join(dir, "h"), FLEETBOX_TRACE: "retain-on-failure", FLEETBOX_TRACE_DIR: bundles },
  }).output();
  if (code !== 1) throw new Error(`the example ended with ${code}, expected 1: it fails`);
  const [{ name }] = Deno.readDirSync(bundles);
  const files = unzipSync(Deno.readFileSync(join(bundles, name)));
  for (const [file, content] of Object.entries(files)) { // the picture is not of this host
    if (!/\.(json|ndjson|txt)$/.test(file)) continue;
    const text = new TextDecoder().decode(content).replaceAll(root.replace(/\/$/, ""), "/home/me/fleetbox");
    files[file] = new TextEncoder().encode(text);
  }
  Deno.writeFileSync(join(bundles, name), zipSync(files));
  const { success } = await new Deno.Command(join(root, "bin/fleetbox"), {
    args: ["trace", "show", join(bundles, name), "-o", join(dir, "example.html"), "--no-open"],
  }).output();
  if (!success) throw new Error("fleetbox trace show failed");
  return join(dir, "example.html");
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

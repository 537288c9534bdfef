/** The viewer in Debian's Chromium, driven from here. */

import { type Browser, chromium, type Page } from "playwright-core";
import * as assert from "#assert";
import { fileURLToPath } from "node:url";
import { join } from "../../src/system/path.ts";
import type { Sandbox } from "../support/sandbox.ts";
import { bundleFiles, type BundleOptions, zipOf } from "./bundle.ts";

const CHROMIUM = "/usr/bin/chromium";

export async function launch(): Promise<Browser> {
  return await chromium.launch({
    executablePath: CHROMIUM,
    args: Deno.uid() === 0 ? ["--no-sandbox"] : [],
  });
}

/** A page that shows a bundle, and what went wrong in it. */
export class Viewer implements AsyncDisposable {
  /** What it asked for besides itself, and what its console says of errors. */
  readonly requests: string[] = [];
  readonly errors: string[] = [];

  private constructor(readonly page: Page) {
    page.on("request", (request) => void this.requests.push(request.url()));
    page.on("pageerror", (error) => void this.errors.push(String(error.stack)));
    page.on("console", (message) => void (message.type() === "error" && this.errors.push(message.text())));
  }

  static async open(
    browser: Browser,
    path: string,
    look: { width?: number; height?: number; theme?: "light" | "dark" } = {},
  ): Promise<Viewer> {
    const { width = 1280, height = 800, theme = "light" } = look;
    const page = await browser.newPage({ viewport: { width, height }, colorScheme: theme });
    const viewer = new Viewer(page);
    await page.goto(/^https?:/.test(path) ? path : `file://${path}`);
    // Not `waitForFunction`: it would evaluate a text in the page, which its policy forbids.
    await seen(
      async () => await page.evaluate('performance.getEntriesByName("complete").length > 0') as boolean,
      "the bundle is read",
    );
    return viewer;
  }

  /** How long it took from the navigation until the lanes were shown, and until the consoles and packets were there, too. */
  async openedMs(): Promise<[shown: number, complete: number]> {
    return await this.page.evaluate(
      '["shown", "complete"].map((name) => Math.round(performance.getEntriesByName(name)[0].startTime))',
    ) as [number, number];
  }

  /** What a list shows, row by row, of those in sight. */
  async rows(): Promise<string[]> {
    return await this.page.locator(".rows .row").allInnerTexts();
  }

  /** The numbers at the tabs. */
  async counts(): Promise<Record<string, number>> {
    const texts = await this.page.getByRole("tab").allInnerTexts();
    return Object.fromEntries(texts.flatMap((text) => {
      const [, name, count] = /^(\S+)\s+([\d,]+)$/.exec(text) ?? [];
      return name === undefined ? [] : [[name, Number(count.replaceAll(",", ""))]]; // a picture has none
    }));
  }

  /** Waits until a number at a tab is another one, and gives all. */
  async countsOtherThan(before: Record<string, number>): Promise<Record<string, number>> {
    let now = before;
    await seen(async () => {
      now = await this.counts();
      return Object.entries(now).some(([name, count]) => before[name] !== count);
    }, "the lists are others");
    return now;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.page.close();
  }
}

/** Makes a bundle and its page. @returns the page's path */
export async function show(
  box: Sandbox,
  options: BundleOptions,
  change?: (files: Map<string, Uint8Array>) => void,
): Promise<string> {
  const files = bundleFiles(options);
  change?.(files);
  const zip = join(box.root, "trace.zip");
  Deno.writeFileSync(zip, zipOf(files));
  await box.ok("trace", "show", zip, "--no-open");
  return join(box.root, "trace.html");
}

/** The page of a bundle, made without a sandbox. @returns its path */
export async function pageOf(dir: string, options: BundleOptions): Promise<string> {
  const zip = join(dir, "trace.zip");
  Deno.writeFileSync(zip, zipOf(bundleFiles(options)));
  const program = fileURLToPath(new URL("../../bin/fleetbox", import.meta.url));
  const { success, stderr } = await new Deno.Command(program, { args: ["trace", "show", zip, "--no-open"] }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  return join(dir, "trace.html");
}

/** How long the browser may take to draw what was asked for. */
const LIMIT_MS = 20_000;

/** Looks until something is so: what is drawn follows a key or a click by a frame or two. */
export async function seen(look: () => Promise<boolean>, what: string): Promise<void> {
  for (const limit = Date.now() + LIMIT_MS; !await look();) assert.ok(Date.now() < limit, `not seen: ${what}`);
}

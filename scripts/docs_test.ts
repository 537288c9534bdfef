/** Checks of the documentation: links lead to files and headings that exist, and the README stays short. */

import { deepEqual, ok } from "#assert";
import { dirname, normalize } from "../src/system/path.ts";

const pages = new TextDecoder()
  .decode(
    new Deno.Command("git", { args: ["ls-files", "--cached", "--others", "--exclude-standard", "*.md"] }).outputSync()
      .stdout,
  )
  .split("\n")
  .filter((path) => path !== "" && exists(path));

function exists(path: string): boolean {
  try {
    return Deno.statSync(path) !== undefined;
  } catch {
    return false;
  }
}

/** The page without its code blocks. */
function prose(path: string): string {
  return Deno.readTextFileSync(path).replace(/^```[\s\S]*?^```/gm, "");
}

/** The anchors of a page's headings, as GitHub makes them. */
function anchors(path: string): string[] {
  return [...prose(path).matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    heading.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-")
  );
}

Deno.test("every relative link of the documentation leads to a file, and to a heading in it", () => {
  const broken: string[] = [];
  for (const page of pages) {
    for (const [, target] of prose(page).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      const [path, anchor] = target.split("#");
      const file = path === "" ? page : normalize(`${dirname(page)}/${path}`);
      if (!exists(file)) broken.push(`${page}: ${target}: there is no ${file}`);
      else if (anchor && !anchors(file).includes(anchor)) {
        broken.push(`${page}: ${target}: ${file} has no such heading`);
      }
    }
  }
  deepEqual(broken, []);
});

Deno.test("every page in docs/ is linked from another page", () => {
  const linked = new Set(
    pages.flatMap((page) =>
      [...prose(page).matchAll(/\]\(([^)\s#]+)[^)\s]*\)/g)]
        .map(([, path]) => normalize(`${dirname(page)}/${path}`))
        .filter((path) => path !== page)
    ),
  );
  const hidden = pages.filter((page) => /^docs\/(?!decisions\/|internals\/)/.test(page) && !linked.has(page));
  deepEqual(hidden, []);
});

Deno.test("the README has at most 250 lines", () => {
  ok(Deno.readTextFileSync("README.md").split("\n").length - 1 <= 250);
});

/** What the documentation quotes of the program: error texts of docs/troubleshooting.md, and the table of environment variables. */

import * as assert from "#assert";
import { fileURLToPath } from "node:url";
import { blocksOf } from "../../tests/support/pages.ts";
import { VARIABLES } from "../core/environment.ts";

/** Of a compiled executable; it is no variable. */
const CONSTANT = "FLEETBOX_COMMIT";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** The source without tests, one text a file. */
function sources(dir: string): string[] {
  return [...Deno.readDirSync(ROOT + dir)].flatMap(({ name, isDirectory }) => {
    const path = `${dir}/${name}`;
    if (isDirectory) return sources(path);
    return /\.ts$/.test(name) && !/(_test|testing)\.ts$/.test(name) ? [Deno.readTextFileSync(ROOT + path)] : [];
  });
}

/** Source with `…` in place of each expression of a template, and texts that go on in the next line in one piece. */
function withoutExpressions(text: string): string {
  let plain = "";
  for (let at = 0; at < text.length; at++) {
    if (!text.startsWith("${", at)) {
      plain += text[at];
      continue;
    }
    let depth = 1;
    for (at += 2; at < text.length && depth > 0; at++) depth += text[at] === "{" ? 1 : text[at] === "}" ? -1 : 0;
    at--;
    plain += "…";
  }
  return plain.replace(/["`]\s*\+\s*["`]/g, "");
}

/** The texts of a page that it quotes in blocks, one a line. */
function quoted(page: string): string[] {
  return blocksOf(page).flatMap(({ lines }) => lines).filter((line) => line !== "").map((line) =>
    line.replace(/^fleetbox: /, "")
  );
}

Deno.test("each text that docs/troubleshooting.md quotes is in the program", () => {
  const program = [...sources("src"), ...sources("helper")].map(withoutExpressions).join("\n");
  const texts = quoted(Deno.readTextFileSync(`${ROOT}docs/troubleshooting.md`));
  assert.ok(texts.length > 20, `${texts.length}`);
  assert.deepEqual(texts.filter((text) => !program.includes(text)), []);
  assert.ok(!program.includes(quoted('x\n\n    fleetbox: The … of "…" has no such text\n')[0]));
});

Deno.test("the guide's table has every environment variable that the program has", () => {
  const installer = Deno.readTextFileSync(`${ROOT}packaging/install.sh`);
  const named = [...sources("src"), ...sources("helper"), installer].flatMap((text) =>
    text.match(/\bFLEETBOX_[A-Z]+(_[A-Z]+)*\b/g) ?? []
  );
  const guide = Deno.readTextFileSync(`${ROOT}docs/guide.md`).split(/^## /m).find((part) =>
    part.startsWith("Environment")
  )!;
  const rows = [...guide.matchAll(/^\| (.*?) \|/gm)].flatMap(([, cell]) => cell.match(/\bFLEETBOX_[A-Z_]+/g) ?? []);
  assert.deepEqual(rows.toSorted(), [...new Set(named)].filter((name) => name !== CONSTANT).toSorted());
  assert.deepEqual(Object.keys(VARIABLES).filter((name) => !rows.includes(name)), []);
});

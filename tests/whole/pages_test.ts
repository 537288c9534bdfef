/**
 * Every command in the code blocks of README.md and docs/*.md, and in the README's table of commands, is run, in the order in which
 * the page has them, with machines of the fake QEMU; or it is excepted, with the reason, in `page_table.ts`. Those at another host
 * are run by `tests/places/pages_test.ts`, those at a Slurm cluster by `tests/slurm/pages_test.ts`. Two pages have tests of their
 * own: the tutorial, with real machines, in `tests/real/tutorial_test.ts`, and the recipes, beside this file.
 */

import * as assert from "#assert";
import { buildViewer } from "../../scripts/viewer.ts";
import { statIfThere } from "../../src/system/files.ts";
import { PageShell, rewriter, withoutEgress } from "../support/page_shell.ts";
import { AT_A_CLUSTER, AT_A_HOST, blocksOf } from "../support/pages.ts";
import { sandbox, test } from "../support/sandbox.ts";
import { commandsAt, keys, type Page, PAGES, ROOT } from "./page_table.ts";

async function runPage(key: string, table: Page): Promise<void> {
  const { files = {}, env = {}, templates, before = {}, how = {}, excepted = {}, atLeast } = table;
  const lines = commandsAt(key);
  for (const line of [before, how, excepted].flatMap(Object.keys)) {
    assert.ok(lines.includes(line), `${key} has no command: ${line}`);
  }
  const elsewhere = lines.filter((line) => AT_A_HOST.test(line) || AT_A_CLUSTER.test(line));
  const here = lines.filter((line) => !elsewhere.includes(line) && !Object.hasOwn(excepted, line));
  assert.ok(here.length >= atLeast, `${key}: ${here.length} commands, expected ${atLeast} or more`);
  if (here.length === 0) return;

  await using box = await sandbox({ fakeQemu: {}, fakeSsh: true, templates, env });
  const shell = new PageShell(box);
  const rewrite = rewriter();
  shell.write(files);
  for (const { language, lines } of blocksOf(Deno.readTextFileSync(ROOT + key.split("#")[0]))) {
    if (language === "toml") shell.write({ "cluster.toml": rewrite(lines.join("\n")) });
  }
  const done = new Set<string>();
  for (const line of here) {
    if (!done.has(line) && before[line]) await shell.run(before[line]);
    done.add(line);
    await shell.run(withoutEgress(rewrite(line)), how[line]);
  }
}

/** What fleetbox's own scripts would change in a guest, and a fake guest must not let them change here. */
const OF_THIS_HOST = ["/etc/machine-id", "/etc/ssh", "/root/.ssh", "/var/lib/apt/lists", "/var/lib/dbus"];
const changes = () => OF_THIS_HOST.map((path) => [path, statIfThere(path)?.mtime?.getTime()]);
const before = changes();

await buildViewer(); // else the first command that shows a page would

for (const key of keys()) {
  test(`the commands of ${key} do what it says`, () => runPage(key, PAGES[key] ?? { atLeast: 0 }));
}

Deno.test("no command of a page has changed this host", () => assert.deepEqual(changes(), before));

Deno.test("what is known of the pages is of pages that there are", () => {
  assert.deepEqual(Object.keys(PAGES).filter((key) => !keys().includes(key)), []);
});

Deno.test("the demo that is recorded is the demo", () => {
  const run = Deno.readTextFileSync(`${ROOT}demo/run`);
  const shown = [...run.matchAll(/^show (.*?)(?: +# .*)?$/gm)].map(([, command]) => command);
  assert.ok(shown.length > 20, run);
  assert.deepEqual(commandsAt("docs/demo.md"), shown);
});

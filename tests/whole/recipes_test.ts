/**
 * `docs/recipes.md`: each of its commands, one after the other, in a section's own sandbox. See `tests/support/page_shell.ts`.
 * `tests/slow/recipes_test.ts` runs them with real machines.
 */

import * as assert from "#assert";
import { fileURLToPath } from "node:url";
import { PageShell, rewriter, withoutEgress } from "../support/page_shell.ts";
import { blocksOf, commandsOfRecipe } from "../support/pages.ts";
import { sandbox, test } from "../support/sandbox.ts";

const PAGE = fileURLToPath(new URL("../../docs/recipes.md", import.meta.url));
/** What the recipes name. */
const FILES = {
  "nginx_2.0_amd64.deb": "x\n",
  "db.sh": "true\n",
  "module/mine.c": "x\n",
  "module/mine.ko": "x\n",
  "test.sh": "#!/bin/sh\n",
};

test("each command of the recipes does its part", async (context) => {
  const page = rewriter()(Deno.readTextFileSync(PAGE));
  let count = 0;
  for (const section of page.split(/^## /m).slice(1)) {
    const [title] = section.split("\n");
    await context.step(title, async () => {
      await using box = await sandbox({ fakeQemu: {}, fakeSsh: true });
      const shell = new PageShell(box);
      shell.write(FILES);
      for (const { language, lines } of blocksOf(section)) {
        if (language === "toml") shell.write({ [lines[0].slice(2)]: lines.join("\n") });
      }
      for (const command of commandsOfRecipe(section)) {
        await shell.run(withoutEgress(command));
        count++;
      }
    });
  }
  assert.ok(count > 40, `${count} commands`);
});

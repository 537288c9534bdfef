/** Each command of the documentation that is at a Slurm cluster, in the order of the pages: with a real Slurm, and a fake QEMU in its jobs. */

import * as assert from "#assert";
import { fileURLToPath } from "node:url";
import { which } from "../../src/system/process.ts";
import { GUEST_SSH, PageShell, withoutEgress } from "../support/page_shell.ts";
import { AT_A_CLUSTER, commandsOfPage } from "../support/pages.ts";
import { test } from "../support/sandbox.ts";
import { PAGES } from "../whole/page_table.ts";
import { all } from "./all.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
/** The cluster's login host is this one here. */
const ADDRESS = /slurm:\/\/(?:me@)?login/;

test("the commands of the documentation that are at a Slurm cluster do what it says", async (context) => {
  await using both = await all({ fakeQemu: {}, fakeSsh: true });
  const { here, place, slurm } = both;
  const ssh = which("ssh", here.env.PATH);
  // A client of a member names it by its address here; what else there is talks to a job.
  const shell = new PageShell(here, {
    ssh: `case "$*" in *@127.0.0.1*) ;; *) exec '${ssh}' "$@" ;; esac\n${GUEST_SSH}`,
  });
  const [, , , ...address] = place("slurm://");
  for (const [path, count] of [["README.md", 1], ["docs/places.md", 5]] as const) {
    await context.step(path, async () => {
      const lines = commandsOfPage(Deno.readTextFileSync(ROOT + path), PAGES[path].shown).filter((line) =>
        AT_A_CLUSTER.test(line)
      );
      assert.ok(lines.length >= count, `${path}: ${lines.length} commands`);
      for (const line of lines) {
        await shell.run(withoutEgress(line).replace(ADDRESS, [...address, "--yes"].join(" ")), PAGES[path].how?.[line]);
      }
    });
  }
  await slurm.empty();
});

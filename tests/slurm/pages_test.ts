/** Each command of the documentation that is at a Slurm cluster, in the order of the pages: with a real Slurm, and a fake QEMU in its jobs. */

import * as assert from "#assert";
import { which } from "../../src/system/process.ts";
import { GUEST_SSH, PageShell, withoutEgress } from "../support/page_shell.ts";
import { AT_A_CLUSTER } from "../support/pages.ts";
import { test } from "../support/sandbox.ts";
import { runMatching } from "../whole/page_table.ts";
import { all } from "./all.ts";

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
  const count = await runMatching(context, AT_A_CLUSTER, async (line, how) => {
    await shell.run(withoutEgress(line).replace(ADDRESS, [...address, "--yes"].join(" ")), how);
  });
  assert.ok(count >= 6, `${count} commands`);
  await slurm.empty();
});

/** Each command of the documentation that is at another host, in the order of the pages: over a real sshd, with a fake QEMU there. */

import * as assert from "#assert";
import { GUEST_SSH, PageShell, rewriter, withoutEgress } from "../support/page_shell.ts";
import { AT_A_HOST } from "../support/pages.ts";
import { test } from "../support/sandbox.ts";
import { runMatching } from "../whole/page_table.ts";
import { both } from "./both.ts";

const ADDRESS = /ssh:\/\/me@big(?:\.example)?/;

test("the commands of the documentation that are at another host do what it says", async (context) => {
  await using all = await both({ fakeQemu: {}, fakeSsh: true });
  const { here, there, host } = all;
  host.know(host.hostKey);
  const [bin] = host.env.PATH.split(":");
  // A client of a member says -F, and talks to a guest; what else there is talks to the host.
  const shell = new PageShell(here, { ssh: `[ "$1" = -F ] || exec '${bin}/ssh' "$@"\n${GUEST_SSH}` });
  shell.write({ "build/": "x\n" });
  const rewrite = rewriter();
  // No one here answers its question, and fleetbox runs from a checkout.
  const address = `${host.url} --yes --store ${there.home} --executable ${host.executable}`;
  const add = `fleetbox place add big ${address}`;
  const count = await runMatching(context, AT_A_HOST, async (line, how) => {
    const isForgotten = !/^fleetbox place add/.test(line) && !(await here.ok("place", "ls")).stdout.includes("big");
    if (isForgotten) await shell.run(add);
    await shell.run(withoutEgress(rewrite(line)).replace(ADDRESS, address), how);
  });
  assert.ok(count >= 15, `${count} commands`);
});

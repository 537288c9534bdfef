/** `docs/tutorial.md` on two real machines: each of its commands, and what the page says that it prints. */

import * as assert from "#assert";
import { fileURLToPath } from "node:url";
import { join } from "../../src/system/path.ts";
import { FLEETBOX } from "../support/command.ts";
import { freePort } from "../support/free_ports.ts";
import { consoleSteps, scriptsOf } from "../support/pages.ts";
import { sandbox, test, told } from "../support/sandbox.ts";

const PAGE = fileURLToPath(new URL("../../docs/tutorial.md", import.meta.url));

test("the commands of the tutorial print what it says", async () => {
  await using box = await sandbox();
  const place = join(box.root, "tutorial");
  Deno.mkdirSync(join(place, "bin"), { recursive: true });
  Deno.symlinkSync(FLEETBOX, join(place, "bin/fleetbox"));
  const PATH = `${place}/bin:${box.env.PATH}`;
  // The page's own port may be another program's.
  const page = Deno.readTextFileSync(PAGE).replaceAll("18080", String(freePort()));

  const [script] = scriptsOf(page);
  Deno.writeTextFileSync(join(place, "service.sh"), script);
  const steps = consoleSteps(page);
  assert.ok(steps.length > 15 && /--egress off/.test(steps[0].command), "nothing leaves this host");
  for (const { command, shown } of steps) {
    const result = await box.start(["-c", command], { program: "bash", cwd: place, env: { PATH } }).done;
    // What shows that the other one is not reached ends so, too.
    assert.equal(result.code, shown.some((line) => line.includes("100% packet loss")) ? 1 : 0, told(result));
    const printed = (result.stdout + result.stderr).split("\n").map(alike);
    for (const line of shown.filter((one) => one !== "…")) {
      const at = printed.indexOf(alike(line));
      assert.ok(at >= 0, `the page has ${JSON.stringify(line)}, not so ${told(result)}`);
      printed.splice(0, at + 1);
    }
  }
});

/** A line without what differs from run to run: numbers, ids, columns. */
function alike(line: string): string {
  return line.replace(/\bf[0-9a-f]{4}\b/g, "ID").replace(/-[0-9a-f]{4}\b/g, "-ID").replace(/\d+(\.\d+)?/g, "N")
    .replace(/\bN[KMG]\b/g, "N").replace(/\s+/g, " ").trim();
}

/** `demo/run`, as `make demo` runs it, on a terminal. Real QEMU. */

import * as assert from "#assert";
import { fileURLToPath } from "node:url";
import { OnTerminal } from "../support/terminal.ts";

const DEMO = fileURLToPath(new URL("../../demo/run", import.meta.url));
const LIMIT_MS = 600_000; // four boots, on a host that is busy with other tests
const LAST_LINE = /^demo: no machine, no holder, no socket and no disk is left\r?$/m;
/** What the script's shell complains of. */
const SHELLS_OWN = /run: line \d+: /;
const { PATH = "", HOME = "", FLEETBOX_TEST_RUN = "" } = Deno.env.toObject();
const env = { PATH, HOME, FLEETBOX_TEST_RUN };

Deno.test("the demo on a terminal asks nothing, and completes", async () => {
  const demo = new OnTerminal([], { env, program: DEMO, limitMs: LIMIT_MS });
  // A question would wait for its answer, and look like a slow machine.
  const asks = demo.shows(/\[y\/N\]/).then(() => demo.type("n\n").then(() => true), () => false);
  const code = await demo.done;
  assert.ok(!await asks, demo.output);
  assert.equal(code, 0, demo.output);
  assert.match(demo.output, LAST_LINE);
  assert.doesNotMatch(demo.output, SHELLS_OWN);
});

/** Two tests, which `hints_test.ts` runs: they are refused before there is a machine. */

import { test } from "node:test";
import { start, type StartOptions } from "fleetbox";

const wrong = { memory: 1 } as StartOptions;

Deno.test("deno: refused", async () => {
  await start("web", wrong);
});

test("node: refused", async () => {
  await start("web", wrong);
});

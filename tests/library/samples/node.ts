/** Two tests for `node:test`, which `fixture_test.ts` runs by Deno: one passes, one fails. */

import { test } from "node:test";
import { hostProblem, withVm } from "@fleetbox/testing";

test(
  "node: it boots",
  { skip: hostProblem() },
  withVm(async (vm) => {
    await vm.exec("true", { check: true });
    console.log(`its name is ${vm.name}`);
  }, { egress: "off" }),
);

test(
  "node: it fails",
  { skip: hostProblem() },
  withVm(async (vm) => {
    await vm.exec("exit 7", { check: true });
  }, { egress: "off" }),
);

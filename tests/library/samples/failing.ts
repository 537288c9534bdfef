/** Two tests with machines, which `fixture_test.ts` runs: one fails in the middle of a command. */

import { clusterTest, vmTest } from "@fleetbox/testing";

vmTest("it fails", async (vm) => {
  await vm.exec("echo seen on the console | sudo tee /dev/ttyS0");
  await vm.exec("seq 30 >app.log; echo oh no >&2; exit 7", { check: true });
}, { egress: "off", logs: ["cat app.log", "cat nothing"] });

clusterTest("two by name", ["a", "b"], async ({ vms: [a, b] }) => {
  await a.exec(["ping", "-c", "1", b.name], { check: true });
}, { egress: "off" });

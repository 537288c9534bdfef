/** Machines called a and b, which `cluster_test.ts` runs beside its own of the same names, in the same store. */

import * as assert from "#assert";
import { clusterTest } from "@fleetbox/testing";

clusterTest("a and b, once more", ["a", "b"], async (cluster) => {
  for (const [one, other] of [["a", "b"], ["b", "a"]]) {
    const vm = cluster.get(one);
    assert.equal((await vm.exec("hostname", { check: true })).stdout, `${one}\n`);
    await vm.exec(["ping", "-c", "1", other], { check: true });
    console.log(`${vm.hostName} is ${vm.storeName}`);
  }
}, { egress: "off", memoryMiB: 128 });

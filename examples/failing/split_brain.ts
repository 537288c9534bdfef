/**
 * A test that fails, to see what it leaves: `leader.sh` elects without a majority, so in a partition there are two leaders. The bundle
 * that it names has the partition, each command with its line here, both consoles and logs, and the frames that were dropped.
 *
 * Run it: `FLEETBOX_TRACE=retain-on-failure node_modules/.bin/deno test -A examples/failing/split_brain.ts`
 */

import { deepEqual } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { clusterTest } from "@fleetbox/testing";

const NAMES = ["a", "b"]; // b has the greater address, and leads

clusterTest("there is one leader, also in a partition", NAMES, async (cluster) => {
  for (const vm of cluster.vms) {
    await vm.copyTo(fileURLToPath(new URL("../leader.sh", import.meta.url)), "leader.sh");
    await vm.exec(["sh", "-c", 'nohup sh leader.sh "$@" >log 2>&1 &', "leader.sh", ...NAMES], { check: true });
  }
  const electsItself = (name: string) =>
    cluster.get(name).waitFor({ command: ["grep", "-qx", name, "www/leader"] }, { timeoutMs: 30_000 });
  await electsItself("b");
  cluster.mark("b leads");

  await using _cut = await cluster.partition([["a"], ["b"]]);
  await electsItself("a").catch(() => {}); // else there is nothing to find

  const leaders = [];
  for (const vm of cluster.vms) {
    const { stdout } = await vm.exec(["cat", "www/leader"], { check: true });
    if (stdout.trim() === vm.name) leaders.push(vm.name);
  }
  cluster.mark(`who leads: ${leaders.join(" and ")}`);
  deepEqual(leaders, ["b"]);
}, { egress: "off", logs: ["cat log"] });

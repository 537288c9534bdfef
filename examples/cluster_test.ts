/**
 * Three machines that elect a leader by a shell script, over the network of their group. The leader loses its power.
 *
 * Run it: `node_modules/.bin/deno test -A examples/cluster_test.ts`
 */

import { equal } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { type Cluster, startCluster, type Vm } from "fleetbox";

/** Starts the election on a machine: `leader.sh`, with the names of all. */
async function join(vm: Vm, names: string[]): Promise<void> {
  await vm.copyTo(fileURLToPath(new URL("leader.sh", import.meta.url)), "leader.sh");
  await vm.exec(["sh", "-c", 'nohup sh leader.sh "$@" >log 2>&1 &', "leader.sh", ...names], { check: true });
}

/** Waits until all of these machines name the same leader. */
async function agreed(voters: Vm[], leader: string): Promise<void> {
  await Promise.all(voters.map((vm) => vm.waitFor({ command: ["grep", "-qx", leader, "www/leader"] })));
}

Deno.test("the greatest address leads, and the next one when it is gone", async () => {
  await using cluster: Cluster = await startCluster(3, { egress: "off" });
  const names = cluster.vms.map(({ name }) => name);
  await Promise.all(cluster.vms.map((vm) => join(vm, names)));

  const byAddress = cluster.vms.toSorted((a, b) => Number(a.ip.split(".")[3]) - Number(b.ip.split(".")[3]));
  const [low, middle, high] = byAddress;
  await agreed(byAddress, high.name);

  await high.kill();
  await agreed([low, middle], middle.name);

  await high.start();
  await join(high, names);
  await agreed(byAddress, high.name);

  equal(cluster.vms.length, 3);
});

/**
 * Five tests that share a cluster: three machines are booted and elect a leader once; each test goes on from that moment, with
 * machines of its own, which it may kill.
 *
 * Run it: `node_modules/.bin/deno test -A examples/shared_cluster_test.ts`
 */

import { equal } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import type { Vm } from "fleetbox";
import { sharedCluster } from "@fleetbox/testing";

const NAMES = ["a", "b", "c"]; // c has the greatest address, and leads

/** Starts the election on a machine: `leader.sh`, with the names of all. */
async function join(vm: Vm): Promise<void> {
  await vm.copyTo(fileURLToPath(new URL("leader.sh", import.meta.url)), "leader.sh");
  await vm.exec(["sh", "-c", 'nohup sh leader.sh "$@" >log 2>&1 &', "leader.sh", ...NAMES], { check: true });
}

/** Waits until all of these machines name the same leader, in an election from now on. */
async function agreed(voters: readonly Vm[], leader: string): Promise<void> {
  await Promise.all(voters.map(async (vm) => {
    await vm.exec("rm -f www/leader", { check: true });
    await vm.waitFor({ command: ["grep", "-qx", leader, "www/leader"] });
  }));
}

const elected = sharedCluster(NAMES, async ({ vms }) => {
  await Promise.all(vms.map(join));
  await agreed(vms, "c");
}, { egress: "off" });

elected.test("the programs of the set-up still run, and elect the same leader again", async ({ vms }) => {
  await agreed(vms, "c");
});

elected.test("when the leader loses its power, the next one leads", async (cluster) => {
  await cluster.get("c").kill();
  await agreed([cluster.get("a"), cluster.get("b")], "b");
});

elected.test("a follower's death changes nothing", async (cluster) => {
  await cluster.get("a").kill();
  await agreed([cluster.get("b"), cluster.get("c")], "c");
});

elected.test("a leader that does not serve is none", async (cluster) => {
  await cluster.get("c").exec("killall httpd", { check: true });
  await agreed(cluster.vms, "b");
});

elected.test("a leader that comes back leads again", async (cluster) => {
  const [a, b, c] = cluster.vms;
  await c.kill();
  await agreed([a, b], "b");

  await c.start();
  await join(c);

  await agreed(cluster.vms, "c");
  equal(cluster.vms.length, 3);
});

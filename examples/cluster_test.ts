/**
 * Three machines that elect a leader by a shell script, over the network of their group. The leader loses its power. When the test fails,
 * the end of the script's log on each machine is printed.
 *
 * Run it: `node_modules/.bin/deno test -A examples/cluster_test.ts`
 */

import { fileURLToPath } from "node:url";
import type { Vm } from "fleetbox";
import { clusterTest } from "@fleetbox/testing";

const SCRIPT = fileURLToPath(new URL("leader.sh", import.meta.url));
const MEMBERS = { a: {}, b: {}, c: { memoryMiB: 192 } }; // c has the greatest address

clusterTest("the greatest address leads, and the next one when it is gone", MEMBERS, async (cluster) => {
  const [a, b, c] = cluster.vms;
  const join = async (vm: Vm) => {
    await vm.copyTo(SCRIPT, "leader.sh");
    await vm.exec("nohup sh leader.sh a b c >log 2>&1 &", { check: true });
  };
  const leads = (leader: string, voters: Vm[]) =>
    cluster.waitFor(async () => {
      const said = await Promise.all(voters.map((vm) => vm.readTextFile("www/leader")));
      return said.every((name) => name === `${leader}\n`);
    }, { message: `${leader} was not elected` });

  await cluster.each(join);
  await leads("c", [a, b, c]);

  await c.kill();
  await leads("b", [a, b]);

  await c.start();
  await join(c);
  await leads("c", [a, b, c]);
}, { egress: "off", logs: ["cat log"] });

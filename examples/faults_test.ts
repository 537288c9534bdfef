/**
 * Finds a bug in a small, wrong leader election (`leader.sh`): it asks who answers, and never whether these are a majority. In a
 * partition each side has a leader. The seed that the test prints makes the same partition again.
 *
 * Run it: `node_modules/.bin/deno test -A examples/faults_test.ts`
 */

import { ok } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { type Cluster, startCluster, type Vm } from "fleetbox";

const NAMES = ["a", "b", "c"]; // c has the greatest address, and leads

async function join(vm: Vm): Promise<void> {
  await vm.copyTo(fileURLToPath(new URL("leader.sh", import.meta.url)), "leader.sh");
  await vm.exec(["sh", "-c", 'nohup sh leader.sh "$@" >log 2>&1 &', "leader.sh", ...NAMES], { check: true });
}

/** The machines that take themselves for the leader. */
async function leaders(cluster: Cluster): Promise<string[]> {
  const found = await Promise.all(cluster.vms.map(async (vm) => (await vm.readTextFile("www/leader")).trim()));
  return NAMES.filter((name, index) => found[index] === name);
}

/** Waits for a state of the whole cluster, at most half a minute. */
async function comesTo(cluster: Cluster, isRight: (leaders: string[]) => boolean): Promise<boolean> {
  for (const end = Date.now() + 30_000; Date.now() < end;) {
    if (isRight(await leaders(cluster))) return true;
  }
  return false;
}

Deno.test("an election without a majority has two leaders in a partition", async () => {
  await using cluster = await startCluster(NAMES, { egress: "off" });
  await Promise.all(cluster.vms.map(join));
  await Promise.all(cluster.vms.map((vm) => vm.waitFor({ command: ["grep", "-qx", "c", "www/leader"] })));

  const cut = await cluster.partition("one");
  const isSplit = await comesTo(cluster, (found) => found.length > 1);
  const { cut: frames = 0 } = await cut.heal();
  ok(isSplit && frames > 0, `no split brain with seed ${cut.seed}: ${frames} frames were cut`);
  console.log(`two leaders at once: ${cut.what}, seed ${cut.seed}`);

  ok(await comesTo(cluster, (found) => found.join() === "c"), "one leader again, once they reach each other");
});

/** Groups of real machines: names on their network, members that come and go, two groups at once. */

import * as assert from "#assert";
import {
  type Cluster,
  CommandError,
  FleetboxError,
  type GroupAddresses,
  startCluster,
  type UserDataOf,
  type Vm,
} from "../../mod.ts";
import { test } from "../support/test.ts";
import { assertNothingLeft, code, runSample, testStore } from "./support.ts";

const { store, options } = testStore();

/** A user of each machine whose full name says whom the machine knows when it boots. */
const userData: UserDataOf = ({ members, self }) => {
  const known = members.map(({ name, ip }) => `${name}=${ip}`).join(" ");
  return `#cloud-config\nusers:\n  - name: knower\n    gecos: "${self.name} knows ${known}"\n`;
};
const peers = ({ members, self }: GroupAddresses) =>
  `echo ${self.ip} ${members.map(({ name, ip }) => `${name}=${ip}`).join(" ")} >/srv/peers`;
const knownTo = async (vm: Vm) => (await vm.exec("grep ^knower: /etc/passwd | cut -d: -f5", { check: true })).stdout;

async function reaches(cluster: Cluster, from: string, to: string): Promise<boolean> {
  return (await cluster.get(from).exec(["ping", "-c", "1", "-W", "2", to])).code === 0;
}

test("a cluster", async (t) => {
  {
    const run = { script: peers };
    await using cluster = await startCluster({ a: {}, b: { memoryMiB: 160 } }, { ...options, userData, run });

    await t.step("each has its own options, and else those of the group", async () => {
      const sizes = cluster.vms.map(({ storeName }) => store.config(storeName)!);
      assert.deepEqual(sizes.map(({ memory_mb, egress }) => [memory_mb, egress]), [[128, "off"], [160, "off"]]);
      assert.ok(
        Number((await cluster.get("b").exec("grep MemTotal /proc/meminfo")).stdout.replace(/\D/g, "")) < 163840,
      );
    });

    await t.step("user-data and scripts know their addresses before they boot", async () => {
      const known = await cluster.each(knownTo);
      const all = cluster.vms.map(({ name, ip }) => `${name}=${ip}`).join(" ");
      assert.deepEqual(known, [`a knows ${all}\n`, `b knows ${all}\n`]);
      const ran = await cluster.each((vm) => vm.readTextFile("/srv/peers"));
      assert.deepEqual(ran, cluster.vms.map(({ ip }) => `${ip} ${all}\n`));
    });

    await t.step("its machines find each other by name", async () => {
      assert.deepEqual(cluster.vms.map(({ name }) => name), ["a", "b"]);
      assert.ok(await reaches(cluster, "a", "b"));
      assert.ok(await reaches(cluster, "b", "a"));
      // @ts-expect-error: the names are known
      assert.throws(() => cluster.get("x"), (thrown: FleetboxError) => {
        return thrown.code === "not-found" && /it has "a", "b"/.test(thrown.message);
      });
    });

    await t.step("each does the same on all, and waitFor waits for what they become together", async () => {
      assert.deepEqual(await cluster.each(async (vm) => (await vm.exec("hostname")).stdout), ["a\n", "b\n"]);
      const b = cluster.get("b");
      const wrong = cluster.each((vm) => vm.exec(["test", "b", "!=", vm.name], { check: true }));
      await assert.rejects(wrong, (thrown) => thrown instanceof CommandError && /on "b" ended/.test(thrown.message));
      await cluster.each((vm) => vm.exec("(sleep 0.5; hostname >ready) >/dev/null 2>&1 &", { check: true }));
      const ready = cluster.waitFor(() => cluster.each((vm) => vm.readTextFile("ready")));
      const own = b.waitFor(async (signal) => (await b.exec("cat ready", { check: true, signal })).stdout);
      assert.deepEqual([await ready, await own], [["a\n", "b\n"], "b\n"]);
    });

    await t.step("add boots another one onto the network; a name that is taken is refused", async () => {
      const c = await cluster.add("c", { memoryMiB: 160 });
      assert.equal(c.name, "c");
      const all = cluster.vms.map(({ name, ip }) => `${name}=${ip}`).join(" ");
      assert.equal(await knownTo(c), `c knows ${all}\n`);
      assert.equal(await c.readTextFile("/srv/peers"), `${c.ip} ${all}\n`);
      assert.ok(await reaches(cluster, "a", "c"));
      assert.ok(await reaches(cluster, "c", "b"));
      assert.ok(Number((await c.exec("grep MemTotal /proc/meminfo")).stdout.replace(/\D/g, "")) < 160 * 1024);
      await assert.rejects(cluster.add("a"), /this process has one of that name already, in this group/);
      assert.equal(cluster.vms.length, 3);
    });

    await t.step("a stopped one boots onto the same network again, with its address", async () => {
      const a = cluster.get("a");
      const { ip } = a;
      await a.exec("echo kept > kept", { check: true });
      await a.stop();
      assert.equal(await reaches(cluster, "b", ip), false);
      await assert.rejects(cluster.waitFor(() => false, { timeoutMs: 1 }), /did not hold within .*; "a" is stopped/);
      const gone = a.waitFor(() => a.exec("true"));
      await assert.rejects(gone, code("conflict", /"a.exec\("true"\)" did not hold: "a" does not run: it is down/));
      await assert.rejects(a.restart({ diskMiB: 100 }), code("misuse", /cannot shrink/));
      await a.restart({ memoryMiB: 192 }); // boots one that is down, too
      assert.equal(store.config(a.storeName)!.memory_mb, 192);
      assert.equal(a.ip, ip);
      assert.equal(await a.readTextFile("kept"), "kept\n");
      assert.ok(await reaches(cluster, "b", "a"));
    });

    await t.step("a destroyed one is gone, and the others run on", async () => {
      await cluster.vms.find(({ name }) => name === "c")!.destroy();
      assert.deepEqual(cluster.vms.map(({ name }) => name), ["a", "b"]);
      assert.ok(await reaches(cluster, "a", "b"));
    });

    await t.step("after all were stopped, those that start form the network anew", async () => {
      await Promise.all(cluster.vms.map((vm) => vm.stop()));
      await Promise.all(cluster.vms.map((vm) => vm.start()));
      assert.ok(await reaches(cluster, "a", "b"));
    });
  }
  await t.step("closing it leaves nothing", () => assertNothingLeft(store));
});

test("two clusters at once do not see each other", async () => {
  {
    await using stack = new AsyncDisposableStack();
    const clusters = await Promise.all(
      [1, 2].map(() => startCluster(1, options)),
    );
    for (const cluster of clusters) stack.use(cluster);
    const [[one], [other]] = clusters.map(({ vms }) => vms);
    assert.equal(one.ip, other.ip, "each has a network of its own");
    assert.notEqual(one.name, other.name);
    assert.equal((await one.exec(["ping", "-c", "1", "-W", "2", other.name])).code === 0, false);
    await clusters[0].close();
    await clusters[0].close(); // twice
    assert.equal((await other.exec("echo on")).stdout, "on\n");
  }
  assertNothingLeft(store);
});

test("test files whose machines have the same names run side by side in one store", async () => {
  {
    await using mine = await startCluster(["a", "b"], options);
    const { code, text } = await runSample(store, "same_names.ts");
    assert.equal(code, 0, text);
    assert.match(text, /^a is a-and-b-once-more-\w{4}-\w{6}-a$/m);

    const [a, b] = mine.vms;
    assert.deepEqual([a.name, a.hostName, mine.get("a"), mine.get(a.storeName)], ["a", "a", a, a]);
    assert.match(a.storeName, /^a-\w{10}$/);
    assert.deepEqual(store.members().map(({ name }) => name), [a.storeName, b.storeName].sort());
    assert.equal((await a.exec("hostname")).stdout, "a\n");
    for (const name of ["b", b.storeName, `b.fleetbox.internal`]) assert.ok(await reaches(mine, "a", name), name);
    const reverse = await b.exec(["nslookup", a.ip]);
    assert.match(reverse.stdout, /name = a\.fleetbox\.internal/);
    assert.match((await a.exec("cat /etc/hosts /sys/class/net/eth0/address")).stdout, /52:54:00:58:00:0b/);

    await assert.rejects(mine.add("b"), /this process has one of that name already, in this group/);
    await Promise.all(mine.vms.map((vm) => vm.stop()));
    const c = await mine.add("c", { memoryMiB: 160 }); // nobody serves the group: a holder is made for it
    assert.equal((await c.exec("hostname")).stdout, "c\n");
    assert.equal(store.config(c.storeName)!.memory_mb, 160);
  }
  assertNothingLeft(store);
});

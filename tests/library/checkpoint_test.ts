/** Checkpoints of real machines: forks, restores, suspensions, and what they leave behind. */

import * as assert from "#assert";
import { type Cluster, openCheckpoint, start, startCluster, type Vm } from "../../mod.ts";
import { checkpoints } from "../../src/store/snapshots.ts";
import { processesOf, until } from "../support/processes.ts";
import { test } from "../support/test.ts";
import { assertNothingLeft, code, fleetbox, program, testStore } from "./support.ts";

const { store, options } = testStore();

/** A shell that counts, and tells a number that is nowhere but in its memory, to whom asks on this port. */
const MEMORY_PORT = 7000;
const MEMORY = `secret=$(head -c 8 /dev/urandom | od -An -tx1 | tr -d ' '); n=0
while :; do n=$((n + 1)); echo "$secret $n" | nc -l -p ${MEMORY_PORT}; done`;

const BOOT_ID = "/proc/sys/kernel/random/boot_id";

async function startMemory(vm: Vm): Promise<void> {
  await vm.writeFile("memory.sh", MEMORY);
  await vm.exec("nohup sh memory.sh >/dev/null 2>&1 &", { check: true });
}

/** What the shell tells: its secret, and how often it was asked. @param host as `from` calls its machine */
async function askMemory(from: Vm, host = "localhost"): Promise<{ secret: string; count: number }> {
  let found: string[] = [];
  await until(`${from.storeName} hears from ${host}`, async () => {
    const { stdout } = await from.exec(`nc -w 5 ${host} ${MEMORY_PORT} </dev/null`);
    found = stdout.trim().split(" ");
    return found.length === 2;
  }, 20_000);
  return { secret: found[0], count: Number(found[1]) };
}

const lines = (vm: Vm, path: string) => vm.readTextFile(path).then((text) => text.trim().split("\n"));

test("a cluster is saved at one moment", async (t) => {
  {
    await using cluster = await startCluster(["a", "b"], options);
    const [a, b] = cluster.vms;
    await a.writeFile("data", "seeded\n"); // not synced: it is in the guest's memory
    await startMemory(b);
    const before = await askMemory(a, "b");
    await using seeded = await cluster.checkpoint();

    await t.step("two forks at once have what was set up, and nothing of each other", async () => {
      assert.deepEqual([...seeded.members], ["a", "b"]);
      await using stack = new AsyncDisposableStack();
      const runs: Cluster[] = await Promise.all([1, 2].map(() => seeded.fork()));
      for (const run of runs) stack.use(run);
      for (const [number, run] of runs.entries()) {
        const [copyA, copyB] = [run.get("a"), run.get("b")];
        assert.deepEqual([copyA.hostName, copyA.ip, copyB.ip], ["a", a.ip, b.ip]);
        assert.notEqual(copyA.storeName, a.storeName);
        assert.equal((await copyA.exec("hostname")).stdout, "a\n");
        assert.equal(await copyA.readTextFile("data"), "seeded\n");
        const memory = await askMemory(copyA, "b");
        assert.deepEqual(memory, { secret: before.secret, count: before.count + 1 });
        await copyA.exec(`echo ${number} >>data`, { check: true });
      }
      const random = await Promise.all(runs.map((run) => run.get("a").exec("head -c 32 /dev/urandom | od -An -tx1")));
      assert.notEqual(random[0].stdout, random[1].stdout);
      for (const [number, run] of runs.entries()) {
        assert.deepEqual(await lines(run.get("a"), "data"), ["seeded", String(number)]);
      }
      const c = await runs[0].add("c"); // like the others
      assert.equal(store.config(c.storeName)!.memory_mb, 128);
      await c.exec("ping -c 1 -W 5 a", { check: true });
      // A fork's machine stops and boots as any other, with its own disk.
      await runs[1].get("a").exec("sync", { check: true });
      await runs[1].get("a").stop();
      await runs[1].get("a").start();
      assert.deepEqual(await lines(runs[1].get("a"), "data"), ["seeded", "1"]);
    });

    await t.step("the original goes on", async () => {
      assert.equal(await a.readTextFile("data"), "seeded\n");
      assert.deepEqual(await askMemory(a, "b"), { secret: before.secret, count: before.count + 1 });
    });

    await t.step(
      "restore brings the moment back, also a machine that was destroyed; its own files are its own",
      async () => {
        await a.writeFile("data", "spoiled\n");
        await b.destroy();
        await cluster.restore(seeded);
        assert.deepEqual(cluster.vms.map(({ name }) => name), ["a", "b"]);
        assert.equal(cluster.get("a"), a);
        assert.equal(await a.readTextFile("data"), "seeded\n");
        assert.deepEqual(await askMemory(a, "b"), { secret: before.secret, count: before.count + 1 });
        assert.match(cluster.get("b").storeName, /^b-\w{10}$/);
        await assert.rejects(b.exec("true"), code("conflict", /was destroyed/));

        // From here on it is an ordinary group: its disks are not replaced again.
        await a.exec("echo more >>data; sync", { check: true });
        await a.stop();
        await a.start();
        assert.deepEqual(await lines(a, "data"), ["seeded", "more"]);
        await a.exec("ping -c 1 -W 5 b", { check: true });
      },
    );

    await t.step("a machine that is no part of it must stop first", async () => {
      const c = await cluster.add("c");
      await assert.rejects(cluster.restore(seeded), code("conflict", /"c", which is no part of it, is running/));
      assert.deepEqual(await lines(a, "data"), ["seeded", "more"], "nothing has changed");
      await c.destroy();
    });

    await t.step("a fork can be forked, and taken back to what it came from", async () => {
      await using run = await seeded.fork();
      await run.get("a").exec("echo generation 2 >>data", { check: true });
      await using second = await run.checkpoint();
      await run.restore(seeded);
      assert.deepEqual(await lines(run.get("a"), "data"), ["seeded"]);
      await using grandchild = await second.fork();
      assert.deepEqual(await lines(grandchild.get("a"), "data"), ["seeded", "generation 2"]);
      await askMemory(grandchild.get("a"), "b");
    });

    await t.step("what cannot be is refused, and the machines run on", async () => {
      await assert.rejects(cluster.checkpoint("Not A Name"), code("misuse", /Not a member name/));
      await assert.rejects(cluster.restore({} as never), code("misuse", /Not a checkpoint: found object/));
      assert.throws(
        () => openCheckpoint("nothing", { store: store.root }),
        code("not-found", /no checkpoint "nothing"/),
      );
      await a.stop();
      await assert.rejects(cluster.checkpoint(), code("conflict", /it is stopped, expected running/));
      await cluster.get("b").exec("true", { check: true });
    });

    await seeded.remove();
    await seeded.remove(); // twice
    await assert.rejects(seeded.fork(), code("not-found", /There is no checkpoint/));
  }
  await t.step("nothing is left of it", () => assertNothingLeft(store));
});

test("a machine that is suspended goes on where it was; cold, it boots", async () => {
  {
    await using vm = await start("slept", options);
    await startMemory(vm);
    const before = await askMemory(vm);
    const bootId = await vm.readTextFile(BOOT_ID);
    await vm.suspend();
    await vm.suspend(); // twice
    assert.equal(await vm.state(), "suspended");
    assert.deepEqual(processesOf(store.root).filter(({ kind }) => kind === "machine"), []);
    await assert.rejects(vm.exec("true"), code("conflict", /"slept" does not run: it is suspended/));
    await vm.start();
    assert.deepEqual(await askMemory(vm), { secret: before.secret, count: before.count + 1 });
    assert.ok(Math.abs(Number((await vm.exec("date +%s")).stdout) - Date.now() / 1000) < 5, "its clock is right");

    assert.equal(await vm.readTextFile(BOOT_ID), bootId);
    await vm.exec("sync", { check: true });
    await vm.suspend();
    await vm.start({ cold: true });
    assert.notEqual(await vm.readTextFile(BOOT_ID), bootId);
    assert.equal(await vm.readTextFile("memory.sh"), MEMORY);
    await vm.stop();
    await assert.rejects(vm.suspend(), code("conflict", /Cannot suspend "slept": it is stopped, expected running/));
  }
  assertNothingLeft(store);
});

test("a user's machines that a program suspended go on in the next one", async () => {
  await fleetbox(store, "up", "kept-a,kept-b", "--egress", "off", "--memory", "128M");
  await fleetbox(store, "stop", "kept-a", "kept-b");
  const reuse = { ...options, existing: "reuse" } as const;
  let before;
  {
    await using cluster = await startCluster(["kept-a", "kept-b"], reuse);
    await startMemory(cluster.get("kept-b"));
    before = await askMemory(cluster.get("kept-a"), "kept-b");
    await cluster.suspend();
    assert.deepEqual(await Promise.all(cluster.vms.map((vm) => vm.state())), ["suspended", "suspended"]);
  }
  {
    await using cluster = await startCluster(["kept-a", "kept-b"], reuse);
    assert.deepEqual(await askMemory(cluster.get("kept-a"), "kept-b"), { ...before, count: before.count + 1 });
    // A checkpoint does not make them this program's.
    await using seeded = await cluster.checkpoint();
    await cluster.restore(seeded);
    await askMemory(cluster.get("kept-a"), "kept-b");
  }
  for (const name of ["kept-a", "kept-b"]) assert.equal(store.config(name)!.owner, undefined);
  await fleetbox(store, "rm", "kept-a", "kept-b", "--force");
  assertNothingLeft(store);
});

test("one machine of a group is saved, forked and taken back; the others run on", async () => {
  {
    await using cluster = await startCluster(["web", "db"], options);
    const [web, db] = cluster.vms;
    await startMemory(web);
    const { secret } = await askMemory(db, "web");
    await db.writeFile("rows", "one\n");
    await using filled = await db.checkpoint();
    assert.deepEqual([...filled.members], ["db"]);
    {
      await using copy = await filled.fork();
      assert.deepEqual([copy.name, copy.hostName], ["db", "db"]);
      assert.equal(await copy.readTextFile("rows"), "one\n");
    }
    await db.exec("echo two >>rows; sync", { check: true });
    await db.restore(filled);
    assert.equal(await db.readTextFile("rows"), "one\n");
    assert.equal((await askMemory(db, "web")).secret, secret, "web has not noticed");
    await assert.rejects(web.restore(filled), code("not-found", /has no machine "web", only db/));
  }
  assertNothingLeft(store);
});

test("a named checkpoint stays, for other programs", async () => {
  {
    await using vm = await start("origin", options);
    await vm.writeFile("data", "kept\n");
    await using named = await vm.checkpoint("kept-one");
    await assert.rejects(vm.checkpoint("kept-one"), code("conflict", /There is a checkpoint "kept-one" already/));
    assert.equal(named.name, "kept-one");
  }
  assert.deepEqual(checkpoints(store).map(({ name }) => name), ["kept-one"]);
  const opened = openCheckpoint("kept-one", { store: store.root });
  {
    await using run = await opened.fork({ publish: [22] });
    assert.equal(await run.get("origin").readTextFile("data"), "kept\n");
    assert.ok(await run.get("origin").forward(22) > 0);
  }
  await opened.remove();
  assertNothingLeft(store);
});

test("what a program leaves behind goes with it: killed, ended in order, or with the next one", async () => {
  const script = (end: string) => `
    import { startCluster } from ${JSON.stringify(new URL("../../mod.ts", import.meta.url).href)};
    const cluster = await startCluster(["a"], ${JSON.stringify(options)});
    const seeded = await cluster.checkpoint();
    ${end}
  `;
  const names = () => checkpoints(store).map(({ name }) => name);
  {
    await using child = await program(
      script(`const run = await seeded.fork(); console.log("forked"); setInterval(() => {}, 1000);`),
    );
    assert.equal(await child.line(), "forked");
    assert.equal(names().length, 1);
    child.process.kill("SIGKILL");
    await child.process.status;
    await until("its checkpoint is gone", () => names().length === 0, 10_000);
    await until("its machines are gone", () => processesOf(store.root).length === 0, 10_000);
  }
  assertNothingLeft(store);
  {
    await using child = await program(script(`await cluster.close(); console.log("closed"); Deno.exit(3);`));
    assert.equal(await child.line(), "closed");
    assert.equal((await child.process.status).code, 3);
    assert.deepEqual(names(), []);
  }
  {
    await using child = await program(
      script(`await cluster.close(); console.log("closed"); setInterval(() => {}, 1000);`),
    );
    assert.equal(await child.line(), "closed");
    child.process.kill("SIGKILL"); // no holder is there that could notice
    await child.process.status;
    assert.equal(names().length, 1);
    await using _next = await start(options);
    assert.deepEqual(names(), []);
  }
  assertNothingLeft(store);
});

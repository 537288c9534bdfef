/** Disks that fail and are slow, through the real command line: what is seen of it, and what is refused. */

import * as assert from "#assert";
import { QmpClient } from "../../src/vmm/qemu/qmp.ts";
import { signal, until } from "../support/processes.ts";
import { type Sandbox, sandbox, test } from "../support/sandbox.ts";

const faultsOf = async (box: Sandbox) => JSON.parse((await box.ok("fault", "ls", "--json")).stdout);

test("fault disk: it is told and counted, on several members, and ends by itself or when it is healed", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a,b");
  const { stdout } = await box.ok(
    "fault",
    "disk",
    "a,b",
    "--on",
    "read,write",
    "--error",
    "EIO",
    "--rate",
    "1%",
    "--seed",
    "7",
  );
  for (const name of ["a", "b"]) {
    assert.match(
      stdout,
      new RegExp(
        `^(f\\w+): disk: ${name}, reads and writes fail \\(EIO\\), 1%, seed 7; end it: fleetbox heal \\1$`,
        "m",
      ),
    );
  }
  await box.ok("fault", "disk", "a", "--on", "flush", "--latency", "200ms");
  await box.ok("fault", "disk", "a", "--iops", "50", "--for", "300ms");
  assert.match((await box.ok("ls")).stdout, /^a +running \([23] faults\) /m);
  assert.match((await box.ok("fault", "ls")).stdout, /disk: a, flushes 200ms late +\d+ slowed of \d+$/m);
  assert.match((await box.ok("fault", "ls")).stdout, /disk: b, .*1% +\d+ failed of \d+$/m);
  await until("one is over", async () => (await faultsOf(box)).length === 3);
  await box.fails(1, /Cannot save "a": it is under the fault f\w+ \(disk: a, /, "checkpoint", "a", "--as", "s");
  await box.ok("heal");
  assert.deepEqual(await faultsOf(box), []);
  await box.ok("checkpoint", "a,b", "--as", "s");
});

test("fault disk: a killed holder's goes on with the next one, and can be ended", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a,b");
  await box.ok("fault", "disk", "a", "--error", "EIO", "--once");
  await box.ok("fault", "disk", "a", "--latency", "50ms", "--for", "1h");
  await box.killHolder("a");
  await box.ok("ls", "--repair");
  assert.deepEqual((await faultsOf(box)).map(({ kind }: { kind: string }) => kind), ["disk", "disk"]);
  const { counts: { requests } } = (await faultsOf(box))[0];
  assert.ok(requests > 0, "it tells what it did since then");
  await box.ok("heal");
  await box.ok("checkpoint", "a,b", "--as", "s");
});

/** The layers of faults that the disk of a has; nobody else may hold its machine. */
async function layers(box: Sandbox): Promise<string[]> {
  const qmp = await QmpClient.connect(box.store.member("a").qmpSocket);
  const nodes = await qmp.execute<{ "node-name": string }[]>("query-named-block-nodes");
  qmp.close();
  return nodes.map((node) => node["node-name"]).filter((name) => name.startsWith("disk-fault-"));
}

test("fault disk: one that ends while nobody holds its machine, or while that is being adopted, is undone by the next holder", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a,b");
  const a = box.process("machine", "a");
  await box.ok("fault", "disk", "a", "--error", "EIO", "--for", "1s");
  const since = performance.now();
  await box.ok("fault", "disk", "a", "--latency", "50ms");
  await box.killHolder("a");
  assert.ok((await layers(box)).length >= 2);
  await until("the first one is over", () => performance.now() - since > 1_100);
  signal(a, "SIGSTOP");
  const repair = box.start(["ls", "--repair"]);
  await until("a holder adopts it", async () => (await box.status("a"))?.state === "starting");
  assert.match((await box.ok("heal")).stdout, /^f\w+: healed: disk: a, .*50ms late/);
  signal(a, "SIGCONT");
  await repair.done;
  await until("it is adopted", async () => (await box.ls()).a.state === "running");
  await box.ok("checkpoint", "a,b", "--as", "s"); // by when it is settled
  await box.killHolder("a");
  assert.deepEqual(await layers(box), []);
  await box.ok("ls", "--repair");
});

test("fault disk: a machine that does not answer its next holder is under its faults when it is adopted after all", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  const a = box.process("machine", "a");
  await box.ok("fault", "disk", "a", "--error", "EIO");
  await box.killHolder("a");
  signal(a, "SIGSTOP");
  await box.fails(1, /does not answer/, "up", "a");
  signal(a, "SIGCONT");
  await box.ok("up", "a");
  assert.match((await box.ok("fault", "ls")).stdout, /disk: a, .*fail \(EIO\) +\d+ failed of \d+$/m);
  await box.ok("heal");
  await box.killHolder("a");
  assert.deepEqual(await layers(box), []);
  await box.ok("ls", "--repair");
});

test("fault disk: one that cannot be made is refused, the others stay; so is what makes no sense", async () => {
  await using box = await sandbox({ fakeQemu: { b: { faults: "fail" } } });
  await box.up("a,b");
  const disk = (...args: string[]) => ["fault", "disk", ...args];
  await box.ok(...disk("a", "--latency", "50ms"));
  await box.fails(
    1,
    /Cannot change the disk of "b": QEMU refused blockdev-add: it was told to fail/,
    ...disk("b", "--iops", "9"),
  );
  assert.deepEqual((await faultsOf(box)).map(({ members }: { members: string[] }) => members), [["a"]]);
  assert.equal((await box.ls()).b.faults, undefined);
  await box.fails(2, /What is to be wrong with the disk\?/, ...disk("a", "--on", "read"));
  await box.fails(2, /expected EIO: a guest's disk \(virtio\) knows no other error/, ...disk("a", "--error", "ENOSPC"));
  await box.fails(2, /nothing beside iops/, ...disk("a", "--error", "EIO", "--iops", "50"));
  await box.fails(2, /--sectors: found "9-8"/, ...disk("a", "--sectors", "9-8"));
  await box.fails(2, /latency in ms: found 10000/, ...disk("a", "--latency", "10s"));
  await box.fails(2, /found "fsync", expected one of read, write, flush/, ...disk("a", "--on", "fsync", "--once"));
  await box.fails(3, /There is no member "z"/, ...disk("z", "--once"));
  await box.ok("stop", "a");
  assert.deepEqual(await faultsOf(box), []);
});

import * as assert from "#assert";
import { serveDisks } from "../../../../tests/fake_qemu/block_nodes.ts";
import type { SnapshotOptions } from "../../../../tests/fake_qemu/snapshots.ts";
import type { MachineDiskFault } from "../../disk_faults.ts";
import type { QemuProcess } from "../process.ts";
import { lookAtDisk, moveDisk } from "../snapshots/disk_switch.ts";
import { setDiskFaults } from "./chain.ts";

type Json = Record<string, unknown>;

/** A QEMU's block nodes, with all that it is told. */
class Nodes implements AsyncDisposable {
  readonly told: [command: string, args: Json][] = [];
  /** Called before each command; what it throws ends the command. */
  before = (_command: string, _args: Json) => {};
  readonly directory = Deno.makeTempDirSync();
  readonly #commands = new Map<string, (args: Json) => unknown>();
  readonly qemu: QemuProcess;

  constructor(writeLog?: string) {
    const die = (message: string) => {
      throw new Error(message);
    };
    const qmp = { commands: this.#commands, status: "running", die };
    serveDisks({ qmp, behaviour: {}, disk: "/d", writeLog, written: {} } as unknown as SnapshotOptions);
    this.#commands.set("query-status", () => ({ status: "paused" }));
    const execute = (command: string, args: Json = {}) => {
      this.told.push([command, args]);
      this.before(command, args);
      return this.#commands.get(command)!(args);
    };
    this.qemu = {
      qmp: { execute: async (command: string, args?: Json) => await execute(command, args) },
    } as QemuProcess;
  }

  async set(...faults: MachineDiskFault[]): Promise<void> {
    await setDiskFaults(this.qemu, "a", faults, `${this.directory}/disk`);
  }

  /** From the device down: each layer, the node above the slow ones, and the disk. */
  chain(): string[] {
    const ask = (command: string) => this.#commands.get(command)!({});
    const [{ inserted }] = ask("query-block") as { inserted: Json }[];
    const { edges } = ask("x-debug-query-block-graph") as { edges: { parent: string; child: string }[] };
    const chain = [String(inserted["node-name"])];
    while (chain.length < 20 && !/^disk(-\d+)?(-log)?$/.test(chain.at(-1)!)) {
      const link = chain.at(-1)!.replace("disk-fault-", "disk-under-");
      chain.push(edges.find(({ parent }) => parent === link)?.child ?? "nothing");
    }
    return chain.map((node) => node.replace("disk-fault-", ""));
  }

  names(): string[] {
    const all = this.#commands.get("query-named-block-nodes")!({}) as { "node-name": string }[];
    return all.map((node) => node["node-name"]).filter((name) => !name.endsWith("-file"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.directory, { recursive: true });
  }
}

const fails = (id: string): MachineDiskFault => ({ id, seed: 1, error: "EIO" });
const slow = (id: string): MachineDiskFault => ({ id, seed: 1, latencyMs: 100, iops: 5 });

Deno.test("disk faults: what fails is above what is slow, in the order of the faults; without any the disk is as before", async () => {
  await using nodes = new Nodes("/log");
  await nodes.set(slow("s1"));
  assert.deepEqual(nodes.chain(), ["disk-faults", "s1", "disk-log"]);
  await nodes.set(slow("s1"), fails("e1"), slow("s2"), fails("e2"));
  assert.deepEqual(nodes.chain(), ["e2", "e1", "disk-faults", "s2", "s1", "disk-log"]);
  assert.equal((await lookAtDisk(nodes.qemu)).top, "disk-log");
  await nodes.set(fails("e2"));
  assert.deepEqual(nodes.chain(), ["e2", "disk-log"]);
  await nodes.set();
  assert.deepEqual(nodes.chain(), ["disk-log"]);
  assert.deepEqual(nodes.names(), ["disk", "disk-log"]);
  assert.deepEqual([...Deno.readDirSync(nodes.directory)], []);
});

Deno.test("disk faults: no layer is made anew because others come and go, and nothing is told twice", async () => {
  await using nodes = new Nodes();
  await nodes.set(fails("e1"), fails("once"));
  await nodes.set(fails("e1"), fails("once"), slow("s1"), fails("e2"));
  await nodes.set(fails("once"), fails("e2"));
  assert.deepEqual(nodes.chain(), ["e2", "once", "disk"]);
  const made = nodes.told.filter(([command, args]) =>
    command === "blockdev-add" && args["node-name"] === "disk-fault-once"
  );
  assert.equal(made.length, 1);
  nodes.told.length = 0;
  await nodes.set(fails("once"), fails("e2"));
  assert.ok(nodes.told.every(([command]) => command.includes("query")), JSON.stringify(nodes.told));
});

Deno.test("disk faults: QEMU's own flush before it leads a link elsewhere meets no error", async () => {
  await using nodes = new Nodes();
  await nodes.set(fails("e1"), fails("e2"), slow("s1"));
  let links = 0;
  nodes.before = (command) => {
    if (command !== "blockdev-reopen") return;
    const device = nodes.told.findLast(([one]) => one === "qom-set")![1].value;
    assert.ok(!String(device).startsWith("disk-fault-"), `the device has ${device}`);
    links++;
  };
  await nodes.set(fails("e2"), slow("s1"), slow("s2"));
  await nodes.set(fails("e2"));
  assert.ok(links > 3);
});

Deno.test("disk faults: one that cannot begin leaves the others as they were", async () => {
  await using nodes = new Nodes();
  await nodes.set(fails("e1"), slow("s1"));
  const before = { chain: nodes.chain(), names: nodes.names().sort() };
  for (const step of ["blockdev-add", "blockdev-reopen", "qom-set"]) {
    nodes.before = (command) => {
      if (command !== step) return;
      nodes.before = () => {};
      throw new Error("no");
    };
    await assert.rejects(
      nodes.set(fails("e1"), slow("s1"), slow("s2"), fails("e2")),
      /Cannot change the disk of a: no/,
    );
    assert.deepEqual({ chain: nodes.chain(), names: nodes.names().sort() }, before, step);
  }
});

Deno.test("disk faults: a holder that was killed after any command is followed by one that puts it right", async () => {
  for (let steps = 1;; steps++) {
    await using nodes = new Nodes("/log");
    await nodes.set(fails("e1"), slow("s1"));
    let left = steps;
    const killed = () => {
      if (--left <= 0) throw new Error("killed");
    };
    nodes.before = killed;
    const isWhole = await nodes.set(slow("s1"), fails("e2"), slow("s2")).then(() => left > 0, () => false);
    nodes.before = () => {};
    await nodes.set(slow("s1"), fails("e2"));
    assert.deepEqual(nodes.chain(), ["e2", "disk-faults", "s1", "disk-log"], `after ${steps}`);
    await nodes.set();
    assert.deepEqual(nodes.chain(), ["disk-log"]);
    if (isWhole) break;
    assert.ok(steps < 60);
  }
});

Deno.test("disk faults: a disk that moves under them stays under them, and its log begins anew", async () => {
  await using nodes = new Nodes("/log");
  await nodes.set(fails("e1"), slow("s1"));
  const path = `${nodes.directory}/next`;
  await Deno.writeTextFile(path, "");
  await moveDisk(nodes.qemu, "a", path, "/next-log");
  assert.deepEqual(nodes.chain(), ["e1", "disk-faults", "s1", "disk-1-log"]);
  await nodes.set();
  assert.deepEqual(nodes.chain(), ["disk-1-log"]);
});

import * as assert from "#assert";
import { handled } from "../../tests/support/socket.ts";
import { until } from "../../tests/support/processes.ts";
import { join } from "../system/path.ts";
import { completeRecords, fateOf, liveMembers, settledRecords, sweepGroups } from "./orphans.ts";
import { identify, isAlive, type ProcessIdentity, start } from "../system/process.ts";
import { exists } from "../system/files.ts";
import { type GroupRecord, type MemberConfig, Store } from "../store.ts";

const GONE = { pid: 0x7ffffff0, startTime: "1" };

/** A store whose path holds what QEMU's options would take for a separator, with a group of a, b. */
async function withGroup(holder: typeof GONE, work: (store: Store, record: GroupRecord) => Promise<void>) {
  const root = Deno.makeTempDirSync({ prefix: "or" });
  try {
    const store = Store.at(join(root, "s,x"));
    store.ensure();
    const record: GroupRecord = {
      id: "0123456789ab",
      group: "a",
      members: ["a", "b"],
      running: [],
      served: [],
      holder,
      bound: false,
      egress: "off",
      host_access: false,
      hypervisors: {},
      ssh_ports: {},
    };
    await store.writeGroupRecord(record);
    await work(store, record);
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
}

/** A process whose command line looks like a hypervisor's with this QMP socket. */
function hypervisor(name: string, qmpSocket: string) {
  const chardev = `socket,id=qmp,path=${qmpSocket.replaceAll(",", ",,")},server=on`;
  return start("perl", ["-e", "sleep 60", "--", "-name", `guest=${name}`, "-chardev", chardev]);
}

/** `start` returns before the child is its program. */
async function untilSeen(pid: number): Promise<void> {
  const line = () => Deno.readTextFileSync(`/proc/${pid}/cmdline`);
  await until("the child is its program", () => line().includes("guest="), undefined, line);
}

Deno.test("orphans: a machine that no record names is found, and keeps its group from being swept", () =>
  withGroup(GONE, async (store) => {
    const machine = hypervisor("b", store.member("b").qmpSocket);
    try {
      await untilSeen(machine.pid);
      const [record] = completeRecords(store);
      assert.deepEqual([liveMembers(record), record.hypervisors.b.pid], [["b"], machine.pid]);
      await sweepGroups(store);
      assert.ok(exists(store.group(record.id).record) && identify(machine.pid));
    } finally {
      machine.kill("SIGKILL");
      await machine.exited;
    }
  }));

Deno.test("orphans: a gateway that is left alone is ended, and its group forgotten", () =>
  withGroup(GONE, async (store, record) => {
    const paths = store.group(record.id);
    const gateway = hypervisor("gateway", paths.gatewayQmpSocket);
    const stranger = hypervisor("b", "/somewhere/else.qmp");
    try {
      await Promise.all([untilSeen(gateway.pid), untilSeen(stranger.pid)]);
      await sweepGroups(store);
      assert.equal((await gateway.exited).signal, "SIGKILL");
      assert.ok(!exists(paths.record) && identify(stranger.pid));
    } finally {
      for (const child of [gateway, stranger]) {
        child.kill("SIGKILL");
        await child.exited;
      }
    }
  }));

Deno.test("orphans: a group whose holder lives is not touched", () =>
  withGroup(identify(Deno.pid)!, async (store, record) => {
    await sweepGroups(store);
    assert.ok(isAlive(record.holder) && exists(store.group(record.id).record));
  }));

Deno.test("orphans: the sockets of members that were claimed and never made go with their group, but none that answers", () =>
  withGroup(GONE, async (store, record) => {
    const socketOf = (name: string) => store.member(name).socket;
    const names = ["dead", "begun", "made", "taken"];
    await store.writeGroupRecord({ ...record, members: names, served: [], hypervisors: {} });
    for (const name of names.slice(0, 3)) Deno.writeTextFileSync(socketOf(name), ""); // nobody listens there
    for (const name of ["begun", "made", "taken"]) {
      Deno.mkdirSync(store.member(name).dir, { recursive: true });
      Deno.writeTextFileSync(store.member(name).pid, "4711");
    }
    Deno.writeTextFileSync(store.member("made").disk, "a disk");
    using _ = Deno.listen({ transport: "unix", path: socketOf("taken") });
    await sweepGroups(store);
    const left = names.map((name) => [exists(socketOf(name)), exists(store.member(name).dir)]);
    assert.deepEqual(left, [[false, false], [false, false], [true, true], [true, true]]);
    assert.ok(exists(store.member("taken").pid) && exists(store.member("made").disk));
    assert.equal(exists(store.group(record.id).record), false);
  }));

Deno.test("orphans: a machine that runs in another group now is not mistaken for this one's", () =>
  withGroup(GONE, async (store, record) => {
    const machine = hypervisor("b", store.member("b").qmpSocket);
    try {
      await untilSeen(machine.pid);
      // By the other group's record, whose holder lives or not; its config is not there, or damaged.
      for (const holder of [GONE, identify(Deno.pid)!]) {
        const other = { ...record, id: "ba9876543210", holder, hypervisors: { b: identify(machine.pid)! } };
        await store.writeGroupRecord(other);
        const [first, second] = completeRecords(store).sort((one, two) => one.id.localeCompare(two.id));
        assert.deepEqual([liveMembers(first), liveMembers(second)], [[], ["b"]]);
      }
      // By its config: the other group's holder died before it wrote down what it had started.
      await store.writeGroupRecord({ ...record, id: "ba9876543210", hypervisors: {} });
      for (const [group, expected] of [["ba9876543210", [[], ["b"]]], [record.id, [["b"], []]]] as const) {
        Deno.mkdirSync(store.member("b").dir, { recursive: true });
        await store.writeConfig(configOf("b", group));
        const [first, second] = completeRecords(store).sort((one, two) => one.id.localeCompare(two.id));
        assert.deepEqual([liveMembers(first), liveMembers(second)], expected);
      }
    } finally {
      machine.kill("SIGKILL");
      await machine.exited;
    }
  }));

function configOf(name: string, group: string): MemberConfig {
  const sizes = { cpus: 1, memory_mb: 64, disk_mb: 64 };
  const image = { image: "micro", image_id: "1", fixtures: [], user: "fleetbox" };
  return {
    name,
    mac: "52:54:00:00:00:01",
    created_at: "",
    instance_id: "1",
    ip: "10.88.0.11",
    group,
    ...sizes,
    ...image,
  };
}

/** Which of holder (1), machines a (2) and b (3) and gateway (4) live, whether the group is bound, and its fate. */
const FATES: [lives: number[], bound: boolean, fate: ReturnType<typeof fateOf>][] = [
  [[1, 2, 3, 4], false, "served"],
  [[1], false, "served"],
  [[1], true, "served"],
  [[2, 3, 4], false, "adopt"],
  [[3], false, "adopt"],
  [[4], false, "sweep"],
  [[], false, "sweep"],
  [[2, 3, 4], true, "sweep"],
  [[], true, "sweep"],
];

for (const [lives, bound, fate] of FATES) {
  Deno.test(`orphans: a ${bound ? "bound" : "detached"} group of which ${lives.join(", ") || "nothing"} lives: ${fate}`, () => {
    const process = (pid: number) => ({ pid, startTime: String(pid) });
    const record: GroupRecord = {
      ...{ id: "0123456789ab", group: "a", members: ["a", "b"], running: [], served: [], ssh_ports: {} },
      ...{ holder: process(1), bound, egress: "off", host_access: false },
      ...{ hypervisors: { a: process(2), b: process(3) }, gateway: process(4) },
    };
    const isAlive = ({ pid, startTime }: ProcessIdentity) => lives.includes(pid) && startTime === String(pid);
    assert.equal(fateOf(record, isAlive), fate);
    const reused = { ...record, holder: { pid: 1, startTime: "another" } };
    assert.notEqual(fateOf(reused, isAlive), "served", "a process id alone is nobody");
  });
}

Deno.test("orphans: a holder whose sockets are gone is waited for until its process is gone, too", async () => {
  const dying = start("sleep", ["60"]);
  const holder = identify(dying.pid)!;
  await withGroup(holder, async (store, record) => {
    await store.writeGroupRecord({ ...record, served: ["a"] });
    const others = await settledRecords(store, ["z"]);
    assert.ok(others.length === 1 && isAlive(holder), "who asks for others does not wait");
    const lookedTwice = Promise.withResolvers<void>();
    const socket = store.memberSocket("a");
    let looks = 0;
    store.memberSocket = () => {
      if (++looks === 2) lookedTwice.resolve();
      return socket;
    };
    const settled = handled(settledRecords(store, ["a"]).then(() => isAlive(holder)));
    await lookedTwice.promise;
    dying.kill("SIGKILL");
    assert.equal(await settled, false);
    await dying.exited;
  });
});

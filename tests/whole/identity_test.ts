/** A member's identity apart from its name in the store: host name, slot, MAC; and stores of an earlier version. */

import * as assert from "#assert";
import { type MemberConfig, parseGroupRecord } from "../../src/store.ts";
import { type Sandbox, sandbox, test } from "../support/sandbox.ts";
import { exists } from "../../src/system/files.ts";
import { until } from "../support/processes.ts";
import { talkJson } from "../support/socket.ts";

/** What the version of commit a3f4197 wrote for `up a old-2 --publish 80`, and then `stop old-2`. */
const OLD = new URL("../support/store_0.1/", import.meta.url);
const OLD_MACS = { a: "52:54:ca:97:81:12", "old-2": "52:54:fe:ae:dc:e1" };

async function oldMember(box: Sandbox, name: keyof typeof OLD_MACS): Promise<void> {
  await box.store.withMemberLock(name, async () => {
    const { config } = box.store.member(name);
    await Deno.copyFile(new URL(`${name}.json`, OLD), config);
  });
}

function identity(box: Sandbox, name: string): (string | undefined)[] {
  const { ip, mac, host_name } = box.store.config(name)!;
  const seed = new TextDecoder("latin1").decode(Deno.readFileSync(box.store.member(name).seed));
  assert.ok(seed.includes(`macaddress: "${mac}"`), `the seed of ${name} has its MAC`);
  assert.ok(seed.includes(`addresses: ["${ip}/24"]`), `the seed of ${name} has its address`);
  assert.ok(seed.includes(`local-hostname: "${host_name ?? name}"`), `the seed of ${name} has its host name`);
  return [host_name, ip, mac];
}

test("two groups of two look the same from within", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a,b");
  await box.up("web,db");
  for (const [first, second] of [["a", "b"], ["web", "db"]]) {
    assert.deepEqual(identity(box, first), [undefined, "10.88.0.11", "52:54:00:58:00:0b"]);
    assert.deepEqual(identity(box, second), [undefined, "10.88.0.12", "52:54:00:58:00:0c"]);
  }
});

test("a member that joins another group gets a free slot there, and that slot's MAC", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  await box.up("b");
  await box.ok("stop", "b");
  await box.ok("join", "b", "--via", "a");
  assert.deepEqual(identity(box, "b"), [undefined, "10.88.0.12", "52:54:00:58:00:0c"]);
  assert.equal((await box.status("b"))?.ip, "10.88.0.12");
});

test("members get the addresses that they are asked to have; one that is taken is refused", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const members = [{ names: ["b"], options: { ip: "10.88.0.40" } }, { names: ["a"], options: { ip: "10.88.0.41" } }];
  const holder = box.start(["--fleetbox-runner", "a,b"], { env: { FLEETBOX_OPTS: JSON.stringify({ members }) } });
  await until("its sockets are there", () => exists(box.store.memberSocket("b")));
  await box.ok("wait", "a", "b");
  assert.deepEqual(identity(box, "a"), [undefined, "10.88.0.41", "52:54:00:58:00:29"]);
  assert.deepEqual(identity(box, "b"), [undefined, "10.88.0.40", "52:54:00:58:00:28"]);
  const add = async (name: string, ip: string) =>
    (await talkJson(box.store.memberSocket("a"), { op: "add", name, options: { ip } })).at(-1);
  assert.equal((await add("c", "10.88.0.42"))?.event, "done");
  assert.equal(identity(box, "c")[1], "10.88.0.42");
  assert.match(
    JSON.stringify(await add("d", "10.88.0.40")),
    /conflict.*cannot have the address 10\.88\.0\.40: another member/,
  );
  assert.equal(box.store.readMember("d"), undefined);
  await box.ok("stop", "b");
  await box.ok("join", "b", "--via", "a"); // what it was asked for is of its first start
  assert.equal(identity(box, "b")[1], "10.88.0.40");
  await box.ok("stop", "a", "b", "c");
  await holder.done;
});

test("a member keeps its host name for good, reports it, and is the only one in its group that has it", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("first");
  const add = (name: string, host_names: Record<string, string>) =>
    talkJson(box.store.memberSocket("first"), { op: "add", name, options: { host_names } });
  assert.equal((await add("a-x7", { "a-x7": "a" })).at(-1)?.event, "done");
  assert.deepEqual(identity(box, "a-x7"), ["a", "10.88.0.12", "52:54:00:58:00:0c"]);
  assert.equal((await box.status("a-x7"))?.host_name, "a");
  assert.equal((await box.ls())["a-x7"].host_name, "a");
  assert.match((await box.ok("status", "a-x7")).stdout, /^host name +a$/m);

  const [refused] = (await add("a-y8", { "a-y8": "a" })).slice(-1);
  assert.match(JSON.stringify(refused), /conflict.*\\"a\\" is the host name of \\"a-x7\\" there already/);
  assert.equal(box.store.readMember("a-y8"), undefined);
  await box.fails(1, /"a" is the host name of "a-x7" there already/, "join", "a", "--via", "first");
  await box.ok("stop", "a-x7");
  await box.fails(1, /"a" is the host name of "a-x7" there already/, "join", "a", "--via", "first");

  await box.ok("stop", "first");
  await box.up("a-x7"); // in a group of its own, with its host name
  assert.equal((await box.status("a-x7"))?.host_name, "a");
  await box.fails(1, /"a" is the host name of "a-x7" there already/, "join", "a", "--via", "a-x7");
});

test("two groups of the same name are told apart by their ids", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a,b");
  await box.ok("rm", "a", "--force");
  await box.up("a");
  const { a, b } = await box.ls();
  assert.deepEqual([a.group, b.group], ["a", "a"]);
  assert.notEqual(a.group_id, b.group_id);
  for (const view of [a, b]) {
    assert.match(view.group_id, /^[0-9a-f]{12}$/);
    assert.equal((await box.status(view.name))?.group_id, view.group_id);
    assert.equal((await box.report(view.name)).group_id, view.group_id);
    const [group] = await talkJson(box.store.memberSocket(view.name), { op: "group" });
    assert.equal(group.group_id, view.group_id);
  }
});

test("members of an earlier version keep their MACs, come up, and are joined", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await oldMember(box, "a");
  await oldMember(box, "old-2");
  assert.equal(await box.states(), "a=stopped old-2=stopped");
  await box.up("a", "old-2");
  await box.ok("join", "new", "--via", "a");
  assert.deepEqual(identity(box, "a"), [undefined, "10.88.0.11", OLD_MACS.a]);
  assert.deepEqual(identity(box, "old-2"), [undefined, "10.88.0.12", OLD_MACS["old-2"]]);
  assert.deepEqual(identity(box, "new"), [undefined, "10.88.0.13", "52:54:00:58:00:0d"]);

  // Into a group where its address is another's: another address, the same MAC.
  await box.ok("stop", "old-2");
  await box.up("other,second");
  await box.ok("join", "old-2", "--via", "other");
  assert.deepEqual(identity(box, "old-2"), [undefined, "10.88.0.13", OLD_MACS["old-2"]]);
});

test("a group whose holder of an earlier version was killed is adopted by its record", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await oldMember(box, "a");
  await oldMember(box, "old-2");
  await box.up("a");
  const machines = box.machines();
  await box.killHolder("a");
  // The record as that version wrote it, of the processes that run here.
  const old: Record<string, unknown> = JSON.parse(await Deno.readTextFile(new URL("group.json", OLD)));
  assert.ok(parseGroupRecord(JSON.stringify(old)), "it is a record still");
  const [now] = box.store.groupRecords() as unknown as Record<string, unknown>[];
  const asOld = Object.fromEntries(Object.keys(old).map((key) => [key, key === "members" ? old.members : now[key]]));
  assert.deepEqual(Object.entries(asOld).filter(([, value]) => value === undefined), []);
  await Deno.writeTextFile(box.store.group(now.id as string).record, JSON.stringify(asOld));
  const stopped: MemberConfig = { ...box.store.config("old-2")!, group: now.id as string }; // it was stopped in this group
  await box.store.withMemberLock("old-2", () => box.store.writeConfig(stopped));

  await box.up("a");
  assert.deepEqual(box.machines(), machines);
  await box.up("old-2");
  assert.deepEqual(identity(box, "a"), [undefined, "10.88.0.11", OLD_MACS.a]);
  assert.deepEqual(identity(box, "old-2"), [undefined, "10.88.0.12", OLD_MACS["old-2"]]);
  const { a, "old-2": second } = await box.ls();
  assert.equal(a.group_id, second.group_id, "it came back to its group");
  assert.deepEqual(
    box.store.config("a")!.forwards,
    [{ host_port: 26816, guest_port: 80 }],
    "what else it says is kept",
  );
});

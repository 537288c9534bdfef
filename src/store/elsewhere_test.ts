/** A store that two hosts see: neither touches what the other one has. */

import * as assert from "#assert";
import { exists, temporaryOf } from "../system/files.ts";
import { identify, isAbandoned, isAlive, isBeingMade, ownIdentity } from "../system/process.ts";
import { type HostIdentity, replaceThisHost } from "../system/this_host.ts";
import { Claims } from "../holder/group/claims.ts";
import { type GroupRecord, makeMemberDirectory, Store } from "../store.ts";
import { claimedElsewhere } from "./elsewhere.ts";
import { completeRecords, fateOf, settledRecords, sweepGroups } from "./orphans.ts";
import { removeMember } from "./remove.ts";

const A: HostIdentity = { name: "node-a", machine: "1", boot: "a1", pids: "pid:[1]" };
const B: HostIdentity = { name: "node-b", machine: "2", boot: "b1", pids: "pid:[1]" };
/** Another container of A's kernel. */
const C: HostIdentity = { ...A, name: "container", pids: "pid:[2]" };

/** A store in which a holder on A has claimed `a`, and was killed: of its files nothing answers. */
async function claimedOnA(work: (store: Store, record: GroupRecord) => Promise<void>): Promise<void> {
  const store = Store.at(Deno.makeTempDirSync({ prefix: "e" }));
  try {
    store.ensure();
    const gone = { pid: 4_194_300, startTime: "1", host: A };
    const record: GroupRecord = {
      ...{ id: "0123456789ab", group: "a", members: ["a"], served: ["a"], running: ["a"], holder: gone, bound: false },
      ...{ hypervisors: { a: { pid: 4_194_301, startTime: "1" } }, ssh_ports: {}, egress: "off", host_access: false },
    };
    makeMemberDirectory(store, "a");
    const { disk, host, pid, socket } = store.member("a");
    Deno.writeTextFileSync(disk, "precious");
    Deno.writeTextFileSync(host, JSON.stringify(A));
    Deno.writeTextFileSync(pid, "4194300");
    Deno.listen({ transport: "unix", path: `${socket}.` }).close();
    Deno.writeTextFileSync(socket, "");
    await store.writeGroupRecord(record);
    await work(store, record);
  } finally {
    Deno.removeSync(store.root, { recursive: true });
  }
}

const takes = (store: Store) => new Claims(store, () => {}).take(["a"]);
const refused = (words: RegExp) => (thrown: Error) => words.test(thrown.message);

Deno.test("what another host has claimed is not claimed, removed, adopted or swept, and the refusal names the host", async () => {
  await claimedOnA(async (store, record) => {
    using _ = replaceThisHost(B);
    assert.equal((await claimedElsewhere(store, "a"))!.name, "node-a");
    await assert.rejects(takes(store), refused(/^Cannot serve "a": it is in use on another host, node-a$/));
    assert.deepEqual(await new Claims(store, () => {}).takeFree(["a"]), []);
    await assert.rejects(
      removeMember(store, "a"),
      refused(/^Cannot remove "a": it is in use on another host, node-a$/),
    );
    assert.equal(fateOf(completeRecords(store)[0]), "served");
    assert.deepEqual(await settledRecords(store, ["a"]), [record]);
    await new Claims(store, () => {}).sweep(["a"]);
    await sweepGroups(store);
    const { disk, host, pid, socket } = store.member("a");
    for (const path of [disk, host, pid, socket, store.group(record.id).record]) assert.ok(exists(path), path);
    // The way out that the hint names.
    Deno.removeSync(host);
    const claims = new Claims(store, () => {});
    await claims.take(["a"]);
    assert.equal(JSON.parse(Deno.readTextFileSync(host)).name, "node-b");
    await claims.releaseAll();
    assert.equal(exists(host), false);
  });
});

Deno.test("after a restart of the same host, and of a container, its claims are its own again", async () => {
  for (const again of [{ ...A, boot: "a2" }, { ...A, pids: "pid:[9]" }, A]) {
    await claimedOnA(async (store) => {
      using _ = replaceThisHost(again);
      assert.equal(await claimedElsewhere(store, "a"), undefined);
      assert.equal(fateOf(completeRecords(store)[0]), "sweep");
      const claims = new Claims(store, () => {});
      await claims.take(["a"]);
      await claims.releaseAll();
    });
  }
});

Deno.test("another container's member is in use while anything of it answers", async () => {
  await claimedOnA(async (store) => {
    using _ = replaceThisHost(C);
    assert.equal(await claimedElsewhere(store, "a"), undefined);
    const machine = Deno.listen({ transport: "unix", path: store.member("a").qmpSocket });
    assert.equal((await claimedElsewhere(store, "a"))!.name, "node-a");
    await assert.rejects(takes(store), refused(/in use on another host, node-a/));
    machine.close();
  });
});

Deno.test("a process of another host may still run; what it makes aside is left to it", () => {
  const own = identify(Deno.pid)!;
  assert.ok(isAlive(ownIdentity()!));
  for (const [host, expected] of [[B, true], [{ ...A, boot: "a0" }, false]] as const) {
    using _ = replaceThisHost(A);
    assert.equal(isAlive({ ...own, host }), expected);
  }
  const ofGone = (name: string) => name.replace(/\d+(?=-[0-9a-f]{8}(-[0-9a-f]{3})?\.tmp$)/, "4194300");
  const mine = temporaryOf("x");
  assert.deepEqual([isBeingMade(mine), isAbandoned(ofGone(mine)), isAbandoned("x")], [true, true, false]);
  assert.ok(isAbandoned("x.4194300-0123abcd.tmp"), "of an earlier version");
  const others = mine.replace(/-[0-9a-f]{3}(?=\.tmp)/, (mark) => `-${mark === "-000" ? "111" : "000"}`);
  assert.deepEqual([isBeingMade(ofGone(others)), isAbandoned(ofGone(others))], [true, false]);
});

import * as assert from "#assert";
import { join } from "../system/path.ts";
import { decoyMachine } from "../../tests/support/decoy.ts";
import { codeOf } from "../core/errors.ts";
import { exists } from "../system/files.ts";
import { Store } from "../store.ts";
import { removeMember } from "./remove.ts";

async function withDisk(work: (store: Store) => Promise<void>): Promise<void> {
  const root = Deno.makeTempDirSync({ prefix: "rm" });
  try {
    const store = Store.at(join(root, "s"));
    store.ensure();
    await store.withMemberLock("a", () => Deno.writeTextFile(store.member("a").disk, "disk"));
    await work(store);
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
}

const conflict = (words: RegExp) => (thrown: Error) => codeOf(thrown) === "conflict" && words.test(thrown.message);

Deno.test("remove: a disk that a machine uses is kept for every caller; without the machine it is removed", () =>
  withDisk(async (store) => {
    {
      await using _machine = await decoyMachine(store, "a");
      await assert.rejects(removeMember(store, "a"), conflict(/machine still runs/));
      await assert.rejects(removeMember(store, "a", { isServedHere: true }), conflict(/machine still runs/));
      assert.ok(exists(store.member("a").disk));
    }
    assert.equal(await removeMember(store, "a"), true);
    assert.equal(await removeMember(store, "a"), false);
    assert.deepEqual([...Deno.readDirSync(store.clustersDir)], []);
  }));

Deno.test("remove: a member that is served stays, but for its own holder", () =>
  withDisk(async (store) => {
    using holder = Deno.listen({ transport: "unix", path: store.memberSocket("a") });
    void (async () => {
      for await (const client of holder) client.close();
    })().catch(() => {});
    await assert.rejects(removeMember(store, "a"), conflict(/started again/));
    assert.equal(await removeMember(store, "a", { isStillWanted: () => false, isServedHere: true }), false);
    assert.ok(exists(store.member("a").disk));
    assert.equal(await removeMember(store, "a", { isServedHere: true }), true);
    assert.ok(exists(store.memberSocket("a")), "the holder's own socket is its own business");
  }));

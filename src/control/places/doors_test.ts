/** A door of a store that stands for a place's. */

import * as assert from "#assert";
import { Store } from "../../store.ts";
import { connectMember, setDoor } from "./doors.ts";

Deno.test("a door is opened once for requests at the same time, and again after it has failed", async () => {
  const root = Deno.makeTempDirSync();
  try {
    const store = Store.at(root);
    store.ensure();
    let opened = 0;
    let listener: Deno.UnixListener | undefined;
    const failure = new Error("no way there");
    setDoor(store, async (name) => {
      opened++;
      await Promise.resolve();
      if (opened === 1) throw failure;
      listener = Deno.listen({ transport: "unix", path: store.memberSocket(name) });
    });
    const both = () => Promise.allSettled([connectMember(store, "a"), connectMember(store, "a")]);
    assert.deepEqual((await both()).map((one) => one.status === "rejected" && one.reason), [failure, failure]);
    assert.equal(opened, 1);
    const connections = (await both()).map((one) => one.status === "fulfilled" ? one.value : undefined);
    assert.equal(opened, 2);
    assert.ok(connections.every((one) => one !== undefined));
    connections.forEach((one) => one!.close());
    listener!.close();
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
});

import * as assert from "#assert";
import { checkpoints, snapshotPaths } from "../../store/snapshots.ts";
import { addCheckpoint, addLayer, id, names, withStore } from "../../store/snapshots/testing.ts";
import { identify } from "../../system/process.ts";
import { removeOwned } from "./owned.ts";

Deno.test("owned: the checkpoints of a client whose process outlives its connection go with it; those of one that goes on stay", () =>
  withStore(async (store) => {
    for (const ends of [true, false]) {
      const client = new Deno.Command("sleep", { args: ["100"] }).spawn();
      const owner = identify(client.pid)!;
      addLayer(store, id(1));
      await addCheckpoint(store, "its", { a: [id(1)] }, { owner });
      const removed = removeOwned(store, [], { owner, holderLog: store.holderLog("a") });
      if (ends) setTimeout(() => client.kill("SIGKILL"), 50);
      await removed;
      assert.deepEqual(checkpoints(store).map(({ name }) => name), ends ? [] : ["its"]);
      if (!ends) client.kill("SIGKILL");
      await client.status;
    }
    assert.deepEqual(names(snapshotPaths(store).checkpointsDir), ["its"]);
  }));

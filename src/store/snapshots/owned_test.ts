import * as assert from "#assert";
import { exists } from "../../system/files.ts";
import { identify, isAlive } from "../../system/process.ts";
import type { Store } from "../../store.ts";
import {
  abandonedCheckpoints,
  checkpoints,
  collectLayers,
  dropCheckpoint,
  removeAbandoned,
  snapshotPaths,
  withCheckpointLock,
} from "../snapshots.ts";
import { addCheckpoint, addLayer, deadProcess, hasLayer, id, names, withStore } from "./testing.ts";

const US = identify(Deno.pid)!;

async function addOwned(store: Store, name: string, layer: string, owner = deadProcess()): Promise<void> {
  addLayer(store, layer);
  await addCheckpoint(store, name, { a: [layer] }, { owner });
}

const namesOf = (store: Store) => checkpoints(store).map(({ name }) => name);

Deno.test("owned: a killed program's checkpoints are found and removed with their layers; others stay", () =>
  withStore(async (store) => {
    assert.deepEqual(abandonedCheckpoints(store, isAlive), []);
    await addOwned(store, "dead", id(1));
    await addOwned(store, "ours", id(2), US);
    addLayer(store, id(3));
    await addCheckpoint(store, "users", { a: [id(3)] });
    await addOwned(store, "damaged", id(4));
    Deno.writeTextFileSync(snapshotPaths(store).checkpoint("damaged").manifest, "{");
    assert.deepEqual(abandonedCheckpoints(store, isAlive), ["dead"]);
    for (const name of ["dead", "ours", "users", "damaged", "nothing"]) {
      assert.equal(await removeAbandoned(store, name, isAlive), name === "dead", name);
    }
    assert.deepEqual(namesOf(store), ["damaged", "ours", "users"]);
    assert.deepEqual(exists(snapshotPaths(store).checkpoint("dead").dir), false);
  }));

Deno.test("owned: one that is another's by the time of its removal stays", () =>
  withStore(async (store) => {
    await addOwned(store, "dead", id(1));
    let isMadeAnew = false;
    const alive = () => isMadeAnew;
    assert.deepEqual(abandonedCheckpoints(store, alive), ["dead"]);
    isMadeAnew = true;
    assert.equal(await removeAbandoned(store, "dead", alive), false);
    assert.deepEqual(namesOf(store), ["dead"]);
  }));

Deno.test("owned: at the end of its program a checkpoint goes at once, and its layers later", () =>
  withStore(async (store) => {
    await addOwned(store, "ours", id(1), US);
    dropCheckpoint(store, "ours");
    dropCheckpoint(store, "ours"); // twice
    dropCheckpoint(store, "nothing");
    assert.deepEqual(namesOf(store), []);
    assert.deepEqual(names(snapshotPaths(store).dir), [".lock", "checkpoints", "layers", "templates"]);
    assert.ok(hasLayer(store, id(1)));
    assert.deepEqual((await collectLayers(store)).removed, [id(1)]);
  }));

Deno.test("owned: of those that want a checkpoint at once one makes it, the others wait; no lock stays", () =>
  withStore(async (store) => {
    const order: string[] = [];
    const one = (name: string) =>
      withCheckpointLock(store, "seeded", async () => {
        order.push(`${name} begins`);
        await new Promise((later) => setTimeout(later, 20));
        order.push(`${name} ends`);
      });
    await Promise.all([one("x"), one("y"), one("z")]);
    assert.equal(order.length, 6);
    for (let at = 0; at < 6; at += 2) assert.equal(order[at].replace("begins", "ends"), order[at + 1]);
    assert.deepEqual(names(snapshotPaths(store).dir), ["checkpoints", "layers", "templates"]);
  }));

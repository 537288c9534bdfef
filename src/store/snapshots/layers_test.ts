import * as assert from "#assert";
import fc from "fast-check";
import { join } from "../../system/path.ts";
import { codeOf } from "../../core/errors.ts";
import { exists } from "../../system/files.ts";
import type { Store } from "../../store.ts";
import { removeMember } from "../remove.ts";
import { claimLayers, collectLayers, linkLayer, newMaking, snapshotPaths } from "../snapshots.ts";
import { collectLayersHeld, layerIds } from "./layers.ts";
import { withSnapshotLock } from "./lock.ts";
import { savedMember } from "./manifests.ts";
import {
  addCheckpoint,
  addLayer,
  addMember,
  addTemplate,
  configOf,
  hasLayer,
  id,
  names,
  ofDead,
  withStore,
} from "./testing.ts";

const LAYERS = 8;

interface Plan {
  kind: "member" | "template" | "checkpoint" | "making" | "dead making";
  layers: number[];
  fate: "whole" | "damaged" | "no manifest";
}

const plan: fc.Arbitrary<Plan> = fc.record({
  kind: fc.constantFrom("member", "template", "checkpoint", "making", "dead making"),
  layers: fc.uniqueArray(fc.nat(LAYERS - 1), { minLength: 1, maxLength: 3 }),
  fate: fc.constantFrom("whole", "whole", "whole", "whole", "damaged", "no manifest"),
});

/** Makes what a plan says, whole. @returns its manifest, or its config */
async function make(store: Store, { kind, layers }: Plan, number: number): Promise<string> {
  const paths = snapshotPaths(store);
  const chain = layers.map(id);
  let manifest: string;
  if (kind === "member") {
    manifest = store.member((await addMember(store, `m${number}`, { layers: chain })).name).config;
  } else if (kind === "template") {
    await addTemplate(store, id(number), chain);
    manifest = paths.template(id(number)).manifest;
  } else if (kind === "checkpoint") {
    await addCheckpoint(store, `c${number}`, { a: chain.slice(0, 1), b: chain });
    manifest = paths.checkpoint(`c${number}`).manifest;
  } else {
    const making = newMaking(store);
    const member = savedMember(configOf("a", { layers: chain }), 1);
    const text = { version: 1, key: id(1), made_at: new Date().toISOString(), parts: {}, member };
    const place = kind === "making" ? making : ofDead(making);
    Deno.renameSync(making, place);
    manifest = join(place, "manifest.json");
    Deno.writeTextFileSync(manifest, JSON.stringify(text));
  }
  return manifest;
}

function spoil(manifest: string, fate: Plan["fate"]): void {
  if (fate === "damaged") Deno.writeTextFileSync(manifest, Deno.readTextFileSync(manifest).slice(0, -9));
  if (fate === "no manifest") Deno.removeSync(manifest);
}

/** What the plan says of layers: that it reads some, that it may read any, or nothing. */
function readBy({ kind, layers, fate }: Plan): number[] | "unsure" {
  if (fate === "whole") return kind === "dead making" ? [] : layers;
  if (kind === "template" || kind === "dead making") return []; // of no use without its manifest
  if (kind === "making" && fate === "no manifest") return []; // it has none yet
  return "unsure"; // a member's disk is there, and a checkpoint's machines
}

Deno.test("layers: those that something reads stay, the others go; none goes while a reader cannot be read", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(plan, { maxLength: 5 }), (plans) =>
      withStore(async (store) => {
        for (let number = 0; number < LAYERS; number++) addLayer(store, id(number));
        const manifests: string[] = [];
        for (const [number, one] of plans.entries()) manifests.push(await make(store, one, number));
        plans.forEach(({ fate }, number) => spoil(manifests[number], fate));
        const read = plans.map(readBy);
        const isSure = !read.includes("unsure");
        const kept = new Set(isSure ? read.flat() : Array.from({ length: LAYERS }, (_, number) => number));

        const { removed, unsure } = await collectLayers(store);
        const all = Array.from({ length: LAYERS }, (_, number) => number);
        assert.deepEqual(layerIds(store), all.filter((number) => kept.has(number)).map(id));
        assert.deepEqual(removed, all.filter((number) => !kept.has(number)).map(id));
        assert.equal(unsure.length > 0, !isSure);
      })),
    { numRuns: 40 },
  );
});

Deno.test("layers: a directory that cannot be read keeps all layers", () =>
  withStore(async (store) => {
    addLayer(store, id(1));
    for (const dir of [store.clustersDir, snapshotPaths(store).templatesDir, snapshotPaths(store).checkpointsDir]) {
      Deno.mkdirSync(dir, { recursive: true });
      Deno.renameSync(dir, `${dir}.away`);
      Deno.symlinkSync(dir, dir); // reading it fails for every user: it leads to itself
      const { removed, unsure } = await collectLayersHeld(store);
      assert.deepEqual([removed, unsure.length], [[], 1], dir);
      assert.match(unsure[0], /Cannot read/);
      await collectLayers(store).catch(() => {});
      assert.ok(hasLayer(store, id(1)), dir);
      Deno.removeSync(dir);
      Deno.renameSync(`${dir}.away`, dir);
    }
    assert.deepEqual((await collectLayers(store)).removed, [id(1)]);
  }));

Deno.test("layers: a member whose directory is a link keeps its layers", () =>
  withStore(async (store) => {
    addLayer(store, id(1));
    await addMember(store, "a", { layers: [id(1)] });
    const { dir } = store.member("a");
    Deno.renameSync(dir, join(store.root, "elsewhere"));
    Deno.symlinkSync(join(store.root, "elsewhere"), dir);
    assert.deepEqual((await collectLayers(store)).removed, []);
  }));

Deno.test("layers: what is no layer stays, and without layers nothing is made", () =>
  withStore(async (store) => {
    assert.deepEqual(await collectLayers(store), { removed: [], bytes: 0, unsure: [] });
    assert.ok(!exists(store.snapshotsDir));
    addLayer(store, id(1), 8192);
    const { layersDir } = snapshotPaths(store);
    for (const other of ["notes.txt", `${id(2)}.qcow2.bak`, `${id(3)}`]) {
      Deno.writeTextFileSync(join(layersDir, other), "");
    }
    const { removed, bytes } = await collectLayers(store);
    assert.deepEqual([removed, bytes >= 8192], [[id(1)], true]);
    assert.deepEqual(names(layersDir), [`${id(2)}.qcow2.bak`, id(3), "notes.txt"]);
  }));

Deno.test("layers: they go with the last member that is based on them", () =>
  withStore(async (store) => {
    for (const number of [1, 2, 3]) addLayer(store, id(number));
    await addMember(store, "a", { layers: [id(2), id(1)] });
    await addMember(store, "b", { layers: [id(3), id(1)] });
    await removeMember(store, "a");
    assert.deepEqual(layerIds(store), [id(1), id(3)]);
    await addMember(store, "c");
    Deno.writeTextFileSync(store.member("c").config, "{");
    await removeMember(store, "b");
    assert.deepEqual(layerIds(store), [id(1), id(3)], "c may be based on them");
    await removeMember(store, "c");
    assert.deepEqual(layerIds(store), []);
  }));

Deno.test("layers: a failure to collect them is no failure of a removal", () =>
  withStore(async (store) => {
    addLayer(store, id(1));
    await addMember(store, "a", { layers: [id(1)] });
    Deno.mkdirSync(snapshotPaths(store).lock); // the lock cannot be taken
    await assert.rejects(collectLayers(store), /Cannot open the lock/);
    assert.equal(await removeMember(store, "a"), true);
    assert.ok(!exists(store.member("a").dir) && hasLayer(store, id(1)));
  }));

Deno.test("layers: a config claims them under the lock, or is told which is gone", () =>
  withStore(async (store) => {
    addLayer(store, id(1));
    await addMember(store, "a");
    let claimed = false;
    const claim = withSnapshotLock(store, async () => {
      const late = claimLayers(store, configOf("a", { layers: [id(1)] })).then(() => claimed = true);
      await new Promise((later) => setTimeout(later, 20));
      assert.ok(!claimed, "it did not wait for the lock");
      return { late };
    });
    await (await claim).late;
    assert.deepEqual(store.config("a")!.layers, [id(1)]);
    assert.deepEqual((await collectLayers(store)).removed, []);
    await assert.rejects(
      claimLayers(store, configOf("a", { layers: [id(1), id(2)] })),
      (thrown: Error) => codeOf(thrown) === "not-found" && thrown.message.includes(`${id(2)}.qcow2`),
    );
    assert.deepEqual(store.config("a")!.layers, [id(1)]);
  }));

Deno.test("layers: a disk becomes one by another name, and only once", () =>
  withStore(async (store) => {
    await addMember(store, "a");
    const { disk } = store.member("a");
    await withSnapshotLock(store, () => linkLayer(store, disk, id(1)));
    const layer = Deno.statSync(snapshotPaths(store).layer(id(1)));
    assert.deepEqual([layer.ino, layer.mode! & 0o777], [Deno.statSync(disk).ino, 0o600]);
    await assert.rejects(linkLayer(store, disk, id(1)), /Cannot make .* a layer/);
    await assert.rejects(linkLayer(store, join(store.root, "none"), id(2)), /Cannot make .* a layer/);
  }));

import * as assert from "#assert";
import { join } from "../../system/path.ts";
import { codeOf } from "../../core/errors.ts";
import { replaceVariables } from "../../core/environment.ts";
import { exists, temporaryOf } from "../../system/files.ts";
import {
  checkpoints,
  collectLayers,
  discardMaking,
  fitTemplates,
  newMaking,
  publishCheckpoint,
  publishTemplate,
  readCheckpoint,
  readTemplate,
  removeCheckpoint,
  removeTemplate,
  snapshotPaths,
  snapshotsOfImage,
  snapshotUse,
  templateBudget,
  templates,
  touchTemplate,
  usersOfCheckpoint,
} from "../snapshots.ts";
import { layerIds } from "./layers.ts";
import {
  addCheckpoint,
  addLayer,
  addMember,
  addSaved,
  addTemplate,
  configOf,
  hasLayer,
  id,
  names,
  ofDead,
  withStore,
} from "./testing.ts";

const code = (expected: string, words: RegExp) => (thrown: Error) =>
  codeOf(thrown) === expected && words.test(thrown.message);

Deno.test("publish: a template is visible whole, private, and read back as it was written", () =>
  withStore(async (store) => {
    addLayer(store, id(1), 5000);
    const making = newMaking(store);
    assert.equal(Deno.statSync(making).mode! & 0o777, 0o700);
    addSaved(making, 9000);
    for (const name of ["memory", "devices"]) Deno.chmodSync(join(making, name), 0o644);
    const config = configOf("web-1", { layers: [id(1)], host_name: "web" });
    assert.equal(readTemplate(store, id(7)), undefined);
    assert.equal(await publishTemplate(store, making, { key: id(7), parts: { cpus: "1" }, config }), "made");

    const { dir, memory, manifest } = snapshotPaths(store).template(id(7));
    assert.deepEqual(names(dir), ["devices", "manifest.json", "memory"]);
    for (const path of [memory, manifest]) assert.equal(Deno.statSync(path).mode! & 0o777, 0o600);
    const read = readTemplate(store, id(7))!;
    assert.deepEqual(read.member.config, config);
    const { host_name, ip, mac, bytes } = read.member;
    assert.deepEqual([read.key, read.parts, host_name, ip, mac], [id(7), { cpus: "1" }, "web", config.ip, config.mac]);
    assert.ok(bytes >= 14_000, `${bytes}`);
    assert.deepEqual(names(store.snapshotsDir), [".lock", "checkpoints", "layers", "templates"]);
  }));

Deno.test("publish: of two templates with one key the first stays; a damaged one is replaced", () =>
  withStore(async (store) => {
    addLayer(store, id(1));
    addLayer(store, id(2));
    const both = await Promise.all([addTemplate(store, id(7), [id(1)]), addTemplate(store, id(7), [id(2)])]);
    assert.deepEqual(both.toSorted(), ["exists", "made"]);
    const kept = readTemplate(store, id(7))!.member.config.layers;
    assert.deepEqual(kept, [id(both.indexOf("made") + 1)]);
    Deno.removeSync(snapshotPaths(store).template(id(7)).memory);
    assert.throws(() => readTemplate(store, id(7)), /The template 0+7 cannot be used: .*memory is missing/);
    assert.equal(await addTemplate(store, id(7), [id(2)]), "made");
    assert.deepEqual(readTemplate(store, id(7))!.member.config.layers, [id(2)]);
    assert.deepEqual(names(store.snapshotsDir), [".lock", "checkpoints", "layers", "templates"]);
  }));

Deno.test("publish: of many checkpoints with one name at once one is made, the others conflict and leave nothing", () =>
  withStore(async (store) => {
    addLayer(store, id(1));
    const many = await Promise.allSettled(
      Array.from({ length: 5 }, () => addCheckpoint(store, "base", { a: [id(1)], b: [id(1)] })),
    );
    const failures = many.flatMap((one) => one.status === "rejected" ? [one.reason] : []);
    assert.equal(failures.length, 4);
    for (const one of failures) assert.ok(code("conflict", /There is a checkpoint "base" already/)(one), `${one}`);
    assert.deepEqual(Object.keys(readCheckpoint(store, "base")!.members), ["a", "b"]);
    assert.deepEqual(names(store.snapshotsDir), [".lock", "checkpoints", "layers", "templates"]);
    // A damaged one keeps its name: its layers may be somebody's.
    Deno.writeTextFileSync(snapshotPaths(store).checkpoint("base").manifest, "{");
    await assert.rejects(addCheckpoint(store, "base", { a: [id(1)] }), code("conflict", /already/));
  }));

Deno.test("publish: without a layer, or a part of a machine, nothing becomes visible and nothing is left", () =>
  withStore(async (store) => {
    addLayer(store, id(1));
    await assert.rejects(
      addTemplate(store, id(7), [id(1), id(2)]),
      code("conflict", /0002.qcow2 was removed meanwhile/),
    );
    await assert.rejects(addCheckpoint(store, "base", { a: [id(2)] }), code("conflict", /was removed meanwhile/));
    const making = newMaking(store);
    addSaved(join(making, "a"));
    const members = [configOf("a", { layers: [id(1)] }), configOf("b", { layers: [id(1)] })];
    await assert.rejects(
      publishCheckpoint(store, making, { name: "base", group: "a", host: "", members }),
      code("conflict", /b\/devices is missing/),
    );
    const other = newMaking(store);
    addSaved(other);
    const config = configOf("a", { layers: [id(1)] });
    await assert.rejects(
      publishTemplate(store, other, { key: "../x", parts: {}, config }),
      code("misuse", /hexadecimal/),
    );
    assert.deepEqual([templates(store), checkpoints(store)], [[], []]);
    assert.deepEqual(names(store.snapshotsDir), [".lock", "checkpoints", "layers", "templates"]);
  }));

Deno.test("publish: what is made keeps its layers before it is visible, and is swept when its maker is gone", () =>
  withStore(async (store) => {
    addLayer(store, id(1));
    const [mine, gone] = [newMaking(store), newMaking(store)];
    addSaved(mine);
    Deno.renameSync(gone, ofDead(gone));
    const removed = ofDead(temporaryOf(join(store.snapshotsDir, "removed")));
    Deno.mkdirSync(join(removed, "x"), { recursive: true });
    assert.equal(snapshotUse(store).leftovers.count, 3); // the layer is one
    store.sweepTemporary([]);
    assert.deepEqual([exists(mine), exists(ofDead(gone)), exists(removed)], [true, false, false]);
    const config = configOf("a", { layers: [id(1)] });
    assert.equal(await publishTemplate(store, mine, { key: id(7), parts: {}, config }), "made");
    await discardMaking(snapshotPaths(store).template(id(7)).dir); // no place where something is made
    assert.ok(readTemplate(store, id(7)));
    assert.deepEqual((await collectLayers(store)).removed, []);
  }));

Deno.test("publish: the least recently used templates go, with their layers; what is too large alone is not kept", () =>
  withStore(async (store) => {
    for (const number of [1, 2, 3, 4]) addLayer(store, id(number), 100_000);
    const size = { bytes: 100_000, budget: 700_000 };
    for (const number of [1, 2, 3]) assert.equal(await addTemplate(store, id(number), [id(number)], size), "made");
    for (const [number, second] of [[1, 30], [2, 10], [3, 20]]) {
      Deno.utimeSync(snapshotPaths(store).template(id(number)).manifest, second, second);
    }
    touchTemplate(store, id(2));
    touchTemplate(store, id(9)); // there is none
    assert.deepEqual(templates(store).map(({ key }) => key), [id(2), id(1), id(3)]);
    assert.equal(await addTemplate(store, id(4), [id(4)], size), "made");
    assert.deepEqual(templates(store).map(({ key }) => key).toSorted(), [id(1), id(2), id(4)]);
    assert.deepEqual(layerIds(store), [id(1), id(2), id(4)]);

    addLayer(store, id(5), 100_000);
    assert.equal(await addTemplate(store, id(5), [id(5)], { bytes: 700_000, budget: 700_000 }), "over-budget");
    assert.equal(templates(store).length, 3, "it made no room in vain");

    // Shared layers count once; a damaged template goes first.
    Deno.writeTextFileSync(snapshotPaths(store).template(id(1)).manifest, "{");
    assert.deepEqual(await fitTemplates(store, 700_000), [id(1)]);
    assert.deepEqual((await fitTemplates(store, 0)).toSorted(), [id(2), id(4)]);
    assert.deepEqual([templates(store), layerIds(store)], [[], []]);
  }));

Deno.test("publish: FLEETBOX_TEMPLATES is a size, or 0", () => {
  const budget = (text: string) => {
    using _ = replaceVariables({ FLEETBOX_TEMPLATES: text });
    return templateBudget();
  };
  const GIB = 1024 ** 3;
  const expected = { "": 4 * GIB, "2G": 2 * GIB, "512": GIB / 2, " 1.5g ": 1.5 * GIB, "0": 0, "0G": 0, off: 0, no: 0 };
  for (const [text, bytes] of Object.entries(expected)) assert.equal(budget(text), bytes, text);
  for (const text of ["much", "-1", "1P", "0x10"]) {
    assert.throws(() => budget(text), /Bad value for FLEETBOX_TEMPLATES: found ".*", expected a size/);
  }
});

Deno.test("publish: who is based on a checkpoint is told, and keeps its layers when it is removed", () =>
  withStore(async (store) => {
    for (const number of [1, 2, 3, 4]) addLayer(store, id(number));
    await addMember(store, "a", { layers: [id(2), id(1)] }); // the original
    await addMember(store, "run1-a", { layers: [id(2), id(1)], from_checkpoint: "base" });
    await addMember(store, "other", { layers: [id(1)] }); // from the same template
    await addCheckpoint(store, "base", { a: [id(2), id(1)] });
    await addCheckpoint(store, "later", { "run1-a": [id(3), id(2), id(1)] });
    await addCheckpoint(store, "apart", { c: [id(4)] });
    assert.deepEqual(usersOfCheckpoint(store, "base"), { members: ["a", "run1-a"], checkpoints: ["later"] });
    assert.deepEqual(usersOfCheckpoint(store, "apart"), { members: [], checkpoints: [] });
    assert.deepEqual(usersOfCheckpoint(store, "none"), { members: [], checkpoints: [] });

    assert.equal(await removeCheckpoint(store, "base"), true);
    assert.equal(await removeCheckpoint(store, "base"), false);
    assert.deepEqual(checkpoints(store).map(({ name }) => name), ["apart", "later"]);
    assert.deepEqual(layerIds(store), [1, 2, 3, 4].map(id));
    assert.equal(await removeCheckpoint(store, "apart"), true);
    assert.ok(!hasLayer(store, id(4)));
    // One that is damaged is told as such, and can be removed.
    Deno.writeTextFileSync(snapshotPaths(store).checkpoint("later").manifest, "{");
    const [later] = checkpoints(store);
    assert.ok("damage" in later && later.damage.hint === "Remove it: fleetbox checkpoint rm later");
    assert.equal(await removeCheckpoint(store, "later"), true);
    assert.deepEqual(layerIds(store), [id(1), id(2)]);
    assert.deepEqual(names(store.snapshotsDir), [".lock", "checkpoints", "layers", "templates"]);
  }));

Deno.test("publish: what snapshots take up counts each layer once, and says what is free when they go", () =>
  withStore(async (store) => {
    const KIB = 1024;
    for (const number of [1, 2, 3, 4]) addLayer(store, id(number), 100 * KIB);
    assert.deepEqual(snapshotUse(store).leftovers.count, 4);
    await addTemplate(store, id(7), [id(1)], { bytes: 200 * KIB });
    await addTemplate(store, id(8), [id(2)], { bytes: 200 * KIB, image_id: "debian-1" });
    await addCheckpoint(store, "base", { a: [id(3), id(1)] });
    const use = snapshotUse(store);
    const about = (bytes: number, kib: number) => assert.ok(bytes >= kib * KIB && bytes < (kib + 60) * KIB, `${bytes}`);
    assert.deepEqual([use.templates.count, use.checkpoints.count, use.layers.count], [2, 1, 4]);
    about(use.templates.bytes, 500); // the first layer is the checkpoint's, too
    about(use.checkpoints.bytes, 100);
    about(use.layers.bytes, 400);
    assert.equal(use.leftovers.count, 1);
    about(use.leftovers.bytes, 100);
    assert.deepEqual(snapshotsOfImage(store, "micro-0"), { checkpoints: ["base"], templates: [id(7)], unsure: [] });
    assert.deepEqual(snapshotsOfImage(store, "debian-1"), { checkpoints: [], templates: [id(8)], unsure: [] });
    assert.equal(await removeTemplate(store, id(8)), true);
    assert.equal(await removeTemplate(store, id(8)), false);
    about(snapshotUse(store).templates.bytes, 200);
  }));

import * as assert from "#assert";
import { join } from "../../system/path.ts";
import { codeOf } from "../../core/errors.ts";
import { run } from "../../system/process.ts";
import { Store } from "../../store.ts";
import { removeMember } from "../remove.ts";
import { collectLayers, freezeDisk, newMaking, publishTemplate, removeTemplate, snapshotPaths } from "../snapshots.ts";
import { addLayer, addMember, addSaved, addTemplate, configOf, id, names } from "./testing.ts";

const isFull = (words: RegExp) => (thrown: Error) => codeOf(thrown) === "no-space" && words.test(thrown.message);

Deno.test({
  name: "snapshots: on a full disk nothing is half-made, the error says so, and what is not needed can be removed",
  ignore: Deno.uid() !== 0, // it mounts
  async fn() {
    const root = Deno.makeTempDirSync({ prefix: "sf" });
    await run("mount", ["-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", root]);
    try {
      const store = Store.at(join(root, "s"));
      store.ensure();
      for (const number of [1, 2]) addLayer(store, id(number));
      await addTemplate(store, id(7), [id(1)]);
      const member = await addMember(store, "a");
      const making = newMaking(store);
      addSaved(making);
      const filler = join(root, "filler");
      fill(filler);
      const before = names(store.member("a").dir);

      const template = { key: id(8), parts: { long: "x".repeat(8192) }, config: configOf("a", { layers: [id(2)] }) };
      await assert.rejects(publishTemplate(store, making, template), isFull(/no space left/));
      fill(filler); // what it left room for
      const overlay = (path: string) => Deno.writeFile(path, new Uint8Array(200_000));
      await assert.rejects(freezeDisk(store, member, overlay), isFull(/Cannot freeze the disk of "a": no space left/));
      assert.deepEqual([names(store.member("a").dir), store.config("a")], [before, member]);
      assert.deepEqual(names(snapshotPaths(store).layersDir), [1, 2].map((number) => `${id(number)}.qcow2`));
      assert.deepEqual(names(store.snapshotsDir), [".lock", "checkpoints", "layers", "templates"]);

      assert.equal(await removeTemplate(store, id(7)), true);
      assert.equal(await removeMember(store, "a"), true);
      await collectLayers(store);
      assert.deepEqual(names(snapshotPaths(store).layersDir), []);
    } finally {
      await run("umount", [root]);
      Deno.removeSync(root);
    }
  },
});

/** Writes until nothing more fits. */
function fill(path: string): void {
  using file = Deno.openSync(path, { create: true, append: true });
  for (const bytes of [new Uint8Array(4096), new Uint8Array(1)]) {
    for (;;) {
      try {
        file.writeSync(bytes);
      } catch {
        break;
      }
    }
  }
}

import * as assert from "#assert";
import { readCheckpoint, readTemplate, snapshotPaths } from "../snapshots.ts";
import { addCheckpoint, addLayer, addTemplate, id, withStore } from "./testing.ts";

/**
 * Has another process put a copy of a directory in its place while this one reads its manifest, which is replaced by a pipe for that:
 * what is read from it is garbage.
 */
function replaceWhileItIsRead(dir: string): Deno.ChildProcess {
  const script =
    `cd "$1" && cp -r . "$1.new" && rm manifest.json && mkfifo manifest.json && echo ready && exec 3>manifest.json &&
    mv "$1" "$1.old" && mv "$1.new" "$1" && echo {} >&3`;
  const args = ["-c", script, "sh", dir];
  return new Deno.Command("sh", { args, stdout: "piped", stderr: "inherit" }).spawn();
}

const KINDS = {
  template: (store) => [snapshotPaths(store).template(id(7)).dir, () => readTemplate(store, id(7))?.key],
  checkpoint: (store) => [snapshotPaths(store).checkpoint("base").dir, () => readCheckpoint(store, "base")?.name],
} satisfies Record<string, (store: Parameters<typeof snapshotPaths>[0]) => [string, () => string | undefined]>;

for (const [kind, of] of Object.entries(KINDS)) {
  Deno.test(`read: a ${kind} that is removed while it is read, and made anew, is the new one, and not damaged`, () =>
    withStore(async (store) => {
      addLayer(store, id(1));
      await addTemplate(store, id(7), [id(1)]);
      await addCheckpoint(store, "base", { a: [id(1)] });
      const [dir, read] = of(store);
      const child = replaceWhileItIsRead(dir);
      const said = child.stdout.getReader();
      await said.read(); // from here on it waits for a reader
      assert.equal(read(), kind === "template" ? id(7) : "base");
      await said.cancel();
      assert.ok((await child.status).success);
    }));
}

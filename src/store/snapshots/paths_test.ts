import * as assert from "#assert";
import { SNAPSHOT_ID } from "../config.ts";
import { Store } from "../../store.ts";
import { newLayerId, snapshotPaths } from "./paths.ts";

Deno.test("snapshots: paths are below the store's snapshots, and only of ids, keys and names", () => {
  const paths = snapshotPaths(Store.at("/s"));
  const id = "0123456789abcdef";
  assert.equal(paths.layer(id), `/s/snapshots/layers/${id}.qcow2`);
  assert.equal(paths.template(id).memory, `/s/snapshots/templates/${id}/memory`);
  assert.equal(paths.checkpoint("base").manifest, "/s/snapshots/checkpoints/base/manifest.json");
  assert.equal(
    paths.checkpoint("base").member("web-1").sharedDirectoryImage(2),
    "/s/snapshots/checkpoints/base/web-1/fixture-2.img",
  );
  for (const word of ["..", "", "a/b", "0123456789abcdeg", `${id}\n`, "0123456789ABCDEF"]) {
    assert.throws(() => paths.layer(word), /expected 16 hexadecimal digits/);
    assert.throws(() => paths.template(word), /expected 16 hexadecimal digits/);
  }
  for (const word of ["..", "", "a/b", "A", "-a"]) {
    assert.throws(() => paths.checkpoint(word), /Not a member name/);
    assert.throws(() => paths.checkpoint("base").member(word), /Not a member name/);
  }
});

Deno.test("snapshots: layers' ids are ids, and differ", () => {
  const ids = Array.from({ length: 200 }, newLayerId);
  assert.ok(ids.every((id) => SNAPSHOT_ID.test(id)));
  assert.equal(new Set(ids).size, ids.length);
});

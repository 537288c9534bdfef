import * as assert from "#assert";
import { CastFile } from "./cast_file.ts";
import { EventFile } from "./event_file.ts";
import { type FileChange, MemoryFiles } from "./memory_files.ts";

/** The files that changes make. */
function made(changes: readonly FileChange[]): Record<string, string> {
  const files: Record<string, string> = {};
  for (const change of changes) {
    const { name } = change;
    if (change.what === "replaced") files[name] = change.text;
    if (change.what === "appended") files[name] = (files[name] ?? "") + new TextDecoder().decode(change.bytes);
    if (change.what === "renamed") files[change.to] = files[name];
    if (change.what === "removed" || change.what === "renamed") delete files[name];
  }
  return files;
}

Deno.test("the changes of files in memory make what there is, also in the middle; a console has two parts", async () => {
  const changes: FileChange[] = [], cuts: string[] = [];
  const files = new MemoryFiles((change) => changes.push(change));
  await files.writeMeta("one");
  await files.writeMeta("two");
  const cast = new CastFile(files, "a", (file) => cuts.push(file), 300);
  for (let line = 0; line < 60; line++) {
    cast.output(new TextEncoder().encode(`line ${line}\n`));
    assert.deepEqual(made(files.all()), made(changes));
  }
  const parts = made(changes);
  assert.deepEqual(Object.keys(parts).sort(), ["a.1.cast", "a.cast", "meta.json"]);
  assert.equal(parts["meta.json"], "two");
  assert.match(parts["a.1.cast"], /^\{"version":3/);
  assert.match(parts["a.cast"], /^\{"version":3[^]*line 59/);
  assert.ok(cuts.length > 0);
  assert.equal(files.remove("a.cast"), parts["a.cast"].length);
  assert.equal(files.remove("a.cast"), undefined);
  assert.deepEqual(made(files.all()), made(changes));
});

Deno.test("of many events in memory the links are let go of first, the oldest states only then; the listener hears all", () => {
  const changes: FileChange[] = [];
  const files = new MemoryFiles((change) => changes.push(change), 10_000);
  const events = new EventFile(files, "events.ndjson");
  const kept = () => made(files.all())["events.ndjson"];
  events.add({ event: "state", name: "a", state: "running" });
  for (let index = 0; index < 1_000; index++) {
    events.add({ event: "link", from: "a", to: "b", frames: index, bytes: 0 });
    assert.ok(kept().length <= 10_000);
  }
  assert.match(kept(), /^[^\n]*"running"[^]*"frames":999,[^\n]*\n$/);
  assert.equal(made(changes)["events.ndjson"].split("\n").length, 1 + 1_000 + 1);
  for (let index = 0; index < 1_000; index++) events.add({ event: "mark", text: `mark ${index}` });
  assert.ok(kept().length <= 10_000);
  assert.match(kept(), /^[^\n]*"mark \d\d\d"[^]*"mark 999"\}\n$/);
});

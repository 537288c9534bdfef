import * as assert from "#assert";
import { JournalFile } from "./journals.ts";
import { MemoryFiles } from "./memory_files.ts";

Deno.test("a journal is a ring of two files, and knows its last entry", () => {
  const files = new MemoryFiles();
  const cuts: string[] = [];
  const journal = new JournalFile(files, "a", (file) => cuts.push(file), 100);
  const entry = (number: number) => ({
    at: "2026-11-28T22:55:01.123Z",
    cursor: `s=${number}`,
    name: "init",
    text: `${number}`.repeat(40),
  });
  journal.add([1, 2, 3].map(entry));
  assert.deepEqual(cuts, []);
  journal.add([4, 5].map(entry));
  assert.deepEqual([cuts, journal.cursor], [["a.journal"], "s=5"]);
  const kept = files.all().map((change) =>
    change.what === "appended" ? [change.name, new TextDecoder().decode(change.bytes).at(-2)] : []
  );
  assert.deepEqual(kept, [["a.1.journal", "3"], ["a.1.journal", "4"], ["a.journal", "5"]]);
});

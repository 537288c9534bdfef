import * as assert from "#assert";
import fc from "fast-check";
import { SparseWriter } from "./sparse.ts";

Deno.test("whatever the pieces, the file is what was written; zeros are holes", async () => {
  const path = Deno.makeTempFileSync();
  const run = fc.record({ zero: fc.boolean(), length: fc.integer({ min: 0, max: 20_000 }) });
  try {
    await fc.assert(
      fc.asyncProperty(
        fc.array(run, { maxLength: 12 }),
        fc.array(fc.integer({ min: 1, max: 9_000 })),
        async (runs, cuts) => {
          const content = new Uint8Array(runs.reduce((sum, { length }) => sum + length, 0));
          let end = 0;
          for (const { zero, length } of runs) {
            if (!zero) content.fill(7, end, end + length);
            end += length;
          }
          let writer = await SparseWriter.create(path);
          let at = 0;
          for (const cut of cuts) {
            await writer.write(content.subarray(at, at + cut));
            at = Math.min(content.length, at + cut);
            writer.close(); // a download goes on in another process
            writer = await SparseWriter.append(path);
          }
          await writer.write(content.subarray(at));
          assert.equal(writer.length, content.length);
          writer.close();
          assert.deepEqual(Deno.readFileSync(path), content);
        },
      ),
      { numRuns: 50 },
    );
    const writer = await SparseWriter.create(path);
    await writer.write(new Uint8Array(1024 * 1024));
    writer.close();
    assert.ok(Deno.statSync(path).blocks! < 64);
  } finally {
    Deno.removeSync(path);
  }
});

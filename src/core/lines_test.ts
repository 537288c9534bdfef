import * as assert from "#assert";
import fc from "fast-check";
import { type LineOptions, LineSplitter } from "./lines.ts";

function split(pieces: string[], options: LineOptions): string[] {
  const splitter = new LineSplitter(options);
  return [...pieces.flatMap((piece) => [...splitter.push(piece)]), splitter.rest()];
}

Deno.test("lines: the same lines in whatever pieces they come", () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom("a", "ü", "\n", "", "\n\n", "bc\n", "\r"), { maxLength: 30 }), (pieces) => {
      assert.deepEqual(split(pieces, { max: 1_000 }), pieces.join("").split("\n"));
      assert.deepEqual(
        split(pieces, { max: 2, overlong: "cut" }),
        pieces.join("").split("\n").map((line) => line.slice(0, 2)),
      );
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("lines: one that is too long is refused with the limit, or cut", () => {
  assert.throws(() => split(["ab", "c"], { max: 2, who: "QEMU" }), /^FleetboxError: QEMU sent a line of more than 2/);
  assert.deepEqual(split(["ab", "c", "\nd"], { max: 2, overlong: "cut" }), ["ab", "d"]);
});

Deno.test("lines: 64 MiB without a newline cost neither memory nor much time", () => {
  const splitter = new LineSplitter({ max: 4096, overlong: "cut" });
  const piece = "x".repeat(16 * 1024);
  for (let piecesLeft = 4096; piecesLeft > 0; piecesLeft--) assert.equal([...splitter.push(piece)].length, 0);
  assert.equal(splitter.rest().length, 4096);
});

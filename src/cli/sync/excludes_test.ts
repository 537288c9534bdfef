/** What --exclude leaves out. */

import * as assert from "#assert";
import { byteText } from "./byte_text.ts";
import { excludesOf } from "./excludes.ts";

const CASES: [pattern: string, out: string, stays: string][] = [
  ["*.o", "a.o sub/b.o .o", "a.oo a.o.c o"],
  ["node_modules", "node_modules/ node_modules/a/b sub/node_modules/x", "node_modules2 my_node_modules"],
  ["build/", "build/ build/x sub/build/", "build sub/build"],
  ["/build", "build build/x", "sub/build sub/build/x"],
  ["./build", "build", "sub/build"],
  ["sub/*.c", "sub/a.c", "a.c sub/deep/a.c other/sub/a.c"],
  ["**/gen/*.c", "gen/a.c x/y/gen/a.c", "gen/x/a.c"],
  ["a/**", "a/b a/b/c", "a b/a/c"],
  ["?.txt", "a.txt ä.txt", "ab.txt .txt"],
  ["[ab-d].[!x]", "a.y d.y", "e.y a.x"],
  ["a+b(c)$", "a+b(c)$", "aab(c)"],
  ["[", "[", "a"],
];

for (const [pattern, out, stays] of CASES) {
  Deno.test(`--exclude ${pattern} leaves out ${out}`, () => {
    const excludes = excludesOf(["unused", pattern]);
    const isOut = (word: string) => excludes(byteText(word.replace(/\/$/, "")), word.endsWith("/"));
    for (const word of out.split(" ")) assert.equal(isOut(word), true, word);
    for (const word of stays.split(" ")) assert.equal(isOut(word), false, word);
  });
}

Deno.test("a pattern that leaves out nothing is refused", () => {
  for (const pattern of ["", "/", "!a", "./", "../a", "a/../b"]) {
    assert.throws(() => excludesOf([pattern]), /Bad value for --exclude/, pattern);
  }
});

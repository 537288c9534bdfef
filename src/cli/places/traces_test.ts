/** Which commands of `trace` read a bundle of this host, whatever place they name. */

import * as assert from "#assert";
import { readsBundleHere } from "./traces.ts";

Deno.test("a bundle with a path is one of this host; a member or an id is the place's", () => {
  const reads = (line: string) => readsBundleHere(line.split(" "));
  for (const line of ["trace show t.zip", "trace events ./t --json", "trace events --between 1s..2s /tmp/t"]) {
    assert.ok(reads(line), line);
  }
  const there = ["trace show a -o t.html", "trace events a --member b.c", "trace stop t.zip", "up a.b", "trace show"];
  for (const line of there) assert.ok(!reads(line), line);
});

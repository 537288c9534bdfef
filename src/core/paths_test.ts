/** Our paths against those of `node:path`. */

import * as assert from "#assert";
import { posix } from "../system/path.ts";
import fc from "fast-check";
import { basename, join, resolveFrom } from "./paths.ts";

const part = fc.oneof(
  fc.constantFrom("", ".", "..", "/", "//", "a", "b.c", "../../..", "/x/", "a//b/.", "é ü"),
  fc.string({ maxLength: 6 }),
);

/** What `node:path` gives, but for a slash at the end, which it keeps. */
const plain = (path: string) => path.length > 1 ? path.replace(/\/$/, "") : path;

Deno.test("join is that of node:path, without a slash at the end", () => {
  fc.assert(fc.property(fc.array(part, { maxLength: 4 }), (parts) => {
    assert.equal(join(...parts), plain(posix.join(...parts)));
  }));
});

Deno.test("resolveFrom is resolve of node:path", () => {
  fc.assert(fc.property(part, part, (directory, path) => {
    assert.equal(resolveFrom(`/home/${directory}`, path), posix.resolve(`/home/${directory}`, path));
  }));
});

Deno.test("basename is that of node:path", () => {
  fc.assert(fc.property(fc.array(part, { maxLength: 3 }), (parts) => {
    const path = parts.join("/");
    assert.equal(basename(path), posix.basename(path));
  }));
});

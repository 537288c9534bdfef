import * as assert from "#assert";
import fc from "fast-check";
import { checkName, checkNames, clusterOf, isName, listed } from "./names.ts";
import { FleetboxError } from "./errors.ts";

Deno.test("names: what can be a directory, a host name and an argument is a name, nothing else", () => {
  for (const good of ["a", "web-1", "0", "a".repeat(63), "x--y"]) assert.equal(checkName(good), good);
  const bad = ["", "a".repeat(64), "A", "..", ".", "a/b", "a b", "a,b", "-a", "a-", "ä", "a\0", "a\n", "a_b", "--help"];
  for (const value of [...bad, undefined, null, 7, {}]) {
    assert.throws(() => checkName(value), (thrown) => thrown instanceof FleetboxError && thrown.code === "misuse");
  }
});

Deno.test("names: the check agrees with the rule on any text", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 70 }), (text) => {
      const expected = text.length >= 1 && text.length <= 63 && /^[a-z0-9-]*$/.test(text) &&
        !text.startsWith("-") && !text.endsWith("-");
      assert.equal(isName(text), expected);
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("names: a near miss comes with a suggestion", () => {
  assert.throws(() => checkName("My Web"), (thrown) => /my-web/.test((thrown as FleetboxError).hint ?? ""));
});

Deno.test("names: a list refuses a name that is given twice, and an empty list", () => {
  assert.deepEqual(checkNames(["b", "a"]), ["b", "a"]);
  assert.throws(() => checkNames(["a", "b", "a"]), /"a" is given twice/);
  assert.throws(() => checkNames([]), /at least one/);
});

Deno.test("names: a cluster is the name without its trailing number", () => {
  assert.deepEqual(["web-3", "dev", "a-b-12", "7", "a-1-2"].map(clusterOf), ["web", "dev", "a-b", "7", "a-1"]);
});

Deno.test("long lists of names are shortened", () => {
  assert.equal(listed(["a", "b"]), "a, b");
  assert.equal(listed(["a", "b", "c", "d", "e", "f", "g"]), "a, b, c, d and 3 more");
});

import * as assert from "#assert";
import { clusterOf, isName, MAX_NAME_LENGTH } from "../core/names.ts";
import { testName, uniqueName, uniqueNames } from "./naming.ts";

Deno.test("naming: generated names are valid, and never collide", () => {
  const names = Array.from({ length: 500 }, uniqueName);
  assert.ok(names.every(isName));
  assert.equal(new Set(names).size, 500);
});

Deno.test("naming: a group's names stand together in the store", () => {
  const names = uniqueNames(3);
  assert.ok(names.every(isName));
  assert.equal(new Set(names.map(clusterOf)).size, 1);
});

Deno.test("naming: a test's name is readable in its machine's, with room for what is appended", () => {
  assert.match(testName("It boots, really!", "file:///a_test.ts"), /^it-boots-really-[0-9a-f]{4}-[a-z0-9]{6}$/);
  for (const title of ["", "日本語", "x".repeat(300), "---", "ends with -", "9 lives"]) {
    const name = testName(title, "file:///a_test.ts", 20);
    assert.ok(isName(name), name);
    assert.ok(name.length <= MAX_NAME_LENGTH - 20, name);
  }
});

Deno.test("naming: the same test in two files, or twice, gets two names", () => {
  const [one, other] = ["a", "b"].map((file) => testName("same", `file:///${file}_test.ts`));
  assert.notEqual(one.split("-")[1], other.split("-")[1]);
  assert.notEqual(testName("same", "f"), testName("same", "f"));
});

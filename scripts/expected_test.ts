/** docs/internals/expected.md: each test that it names is there. */

import { deepEqual, ok } from "#assert";

/** `file`: name, or how it begins. */
const NAMED = /`([\w./-]+_test\.ts)`: (.+?)(?=; `| \|$)/g;

/** Whether a file has a test, or a step of one, of that name. */
function hasTest(file: string, name: string): boolean {
  const begin = name.replace(/…$/, "");
  const end = begin === name ? '["`]' : "";
  const exactly = begin.replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&");
  return new RegExp(`["\`]${exactly}${end}`).test(Deno.readTextFileSync(file));
}

Deno.test("each test that docs/internals/expected.md names is there", () => {
  const page = Deno.readTextFileSync("docs/internals/expected.md");
  const tests = page.split("\n").flatMap((line) => [...line.matchAll(NAMED)].map(([, file, name]) => ({ file, name })));
  const cells = page.match(/`[\w./-]+_test\.ts`: /g)!;
  deepEqual([tests.length, tests.length > 30], [cells.length, true], "each is read");
  deepEqual(tests.filter(({ file, name }) => !hasTest(file, name)), []);
  ok(!hasTest("scripts/expected_test.ts", "a test that is not " + "there"));
});

import * as assert from "#assert";
import { callSite, withoutOurLines } from "./call_site.ts";

const OURS = new URL("../../../", import.meta.url).href;

Deno.test("the line of a call is the first that is not the library's, in Deno's and in Node's words", () => {
  const stack = (...lines: string[]) => callSite(["Error", ...lines.map((line) => `    at ${line}`)].join("\n"));
  const user = { file: "/home/me/my test.ts", line: 12, column: 7 };
  assert.deepEqual(
    stack(
      `callSite (${OURS}src/library/trace/call_site.ts:16:40)`,
      `async Machine.exec (${OURS}src/library/vm.ts:98:5)`,
      "async withTimeout (file:///home/me/node_modules/p/index.js:1:1)",
      "async Object.fn (file:///home/me/my test.ts:12:7)",
      "async file:///home/me/other.ts:1:1",
    ),
    user,
  );
  assert.deepEqual(stack(`Machine.exec (${OURS}src/library/vm.ts:98:5)`, "/home/me/my test.ts:12:7"), user);
  assert.deepEqual(stack(`file:///home/me/my test.ts:12:7`), user);
  assert.equal(stack(`Machine.exec (${OURS}src/library/vm.ts:98:5)`, "ext:core/01_core.js:1:2"), undefined);
});

Deno.test("a test of this checkout is no part of the library", () => {
  const line = `    at fn (${OURS}tests/library/trace_test.ts:9:3)`;
  assert.equal(callSite(`Error\n${line}`)?.line, 9);
});

Deno.test("a stack begins with the caller's line; one without such a line stays as it is", () => {
  const ours = `    at async Machine.exec (${OURS}src/library/vm.ts:98:5)`;
  const theirs = [
    "    at async body (/home/me/a_test.ts:3:5)",
    `    at async run (${OURS}src/library/fixture/run.ts:9:1)`,
  ];
  const runtime = "    at async ext:core/01_core.js:1:2";
  const message = ["FleetboxError: it failed", "  try: again"];
  const text = (...lines: string[]) => lines.join("\n");
  assert.equal(withoutOurLines(text(...message, runtime, ours, ...theirs)), text(...message, ...theirs));
  assert.equal(withoutOurLines(text(...message, runtime, ours)), text(...message, runtime, ours));
});

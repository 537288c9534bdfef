/** What `scripts/test` prints for tests that pass, fail, or pass only when they are run again; the suites are made here. */

import * as assert from "#assert";
import { join } from "../src/system/path.ts";
import { ROOT } from "./toolchain.ts";

/** Runs suites made of files in a directory of their own. @returns the code, and the lines after the last suite's. */
async function run(files: Record<string, string>, ...suites: string[]): Promise<{ code: number; lines: string[] }> {
  const root = Deno.makeTempDirSync({ prefix: "fbtt" });
  try {
    for (const [name, text] of Object.entries(files)) Deno.writeTextFileSync(join(root, name), text, { mode: 0o755 });
    const args = ["suites", ...suites.map((suite) => suite.replaceAll("ROOT", root))];
    const { code, stdout } = await new Deno.Command(join(ROOT, "scripts/test"), {
      args,
      env: { SEEN: join(root, "seen"), TMPDIR: root },
      stderr: "inherit",
    }).output();
    const text = new TextDecoder().decode(stdout).replaceAll(root, "ROOT");
    return { code, lines: text.trimEnd().split("\n").filter((line) => !/^test: \d+ min/.test(line)) };
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
}

const DENO_TESTS = `
  const seen = Deno.env.get("SEEN");
  Deno.test("good", () => {});
  Deno.test("bad at first", () => {
    try { Deno.statSync(seen); } catch { Deno.writeTextFileSync(seen, ""); throw new Error("not yet"); }
  });
`;

Deno.test("scripts/test lists by name what passes only when run again, and counts it as flaky", async () => {
  const { code, lines } = await run({ "some_test.ts": DENO_TESTS }, "some|deno|ROOT/some_test.ts");
  assert.equal(code, 0, lines.join("\n"));
  assert.deepEqual(lines.slice(-2), ["1 flaky", "2 passed, 0 failed"]);
  assert.match(lines.join("\n"), /^test: flaky: some: bad at first \(.*some_test\.ts\)$/m);
});

Deno.test("scripts/test counts what fails twice as failed, not as flaky; and nothing as flaky when all pass", async () => {
  const bad = DENO_TESTS + 'Deno.test("bad", () => { throw new Error("always"); });';
  const { code, lines } = await run({ "some_test.ts": bad }, "some|deno|ROOT/some_test.ts");
  assert.equal(code, 1, lines.join("\n"));
  assert.deepEqual(lines.slice(-2), ["1 flaky", "2 passed, 1 failed"]);
  assert.deepEqual(lines.filter((line) => /flaky: some: bad \(/.test(line)), []);

  const good = await run({ "some_test.ts": 'Deno.test("good", () => {});' }, "some|deno|ROOT/some_test.ts");
  assert.equal(good.code, 0, good.lines.join("\n"));
  assert.deepEqual(good.lines.slice(-2), ["0 flaky", "1 passed, 0 failed"]);
});

Deno.test("scripts/test runs a program's failed lines again, and names those that then are ok", async () => {
  const program = `#!/bin/sh
echo "ok 1 - first"
if [ -e "$SEEN" ]; then echo "ok 2 - second"; else : >"$SEEN"; echo "not ok 2 - second"; exit 1; fi
`;
  const { code, lines } = await run({ "program": program }, "some|ROOT/program|");
  assert.equal(code, 0, lines.join("\n"));
  assert.deepEqual(lines.slice(-2), ["1 flaky", "2 passed, 0 failed"]);
  assert.ok(lines.includes("test: flaky: some: second"), lines.join("\n"));
});

Deno.test("scripts/test counts a file that a suite leaves behind as a failure that has a name", async () => {
  const leaves = 'Deno.test("leaves", () => { Deno.makeTempFileSync(); });';
  const { code, lines } = await run({ "some_test.ts": leaves }, "some|deno|ROOT/some_test.ts");
  assert.equal(code, 1, lines.join("\n"));
  assert.deepEqual(lines.slice(-2), ["0 flaky", "1 passed, 1 failed"]);
});

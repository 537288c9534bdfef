/** What `scripts/test` prints for tests that pass, fail, or pass only when they are run again; the suites are made here. */

import * as assert from "#assert";
import { join } from "../src/system/path.ts";
import { ROOT } from "./toolchain.ts";

/** Runs suites made of files in a directory of their own. @returns the code, and the lines after the last suite's. */
async function run(files: Record<string, string>, ...suites: string[]): Promise<{ code: number; lines: string[] }> {
  return await runFor(600, files, ...suites);
}

/** {@link run}, each suite for so many seconds at most. */
async function runFor(
  limitS: number,
  files: Record<string, string>,
  ...suites: string[]
): Promise<{ code: number; lines: string[] }> {
  const root = Deno.makeTempDirSync({ prefix: "fbtt" });
  try {
    for (const [name, text] of Object.entries(files)) Deno.writeTextFileSync(join(root, name), text, { mode: 0o755 });
    const args = ["suites", ...suites.map((suite) => suite.replaceAll("ROOT", root))];
    const { code, stdout } = await new Deno.Command(join(ROOT, "scripts/test"), {
      args,
      env: { SEEN: join(root, "seen"), TMPDIR: root, FLEETBOX_SUITE_LIMIT: String(limitS) },
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
  assert.match(closing(lines), /^test: flaky: some: bad at first \(.*\)\n {2}error: Error: not yet$/m);
});

Deno.test("scripts/test counts what fails twice as failed, not as flaky; and nothing as flaky when all pass", async () => {
  const bad = DENO_TESTS + 'Deno.test("bad", () => { throw new Error("always"); });';
  const { code, lines } = await run({ "some_test.ts": bad }, "some|deno|ROOT/some_test.ts");
  assert.equal(code, 1, lines.join("\n"));
  assert.deepEqual(lines.slice(-2), ["1 flaky", "2 passed, 1 failed"]);
  assert.deepEqual(lines.filter((line) => /flaky: some: bad \(/.test(line)), []);
  assert.match(closing(lines), /^test: failed: some: bad \(.*\)\n {2}error: Error: always$/m);

  const good = await run({ "some_test.ts": 'Deno.test("good", () => {});' }, "some|deno|ROOT/some_test.ts");
  assert.equal(good.code, 0, good.lines.join("\n"));
  assert.deepEqual(good.lines.slice(-2), ["0 flaky", "1 passed, 0 failed"]);
});

Deno.test("scripts/test runs a file again when nothing of its failure names it, alone and beside others", async () => {
  const files = {
    "harness.ts": `export const test = () => {${DENO_TESTS}};`,
    "some_test.ts": 'import { test } from "./harness.ts"; test();',
    "other_test.ts": 'Deno.test("good", () => {});',
  };
  for (const program of ["deno", "parallel"]) {
    const { code, lines } = await run(files, `some|${program}|ROOT/some_test.ts ROOT/other_test.ts`);
    assert.equal(code, 0, lines.join("\n"));
    assert.deepEqual(lines.slice(-2), ["1 flaky", "3 passed, 0 failed"], program);
  }
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

Deno.test("scripts/test counts a program that has no result as a failure, whatever its exit code", async () => {
  const { code, lines } = await run({ "program": "#!/bin/sh\necho nothing\n" }, "some|ROOT/program|");
  assert.equal(code, 1, lines.join("\n"));
  assert.deepEqual(lines.slice(-2), ["0 flaky", "0 passed, 1 failed"]);
  assert.match(closing(lines), /ended with code 0 and 0 results\n {2}nothing$/);
});

Deno.test("scripts/test counts a file that a suite leaves behind as a failure that has a name", async () => {
  const leaves = 'Deno.test("leaves", () => { Deno.makeTempFileSync(); });';
  const { code, lines } = await run({ "some_test.ts": leaves }, "some|deno|ROOT/some_test.ts");
  assert.equal(code, 1, lines.join("\n"));
  assert.deepEqual(lines.slice(-2), ["0 flaky", "1 passed, 1 failed"]);
  assert.match(closing(lines), /^test: failed: some: files left behind\n {2}\/tmp\/fbt\.\S+$/m);
});

Deno.test("scripts/test ends a suite in which a test hangs, counts what had ended, and names what had not", async () => {
  const files = {
    "some_test.ts": 'Deno.test("good", () => {}); Deno.test("bad", () => { throw new Error("always"); });',
    "hangs_test.ts": 'Deno.test("good, too", () => {}); Deno.test("hangs", () => { for (;;); });',
  };
  for (const program of ["deno", "parallel"]) {
    const { code, lines } = await runFor(5, files, `some|${program}|ROOT/some_test.ts ROOT/hangs_test.ts`);
    assert.equal(code, 1, lines.join("\n"));
    assert.deepEqual(lines.slice(-2), ["0 flaky", "2 passed, 3 failed"]);
    assert.match(closing(lines), /^test: failed: some: hangs: it had not ended when the suite's time was over, 5 s$/m);
    assert.match(closing(lines), /^test: failed: some: the suite's time was over, 5 s$/m);
  }
});

/** What is repeated right before the closing lines: what failed is the last. */
function closing(lines: string[]): string {
  const at = lines.findLastIndex((line) => line.startsWith("test: once more, the beginning of each error ("));
  assert.ok(at >= 0, lines.join("\n"));
  assert.match(lines.at(-2)!, /^\d+ flaky$/);
  return lines.slice(at + 1, -2).join("\n");
}

Deno.test("scripts/test repeats each failure's name and the first lines of its error right before its closing lines", async () => {
  const bad = `
    Deno.test("good", () => {});
    Deno.test("bad", () => { throw new Error("line 1\\n\\nline " + Array.from({ length: 40 }, (_, at) => at + 2).join("\\nline ")); });
    Deno.test("in steps", async (t) => { await t.step("the step", () => { throw new Error("of a step"); }); });
  `;
  const uncaught = `Deno.test("late", async () => {
    setTimeout(() => { throw new Error("awaited by no code"); });
    await new Promise((later) => setTimeout(later, 1000));
  });`;
  const program =
    "#!/bin/sh\necho 'ok 1 - first'; echo 'not ok 2 - second'; echo '# found 7'; echo 'ok 3 - third'; exit 1\n";
  const { code, lines } = await run(
    { "bad_test.ts": bad, "uncaught_test.ts": uncaught, program },
    ...["one|deno|ROOT/bad_test.ts", "two|deno|ROOT/uncaught_test.ts", "three|ROOT/program|"],
  );
  assert.equal(code, 1);
  const told = closing(lines);
  assert.match(told, /^test: failed: one: bad \(.*bad_test\.ts\)\n {2}error: Error: line 1\n {2}line 2\n/m);
  assert.match(told, /^ {2}line 12$/m);
  assert.doesNotMatch(told, /^ {2}line 13$/m);
  assert.match(told, /^test: failed: one: in steps \(.*bad_test\.ts\)\n {2}error: Error: of a step$/m);
  assert.match(told, /^test: failed: two: .*uncaught_test\.ts \(uncaught error\)\n {2}error: .*awaited by no code$/m);
  assert.match(told, /^test: failed: three: second\n {2}# found 7$/m);
  assert.doesNotMatch(told, /good|first|third/);
  assert.equal(lines.at(-2), "0 flaky");
});

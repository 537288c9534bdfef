/** What `make compile` compiles with: what the user names; else a message with the way out. */

import * as assert from "#assert";
import { join } from "../src/system/path.ts";
import { inDirectory } from "./release_testing.ts";
import { ROOT } from "./toolchain.ts";

const SCRIPT = join(ROOT, "scripts/compile.ts");
const FOREIGN = "aarch64-apple-darwin"; // no test's host has a runtime for it

/** A Deno of a few lines: it prints its version, and "compiles" by writing its output. */
const FAKE_DENO = `#!/bin/sh
case $1 in
  eval) echo 9.9.9 ;;
  info) echo '{"denoDir":"/nonexistent"}' ;;
  compile)
    [ -f "$DENORT_BIN" ] || { echo "DENORT_BIN is $DENORT_BIN" >&2; exit 1; }
    while [ "$1" != --output ]; do shift; done
    echo compiled >"$2" ;;
esac
`;

/** Makes a program that does nothing, as `make compile` makes fleetbox. */
async function compile(cwd: string, env: Record<string, string>, ...args: string[]) {
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", "--no-check", SCRIPT, "--empty", "--offline", "--output", join(cwd, "out"), ...args],
    cwd,
    env: { DENO: "", DENORT_BIN: "", ...env },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  return { code, stderr: new TextDecoder().decode(stderr) };
}

Deno.test("make passes DENO and DENORT_BIN of the environment on to its recipes", async () => {
  const { code, stdout, stderr } = await new Deno.Command("make", {
    args: ["--no-print-directory", "--eval", 'say: ; @echo "$$DENO $$DENORT_BIN"', "say"],
    cwd: ROOT,
    env: { DENO: "/a/deno", DENORT_BIN: "/a/denort", MAKEFLAGS: "" },
  }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  assert.equal(new TextDecoder().decode(stdout), "/a/deno /a/denort\n");
});

Deno.test("DENO and DENORT_BIN may be relative paths", async () => {
  await inDirectory(async (dir) => {
    Deno.writeTextFileSync(join(dir, "deno"), FAKE_DENO, { mode: 0o755 });
    Deno.writeTextFileSync(join(dir, "denort"), "");
    const { code, stderr } = await compile(dir, { DENO: "./deno", DENORT_BIN: "denort" });
    assert.equal(code, 0, stderr);
    assert.equal(Deno.readTextFileSync(join(dir, "out")), "compiled\n");
  });
});

Deno.test("without a way to compile, the message says what to do, and for which Deno", async () => {
  await inDirectory(async (dir) => {
    Deno.writeTextFileSync(join(dir, "deno"), FAKE_DENO, { mode: 0o755 });
    const { code, stderr } = await compile(dir, { DENO: "./deno" }, "--target", FOREIGN);
    assert.equal(code, 3, stderr);
    assert.match(stderr, /^compile: nothing here can compile: no runtime of Deno 9\.9\.9 for aarch64-apple-darwin/);
    assert.match(stderr, /^ +DENO=\/path\/to\/deno DENORT_BIN=\/path\/to\/denort make compile$/m);
    assert.match(stderr, /https:\/\/dl\.deno\.land\/release\/v9\.9\.9\/denort-aarch64-apple-darwin\.zip$/m);
    assert.doesNotMatch(stderr, /^ +at /m, "a stack trace");
  });
});

Deno.test("a DENO or DENORT_BIN that is missing, or not a Deno, is an error without a stack trace", async () => {
  await inDirectory(async (dir) => {
    const wrong: [Record<string, string>, RegExp][] = [
      [{ DENO: "nowhere/deno", DENORT_BIN: SCRIPT }, /DENO is nowhere\/deno, and there is no .*\/nowhere\/deno: give/],
      [{ DENORT_BIN: "/nowhere/denort" }, /DENORT_BIN is \/nowhere\/denort, and there is no \/nowhere\/denort: give/],
      [{ DENO: "/bin/false" }, /\/bin\/false does not run .*: DENO must be an executable of Deno/],
    ];
    for (const [env, message] of wrong) {
      const { code, stderr } = await compile(dir, env);
      assert.equal(code, 3, stderr);
      assert.match(stderr, message);
      assert.doesNotMatch(stderr, /^ +at /m, "a stack trace");
    }
  });
});

/** The check of imports, on trees with a mistake in them. */

import * as assert from "#assert";
import { fileURLToPath } from "node:url";
import { dirname } from "../src/system/path.ts";

const ARROWS = fileURLToPath(new URL("arrows.ts", import.meta.url));

/** What the check says of a tree that has these files, and no others. */
function defectsOf(files: Record<string, string>): string[] {
  const tree = Deno.makeTempDirSync({ prefix: "arrows" });
  try {
    for (const [path, text] of Object.entries(files)) {
      Deno.mkdirSync(dirname(`${tree}/${path}`), { recursive: true });
      Deno.writeTextFileSync(`${tree}/${path}`, text);
    }
    const args = ["run", "--allow-read", "--quiet", ARROWS];
    const { stderr } = new Deno.Command(Deno.execPath(), { args, cwd: tree }).outputSync();
    return new TextDecoder().decode(stderr).split("\n").filter((line) => line !== "");
  } finally {
    Deno.removeSync(tree, { recursive: true });
  }
}

const MODULES = {
  "src/cli/arguments/parser.ts": 'export { Command } from "commander";\n',
  "src/system/path.ts": 'export { join } from "node:path";\n',
  "scripts/flags.ts": 'import { parseArgs } from "node:util";\n',
  "tests/support/assert.ts": 'export { equal } from "node:assert/strict";\n',
};

Deno.test("what stands in for a package of JSR's is imported by one module, in tests and scripts, too", () => {
  assert.deepEqual(defectsOf(MODULES), []);
  const others = {
    "src/core/lines_test.ts": 'import assert from "node:assert/strict";\n',
    "tests/whole/up_test.ts": 'import { equal } from "node:assert";\n',
    "tests/support/box.ts": 'import { join } from "node:path";\n',
    "scripts/make.ts": 'import {\n  parseArgs,\n} from "node:util";\n',
    "scripts/pack.ts": 'import { promisify } from "node:util";\n', // is no stand-in
    "src/cli/commands/up.ts": 'import { Command } from "commander";\n',
    "examples/one_test.ts": 'import { equal } from "node:assert/strict";\n', // as a user writes it
  };
  assert.deepEqual(defectsOf({ ...MODULES, ...others }).toSorted(), [
    "arrows: scripts/make.ts imports parseArgs from node:util: import scripts/flags.ts instead",
    "arrows: src/cli/commands/up.ts imports commander: import src/cli/arguments/parser.ts instead",
    "arrows: src/core/lines_test.ts imports node:assert/strict: import #assert instead",
    "arrows: tests/support/box.ts imports node:path: import src/system/path.ts instead",
    "arrows: tests/whole/up_test.ts imports node:assert: import #assert instead",
  ]);
});

Deno.test("a module that decision 0014 names for a package, and that does not import its stand-in, is a defect", () => {
  const { "tests/support/assert.ts": _, ...rest } = MODULES;
  assert.deepEqual(defectsOf(rest), [
    "arrows: tests/support/assert.ts does not import node:assert, although decision 0014 says so",
  ]);
});

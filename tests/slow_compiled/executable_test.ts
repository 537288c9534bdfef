/** What the executable weighs, and how else it can be compiled: each test compiles once more. */

import * as assert from "#assert";
import { join } from "../../src/system/path.ts";
import { compile, embedded, isWhole, namesIn, temporary } from "../compiled/support.ts";
import { FLEETBOX } from "../support/command.ts";
import { test } from "../support/sandbox.ts";

const MAX_ABOVE_EMPTY_BYTES = 25e6;

Deno.test("the executable is at most 25 MB larger than a program that does nothing, and compiling leaves nothing else", async () => {
  await using dir = temporary();
  const empty = join(dir.path, "empty");
  await compile("--empty", "--output", empty);
  const more = Deno.statSync(FLEETBOX).size - Deno.statSync(empty).size;
  assert.ok(more > 5e6, `it is ${more} bytes larger: micro is not in it`);
  assert.ok(more <= MAX_ABOVE_EMPTY_BYTES, `it is ${more} bytes larger`);
  assert.deepEqual(namesIn(dir.path), ["empty"]);
});

test("the image can be among the files that Deno includes, as on macOS; a version can be given", async () => {
  await using dir = temporary();
  const program = join(dir.path, "fleetbox");
  await compile("--carried", "--stamp", "0.0.9", "--output", program);
  await using box = await embedded({ program });
  assert.match((await box.ok("version")).stdout, /0\.0\.9/);
  await box.up("a");
  await isWhole(box);
});

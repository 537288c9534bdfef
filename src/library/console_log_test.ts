import * as assert from "#assert";
import { printable } from "../core/printable.ts";
import { sizeOf } from "../system/files.ts";
import { lastLines, readConsole } from "./console_log.ts";

Deno.test("console: what was written since an offset, printable; nothing when there is no log", () => {
  const path = Deno.makeTempFileSync();
  try {
    Deno.writeTextFileSync(path, "first boot\r\n");
    const size = sizeOf(path);
    Deno.writeTextFileSync(path, "\x1b[2J\x1b[1;31msecond\x1b[0m boot\r\r\nü\x00\x07\r\n", { append: true });
    assert.equal(readConsole(path, size), "second boot\nü\n");
    assert.match(readConsole(path, 0), /^first boot\nsecond/);
    assert.match(readConsole(path, 1e9), /^first boot\nsecond/, "a log that was cut since is all newer");
  } finally {
    Deno.removeSync(path);
  }
  assert.equal(sizeOf(path), 0);
  assert.equal(readConsole(path, 0), "");
});

Deno.test("console: the last lines, without empty ones", () => {
  assert.equal(lastLines("a\n\n b\nc\n\n", 2), " b\nc");
  assert.equal(lastLines("a\n", 0), "");
  assert.equal(printable("\x1b]0;title\x07plain"), "plain");
});

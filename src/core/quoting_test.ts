import * as assert from "#assert";
import { remoteCommand, shellCommand, shellQuote } from "./quoting.ts";

Deno.test("a command of one word is a line for the guest's shell; of several, each stays a word", () => {
  assert.equal(remoteCommand([]), undefined);
  assert.equal(remoteCommand(["cd /tmp && ls"]), "cd /tmp && ls");
  assert.equal(remoteCommand(["ping", "-c1", "b"]), `'ping' -c1 b`);
  assert.equal(remoteCommand(["echo", "x y", "$HOME", "it's", ""]), `'echo' 'x y' '$HOME' 'it'\\''s' ''`);
});

Deno.test("a quoted word comes out of a real shell as it went in", async () => {
  const words = ["", " ", "a b", "$HOME", "`id`", "it's", '"', "\\", "a\nb", "*", "~", "!x", "é", "-n", "a=b", "#x"];
  const line = `for word in ${words.map(shellQuote).join(" ")}; do printf '%s\\0' "$word"; done`;
  const { stdout } = await new Deno.Command("sh", { args: ["-c", line] }).output();
  assert.deepEqual(new TextDecoder().decode(stdout).split("\0").slice(0, -1), words);
});

Deno.test("plain words stay readable, others are quoted", () => {
  const words = ["a/b.c", "x=y", "", "a b", "it's", "~"];
  assert.deepEqual(words.map(shellQuote), ["a/b.c", "x=y", "''", "'a b'", "'it'\\''s'", "'~'"]);
});

Deno.test("a program whose name means something to the shell is looked for as a program", async () => {
  for (const program of ["A=b", "if", "!", "{", "done", "time"]) {
    const line = shellCommand([program, "true"]);
    const { code, stderr } = await new Deno.Command("/bin/sh", {
      args: ["-c", line],
      env: { LC_ALL: "C", PATH: "/nowhere" },
    })
      .output();
    assert.equal(code, 127, line);
    assert.match(new TextDecoder().decode(stderr), /not found/);
  }
});

import * as assert from "#assert";
import { findDetach, lastScreen, TerminalModes } from "./console_screen.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const screen = (text: string, rows = 24, columns = 80) => lastScreen(bytes(text), { rows, columns });

Deno.test("the last screen is what a terminal would show: carriage returns, backspaces, tabs and erasures are carried out", () => {
  assert.equal(screen("one\r\ntwo\r\n# ls\b\bid"), "one\r\ntwo\r\n# id");
  assert.equal(screen("10%\r20%\r\n"), "20%\r\n");
  assert.equal(screen("# abc\b \b\x1b[J"), "# ab");
  assert.equal(screen("a\tb"), "a       b");
  assert.equal(screen("old\r\n\x1b[H\x1b[2Jnew"), "new");
  assert.equal(screen("abc\x1b[2D\x1b[K"), "a");
});

Deno.test("the last screen has the cursor where it was, before the end of its line or behind it", () => {
  assert.equal(screen("# word\b\b"), "# word\x1b[2D");
  assert.equal(screen("# \x1b[3C"), "#    ");
});

Deno.test("the last screen is no longer than the terminal: lines that wrap count as several", () => {
  const lines = Array.from({ length: 50 }, (_, index) => `line ${index}`).join("\r\n");
  assert.deepEqual(screen(lines, 2).split("\r\n"), ["line 48", "line 49"]);
  assert.deepEqual(screen(`first\r\n${"x".repeat(25)}\r\nlast`, 4, 10).split("\r\n"), ["x".repeat(25), "last"]);
  assert.equal(screen("", 5), "");
});

Deno.test("nothing of the past moves the cursor, changes the title or asks the terminal something", () => {
  assert.equal(screen("\x1b]0;title\x07a\x1b[31mb\x1b[0m\x1b[6nc\x1bPq#0\x1b\\d\x1b[c\x9be"), "abcde");
  assert.equal(screen("cut\x1b["), "cut");
});

Deno.test("Ctrl-] detaches, also in the encodings that a guest can switch on; the arrow keys do not", () => {
  assert.equal(findDetach(bytes("ab\x1dc")), 2);
  assert.equal(findDetach(bytes("\x1b[93;5u")), 0);
  assert.equal(findDetach(bytes("x\x1b[27;5;93~")), 1);
  assert.equal(findDetach(bytes("é\x1d")), 2);
  for (const text of ["", "\x1b[A", "]", "\x1b[93;1u", "\x03"]) assert.equal(findDetach(bytes(text)), undefined);
});

Deno.test("what a guest has switched on or off in the terminal is put back, and no more", () => {
  const modes = new TerminalModes();
  modes.push(bytes("\x1b[?1049h\x1b[?25l\x1b[?2004h"));
  for (const byte of bytes("\x1b[?1000h\x1b=\x1b[>1u")) modes.push(new Uint8Array([byte]));
  modes.push(bytes("\x1b[?2004l"));
  assert.equal(
    modes.undo(),
    "\x1b[m\x0f\x1b(B\x1b[?1049l\x1b[?25h\x1b[?1000l\x1b>\x1b[<u\x1b[>4m",
  );
  assert.equal(new TerminalModes().undo(), "\x1b[m\x0f\x1b(B");
});

Deno.test("a guest that switches on all that there is does not fill our memory", () => {
  const modes = new TerminalModes();
  for (let mode = 0; mode < 5_000; mode++) modes.push(bytes(`\x1b[?${mode}h`));
  modes.push(bytes(`\x1b[?${"1;".repeat(100_000)}`));
  assert.ok(modes.undo().length < 1_000);
});

/** Lines that are drawn over, on a screen: what stands there after each step. */

import * as assert from "#assert";
import { Screen } from "../../../tests/support/screen.ts";
import { LiveLines } from "./live_lines.ts";

function terminal(columns = 20, rows = 6) {
  const size = { columns, rows };
  const screen = new Screen(columns, rows);
  let writes = 0;
  screen.write("$ fleetbox up\r\n");
  const lines = new LiveLines((text) => {
    writes++;
    screen.write(text.replaceAll(/(?<!\r)\n/g, "\r\n"));
  }, () => size);
  return {
    screen,
    lines,
    writes: () => writes,
    async resize(columns: number, rows = size.rows) {
      Object.assign(size, { columns, rows });
      await screen.resize(columns, rows);
    },
    async shown() {
      await screen.settled();
      return screen.text;
    },
  };
}

Deno.test("live lines: each frame replaces the one before, with longer or shorter, more or fewer lines", async () => {
  const { screen, lines, shown } = terminal();
  for (const frame of [["a one", "b one"], ["a longer line", "b"], ["a", "b", "c"], ["only"], []]) {
    lines.draw(frame);
    assert.equal(await shown(), ["$ fleetbox up", ...frame].join("\n"));
    assert.ok(screen.cursorIsHidden);
  }
});

Deno.test("live lines: what is to stay is put above them; the end takes them away and gives the cursor back", async () => {
  const { screen, lines, shown } = terminal();
  lines.draw(["a", "b"]);
  lines.draw(["a", "b"], "a note");
  lines.draw(["a", "b"], "two\nlines");
  assert.equal(await shown(), "$ fleetbox up\na note\ntwo\nlines\na\nb");
  lines.end();
  assert.equal(await shown(), "$ fleetbox up\na note\ntwo\nlines");
  assert.equal(screen.cursorIsHidden, false);
  lines.end();
  lines.draw(["late"]);
  assert.equal(await shown(), "$ fleetbox up\na note\ntwo\nlines");
});

Deno.test("live lines: a note that is longer than the terminal is wide wraps, and the lines follow it", async () => {
  const { lines, shown } = terminal(10);
  lines.draw(["a"]);
  lines.draw(["a"], "0123456789abc");
  lines.draw(["b"]);
  assert.equal(await shown(), "$ fleetbox\n up\n0123456789\nabc\nb");
});

Deno.test("live lines: a terminal that becomes narrower wraps the lines; nothing of them is left over", async () => {
  const { lines, resize, shown } = terminal(20, 12);
  lines.draw(["0123456789 long", "b", "0123456789 long"]);
  await resize(7);
  lines.draw(["a new", "b", "c"]);
  assert.equal(await shown(), "$ fleet\nbox up\na new\nb\nc");
  await resize(30);
  lines.draw(["a is wider now", "b", "c"]);
  lines.end();
  assert.equal(await shown(), "$ fleetbox up");
});

Deno.test("live lines: as many lines as the screen has rows do not scroll it", async () => {
  const { screen, lines, shown } = terminal(20, 4);
  for (let step = 0; step < 5; step++) lines.draw(["1", "2", "3", String(step)]);
  assert.equal(await shown(), "1\n2\n3\n4");
  assert.deepEqual(screen.scrolled, ["$ fleetbox up"]);
});

Deno.test("live lines: a frame is one write, and nothing is written when nothing changed", () => {
  const { lines, writes } = terminal();
  lines.draw(["a", "b"]);
  lines.draw(["a", "b"]);
  assert.equal(writes(), 1);
  lines.draw(["a", "c"]);
  assert.equal(writes(), 2);
});

/** Text fitted into a width: what breaks, and what never does. */

import * as assert from "#assert";
import { wrapHelp, wrapLine } from "./wrap.ts";

Deno.test("a line breaks between words, and continues with a hanging indent", () => {
  assert.deepEqual(wrapLine("fleetbox: one two three four", 18, "    "), ["fleetbox: one two", "    three four"]);
  assert.deepEqual(wrapLine("it fits", 7), ["it fits"]);
  assert.deepEqual(wrapLine("  indented as it was", 12, "    "), ["  indented", "    as it", "    was"]);
  assert.deepEqual(wrapLine("", 10), [""]);
});

Deno.test("a path, a word and what is quoted stay whole, also when they are longer than the width", () => {
  const path = `/a/${"long/".repeat(20)}path`;
  assert.deepEqual(wrapLine(`Cannot write ${path}: it is full`, 40), ["Cannot write", `${path}:`, "it is full"]);
  const quoted = '"a directory/with spaces in it"';
  assert.deepEqual(wrapLine(`There is no ${quoted} here`, 30), ["There is no", quoted, "here"]);
});

Deno.test("a command line in a hint is never broken", () => {
  const command = "fleetbox up web,db --image ./debian.qcow2 --memory 2G -- 'a; b'";
  for (
    const [before, after] of [
      ["  try: ", ""],
      ["  try: Boot it: ", "; or read its log: fleetbox logs web"],
      ["  try: Boot it: ", ", then log in again"],
      ["  try: Boot it: ", ". It keeps its disk."],
      ["  try: Boot it: ", " (or let it be)"],
    ]
  ) {
    const lines = wrapLine(`${before}${command}${after}`, 50, "    ");
    assert.ok(lines.some((line) => line.includes(command)), lines.join("\n"));
    const rest = lines.filter((line) => !line.includes(command));
    for (const line of rest) assert.ok(line.length <= 50, line);
  }
  assert.deepEqual(wrapLine("because: fleetbox needs QEMU 7.2", 20), ["because: fleetbox", "needs QEMU 7.2"], "prose");
  assert.deepEqual(wrapLine("it's so: make it two lines", 20), ["it's so:", "make it two lines"]);
});

Deno.test("help: paragraphs are filled, headings, examples and tables stay, JSON breaks after a comma", () => {
  const text = [
    "One paragraph",
    "in two lines, which becomes one.",
    "",
    "Examples:",
    "  fleetbox up a --with much --that is --longer than --the width",
    "  NAME  what it is, in a few words more than fit",
    'Of --json: {"name","state",',
    '"ip","cpus"}',
  ].join("\n");
  assert.deepEqual(wrapHelp(text, 34).split("\n"), [
    "One paragraph in two lines, which",
    "becomes one.",
    "",
    "Examples:",
    "  fleetbox up a --with much --that is --longer than --the width",
    "  NAME  what it is, in a few words",
    "        more than fit",
    'Of --json: {"name","state","ip",',
    '"cpus"}',
  ]);
});

/**
 * What help says, whole, against `tests/snapshots/help.txt`; and the manual that is made of the same.
 *
 * A text that was changed on purpose is written down anew, and then read in the change:
 *
 *     FLEETBOX_UPDATE_SNAPSHOTS=1 node_modules/.bin/deno test -A src/cli/help_test.ts
 */

import * as assert from "#assert";
import type { Command } from "./arguments/parser.ts";
import { which } from "../system/process.ts";
import { afterText, manual } from "./manual.ts";
import { buildProgram } from "./program.ts";
import { wrapHelp } from "./terminal/wrap.ts";

const SNAPSHOT = new URL("../../tests/snapshots/help.txt", import.meta.url);
const UPDATE = "FLEETBOX_UPDATE_SNAPSHOTS";

const program = await buildProgram();
const all: Command[] = [program, ...program.commands.flatMap((one) => [one, ...one.commands])];
const path = (command: Command): string =>
  command.parent ? `${path(command.parent)} ${command.name()}` : command.name();
for (const command of all) command.configureOutput({ getOutHelpWidth: () => 80 });

/** What is printed where the width is 80 columns. */
const help = (command: Command) => wrapHelp(command.helpInformation(), 80) + wrapHelp(afterText(command), 80);

Deno.test("help says what it said when somebody last read it", () => {
  const told = all.map((command) => {
    return `$ ${path(command)} --help\n${help(command)}`;
  }).join("\n").replaceAll(/[ \t]+$/gm, "");
  if (Deno.env.get(UPDATE)) return Deno.writeTextFileSync(SNAPSHOT, told);
  let before = "";
  try {
    before = Deno.readTextFileSync(SNAPSHOT);
  } catch { /* it is the first */ }
  const hint =
    `help is not as in tests/snapshots/help.txt; if it should be: ${UPDATE}=1 node_modules/.bin/deno test -A src/cli/help_test.ts`;
  assert.equal(told, before, hint);
});

Deno.test("each command's help has an example that begins with fleetbox, and every line fits 80 columns", () => {
  for (const command of all) {
    const told = help(command);
    for (const line of told.split("\n")) assert.ok([...line].length <= 80, `${path(command)}: ${line}`);
    if (command !== program) assert.match(told, /\nExamples?:\n {2}.*\bfleetbox /, path(command));
  }
});

Deno.test("a command's examples are command lines that the program knows", () => {
  for (const command of all) {
    const examples = /\nExamples?:\n((?: {2}.*\n?)+)/.exec(afterText(command))?.[1] ?? "";
    for (const [, name, rest] of examples.matchAll(/\bfleetbox ([a-z-]+)([^|&>\n()]*)/g)) {
      const named = program.commands.find((one) => one.name() === name || one.aliases().includes(name));
      assert.ok(named, `${path(command)}: fleetbox ${name}`);
      const end = rest.search(/ --( |$)/);
      for (const [flag] of (end < 0 ? rest : rest.slice(0, end)).matchAll(/(?<=\s)--?[a-zA-Z][a-z-]*/g)) {
        const known: unknown[] = [named, ...named.commands].flatMap((one: Command) => one.options).flatMap((
          one,
        ) => [one.long, one.short]);
        const single = flag.startsWith("--") ? [flag] : [...flag.slice(1)].map((letter) => `-${letter}`); // -it is -i -t
        assert.ok(single.every((one) => known.includes(one)), `${path(command)}: fleetbox ${name} has no ${flag}`);
      }
    }
  }
});

Deno.test("the manual names every command and option that help names, and the exit codes", () => {
  const page = manual(program);
  for (const command of all.filter((one) => one !== program)) {
    const words = path(command).replaceAll("-", "\\-");
    assert.ok(page.includes(`.SS "${words} `), words);
    for (const option of command.options.filter((one) => !one.hidden)) {
      assert.ok(page.includes(`.B ${option.flags.replaceAll("-", "\\-")}`), `${path(command)} ${option.flags}`);
    }
  }
  for (const heading of ["NAME", "SYNOPSIS", "COMMANDS", "START", "EXIT CODES", "ENVIRONMENT", "FILES"]) {
    assert.match(page, new RegExp(`^\\.SH ${heading}$`, "m"));
  }
  // A line that is text begins with no control character; a quote in a heading would end it.
  for (const line of page.split("\n")) {
    assert.match(line, /^(\.(\\"|TH|SH|SS|TP|PP|B|BR|I|nf|fi|nh|ad)( |$)|[^.'])|^$/, line);
  }
});

const groff = which("groff");
if (!groff) console.log("the manual is not formatted: groff is not installed (scripts/setup --tests)");

Deno.test({
  name: "groff formats the manual without a warning, at 60, 80 and 120 columns",
  ignore: !groff,
  async fn() {
    const file = Deno.makeTempFileSync({ suffix: ".1" });
    try {
      Deno.writeTextFileSync(file, manual(program));
      for (const columns of [60, 80, 120]) {
        const { code, stdout, stderr } = await new Deno.Command("groff", {
          args: ["-ww", "-man", "-Tascii", "-P-cbou", `-rLL=${columns}n`, file],
        }).output();
        const [page, complaints] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
        assert.deepEqual([code, complaints], [0, ""], `${columns} columns`);
        assert.match(page, /fleetbox up \[options\] \[names\.\.\.\]/);
        assert.match(page, /node\s+-n\s+3\s+is\s+node-1,\s+node-2,\s+node-3/);
      }
    } finally {
      Deno.removeSync(file);
    }
  },
});

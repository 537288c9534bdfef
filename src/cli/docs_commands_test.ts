/**
 * Every `fleetbox …` of the documentation's code blocks, and of its sentences, is one that the command line takes: its command, its options,
 * the number of its words. Nothing is run here. `tests/whole/pages_test.ts` runs those of the code blocks, and says which tests run the others.
 */

import * as assert from "#assert";
import { fileURLToPath } from "node:url";
import { blocksOf, commandsOf } from "../../tests/support/pages.ts";
import { RUNNER_FLAG } from "../wire.ts";
import { parseSizeMiB } from "../core/options.ts";
import { parseDurationMs } from "./arguments/duration.ts";
import type { Command } from "./arguments/parser.ts";
import { takePlace } from "./places/wish.ts";
import { buildProgram } from "./program.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

function pages(): { path: string; text: string }[] {
  const docs = [...Deno.readDirSync(`${ROOT}docs`)].map(({ name }) => `docs/${name}`).filter((path) =>
    /\.md$/.test(path)
  );
  return ["README.md", ...docs.sort()].map((path) => ({ path, text: Deno.readTextFileSync(ROOT + path) }));
}

interface Found {
  words: string[];
  /** Named in a sentence, so perhaps without its arguments. */
  isMention: boolean;
}

/** The commands of a page: of its blocks that are shell, and those that a sentence has. */
function commandsIn(page: string): Found[] {
  const blocks = blocksOf(page).filter(({ language }) => ["", "sh", "bash", "console"].includes(language));
  // Behind a command is a comment, or a remark some spaces apart.
  const shell = blocks.flatMap(({ lines }) => lines).map((line) =>
    line.replace(/^\$ /, "").replace(/ \\$/, "").replace(/ {3,}[^#].*$/, "")
  );
  const prose = page.replace(/^```[\s\S]*?^```/gm, "").replace(/^ {4}.*$/gm, "");
  const spans = prose.split(/\n\n|\n\|/).flatMap((paragraph) => [...paragraph.matchAll(/`([^`]*)`/g)])
    .map(([, code]) => code.replaceAll("\n", " ").replaceAll("\\|", "|"));
  const found = (lines: string[], isMention: boolean) =>
    lines.flatMap((line) => commandsOf(line.replace(/\[|\]/g, "")))
      .filter(([program, first]) => /^(bin\/|\.\/)?fleetbox$/.test(program) && first !== RUNNER_FLAG)
      .map(([, ...words]) => {
        const named = words.filter((word) => word !== "…");
        return { words: takePlace(named).words, isMention: isMention || named.length < words.length };
      });
  return [...found(shell, false), ...found(spans, true)];
}

/** Gives a command line to the parser, with actions that do nothing but look at values that have a unit. */
async function parse(words: readonly string[]): Promise<void> {
  const program = await buildProgram(words[0]);
  const quiet = (command: Command) => {
    command.action((...given: unknown[]) => {
      const { memory, timeout, for: duration } = (given.at(-1) as Command).opts();
      if (typeof memory === "string") parseSizeMiB(memory, "--memory");
      if (typeof timeout === "string") parseDurationMs(timeout, "--timeout");
      if (typeof duration === "string") parseDurationMs(duration, "--for");
    });
    command.commands.forEach(quiet);
  };
  program.commands.forEach(quiet);
  await program.parseAsync([...words], { from: "user" });
}

Deno.test("every fleetbox command of README.md and docs/*.md is one that the command line takes", async () => {
  const refused: string[] = [];
  let count = 0;
  for (const { path, text } of pages()) {
    for (const { words, isMention } of commandsIn(text)) {
      count++;
      try {
        await parse(words);
      } catch (thrown) {
        const { code, message } = thrown as { code?: string; message: string };
        const isAlright = isMention && /missingArgument|missingMandatory|commander.help$/.test(code ?? "");
        if (!isAlright) refused.push(`${path}: fleetbox ${words.join(" ")}: ${message}`);
      }
    }
  }
  assert.equal(refused.join("\n"), "");
  assert.ok(count > 200, `${count} commands`);
});

Deno.test("a mistake in a page's command would be found", async () => {
  const wrong = ["up a --memroy 1G", "frok seeded", "up a --memory lots", "status a b", "fault partitoin a b"];
  for (const line of wrong) {
    const [{ words }] = commandsIn(`Text\n\n    fleetbox ${line}   # a comment\n`);
    await assert.rejects(() => parse(words), Error, line);
  }
  const line = "x=$(fleetbox ls -q) && A=1 fleetbox exec a -- sh -c 'b; c' > out 2>&1 | cat # fleetbox no";
  assert.deepEqual(commandsOf(line), [["fleetbox", "ls", "-q"], ["fleetbox", "exec", "a", "--", "sh", "-c", "b; c"], [
    "cat",
  ]]);
});

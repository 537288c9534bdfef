/** What is in the code blocks of the documentation's pages: commands, what they print, scripts. */

interface Block {
  /** The word behind the fence; empty for an indented block. */
  language: string;
  lines: string[];
}

/** The blocks of a page, fenced or indented by four spaces. */
export function blocksOf(page: string): Block[] {
  const blocks: Block[] = [];
  let block: Block | undefined;
  let fence = false;
  let before = "";
  for (const line of page.split("\n")) {
    const [, language] = /^```(\w*)/.exec(line) ?? [];
    if (language !== undefined) {
      fence = !fence;
      if (fence) blocks.push(block = { language, lines: [] });
    } else if (fence) block!.lines.push(line);
    else if (/^ {4}/.test(line) && (before.trim() === "" || /^ {4}/.test(before))) {
      if (before.trim() === "" || !block) blocks.push(block = { language: "", lines: [] });
      block.lines.push(line.slice(4));
    }
    before = line;
  }
  return blocks;
}

/**
 * The command lines of a block. In one with prompts they are behind these, and the other lines are what is printed; else each
 * line is one, but for comments and `…`. A comment behind a command, or a remark some spaces behind it, is not of it.
 */
function commandLines({ lines }: Block): string[] {
  const joined = lines.join("\n").replaceAll(/ \\\n\s*/g, " ").split("\n");
  const typed = joined.some((line) => line.startsWith("$ "))
    ? joined.filter((line) => line.startsWith("$ ")).map((line) => line.slice(2))
    : joined.filter((line) => !/^\s*(#|…|$)/.test(line));
  return typed.map((line) => line.replace(/ +# .*$| {3,}[^#].*$/, "").trimEnd());
}

/**
 * The command lines of all blocks of a page that are shell.
 * @param shown how the other blocks without a language begin
 * @throws when no block begins so
 */
export function commandsOfPage(page: string, shown: readonly RegExp[] = []): string[] {
  const shell = blocksOf(page).filter(({ language }) => ["", "sh", "bash", "console"].includes(language));
  for (const begin of shown) {
    if (!shell.some(({ lines }) => begin.test(lines[0]))) throw new Error(`No block begins so: ${begin}`);
  }
  return shell.filter(({ lines }) => !shown.some((begin) => begin.test(lines[0]))).flatMap(commandLines);
}

/** The commands in the last column of a table, which is named `example`. */
export function examplesOf(page: string): string[] {
  const [, rows = ""] = /^\|.*\| example \|\n\|[ |-]*\n((?:\|.*\n)*)/m.exec(page) ?? [];
  const cells = rows.split("\n").map((row) => row.split(/(?<!\\)\|/).at(-2) ?? "");
  return cells.flatMap((cell) => [...cell.matchAll(/`([^`]*)`/g)].map(([, code]) => code.replaceAll("\\|", "|")));
}

/** Commands of a page that are run at another place: by `tests/places/pages_test.ts`, and by `tests/slurm/pages_test.ts`. */
export const AT_A_HOST = /\bbig\b|--all-places/;
export const AT_A_CLUSTER = /\blab\b/;

/** The commands of a section of `docs/recipes.md`; a job's steps are the commands of CI. */
export function commandsOfRecipe(section: string): string[] {
  return blocksOf(section).flatMap(({ language, lines }) => {
    if (language === "") return lines;
    return language === "yaml" ? lines.flatMap((line) => /^(?:-| ) run: (.*)/.exec(line)?.[1] ?? []) : [];
  });
}

/** The shell scripts of a page. */
export function scriptsOf(page: string): string[] {
  return blocksOf(page).filter(({ language }) => language === "sh").map(({ lines }) => `${lines.join("\n")}\n`);
}

/** Each command of the blocks that are a recorded console, with the lines that it is shown to print. */
export function consoleSteps(page: string): { command: string; shown: string[] }[] {
  const steps: { command: string; shown: string[] }[] = [];
  for (const line of blocksOf(page).filter(({ language }) => language === "console").flatMap(({ lines }) => lines)) {
    if (line.startsWith("$ ")) steps.push({ command: line.slice(2), shown: [] });
    else if (line.trim() !== "") steps.at(-1)!.shown.push(line);
  }
  return steps;
}

/**
 * The simple commands of a line of shell: their words, without quotes, redirections and variables that are set for them. Also
 * those of `$(…)` and `<(…)`.
 */
export function commandsOf(line: string): string[][] {
  const commands: string[][] = [[]];
  let word: string | undefined;
  let quote = "";
  let isTarget = false;
  const endWord = () => {
    const isSetting = commands.at(-1)!.length === 0 && /^\w+=/.test(word ?? "");
    if (word !== undefined && !isTarget && !isSetting) commands.at(-1)!.push(word);
    if (word !== undefined) isTarget = false;
    word = undefined;
  };
  for (let at = 0; at < line.length; at++) {
    const char = line[at];
    if (quote === "'") {
      if (char === "'") quote = "";
      else word += char;
    } else if (char === "\\" && at + 1 < line.length) word = (word ?? "") + line[++at];
    else if (quote === '"') {
      if (char === '"') quote = "";
      else word += char;
    } else if (char === "'" || char === '"') {
      quote = char;
      word ??= "";
    } else if (/\s/.test(char)) endWord();
    else if (char === "#" && word === undefined) break;
    else if (/^(\$|<|>)\(/.test(line.slice(at))) {
      const inside = line.slice(at + 2, line.indexOf(")", at));
      commands.unshift(...commandsOf(inside));
      word = (word ?? "") + "x";
      at += 2 + inside.length;
    } else if (/[<>]/.test(char)) {
      if (/^\d+$/.test(word ?? "")) word = undefined;
      endWord();
      while (/[<>&]/.test(line[at + 1] ?? "")) at++;
      isTarget = true;
    } else if (/[|&;()]/.test(char)) {
      endWord();
      commands.push([]);
    } else word = (word ?? "") + char;
  }
  endWord();
  return commands.filter((words) => words.length > 0);
}

/**
 * Text fitted into a width: help and errors. Lines break between words, and nowhere else: a command line that a user
 * copies, what stands between quotes, and a path stay in one piece, even when they are longer than the width. Pure.
 */

/** A piece that is not broken, and the white space before it. */
interface Piece {
  space: string;
  text: string;
}

/** What a command line begins with where we tell one: `Boot it: fleetbox up a; or …`. */
const COMMAND = /(?:fleetbox(?! (?:needs|is|was|has|does|could|cannot)\b)|apt|apt-get|brew|sudo|make|qemu-img|kill) /y;
/** Where it ends. A comma is part of `a,b`. */
const COMMAND_LINE = /(?:'[^']*'|[^;"'(),]|,(?! ))+?(?=[.]?$|[.;,(] | \(|\))/y;
const QUOTED = /"[^"\n]*"[^\s"]*/y;
const WORD = /\S+/y;
/** Where a JSON shape may be broken: after a comma before a key or a value. */
const JSON_COMMA = /(?<=,)(?=["[{])/;

/** The pieces of one line. */
function pieces(line: string): Piece[] {
  const all: Piece[] = [];
  const match = (pattern: RegExp, at: number): string | undefined => {
    pattern.lastIndex = at;
    return pattern.exec(line)?.[0];
  };
  for (let at = 0; at < line.length;) {
    const space = match(/\s*/y, at)!;
    at += space.length;
    const mayBeCommand = /(?:^|[:;,]\s|\bor\s|\bthen\s)$/.test(line.slice(0, at)) && match(COMMAND, at) !== undefined;
    const text = (mayBeCommand && match(COMMAND_LINE, at)) || match(QUOTED, at) || match(WORD, at) || "";
    at += text.length;
    const isJson = /^[[({]*["{[].*,["{[]/.test(text) && !text.includes(" ");
    const parts = isJson ? text.split(JSON_COMMA) : [text];
    if (text) all.push(...parts.map((part, index) => ({ space: index === 0 ? space : "", text: part })));
  }
  return all;
}

/**
 * One line as several, each no longer than the width where its pieces allow it.
 * @param hang what the second and further lines begin with
 */
export function wrapLine(line: string, width: number, hang = ""): string[] {
  if (widthOf(line) <= width) return [line];
  const lines: string[] = [];
  let current = "";
  for (const { space, text } of pieces(line)) {
    const isEmpty = current.trim() === "";
    if (!isEmpty && widthOf(current + space + text) > width) {
      lines.push(current);
      current = hang + text;
    } else {
      current += space + text;
    }
  }
  return [...lines, current];
}

const glue = (_: string, comma?: string) => comma ?? " ";

const HEADING = /^[A-Z][A-Za-z ]{0,30}:$/;
/** A row of a table of terms: `  NAME   what it is`. */
const ROW = /^(\s+\S+(?: \S+)*?\s{2,})\S/;

/** Help: paragraphs are filled, headings and lines that are indented stay lines, tables keep their second column. */
export function wrapHelp(text: string, width: number): string {
  const lines: string[] = [];
  let paragraph: string[] = [];
  const flush = () => {
    // A JSON shape goes on in the next line without a space, as it does where it is broken here.
    if (paragraph.length > 0) lines.push(...wrapLine(paragraph.join("\n").replace(/("\??,)\n(?=")|\n/g, glue), width));
    paragraph = [];
  };
  for (const line of text.split("\n")) {
    if (line !== "" && !/^\s/.test(line) && !HEADING.test(line)) {
      paragraph.push(line);
      continue;
    }
    flush();
    const row = ROW.exec(line);
    lines.push(...(row ? wrapLine(line, width, " ".repeat(row[1].length)) : [line]));
  }
  flush();
  return lines.join("\n");
}

/** In columns, as far as text of ours goes: a character is one. */
function widthOf(text: string): number {
  return [...text].length;
}

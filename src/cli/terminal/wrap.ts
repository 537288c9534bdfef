/**
 * Fits text into a width, for help and errors. Lines break between words only: a command line that a user may copy,
 * quoted text, and a path stay in one piece, even when they are longer than the width. Pure.
 */

/** A piece that is not broken, and the white space before it. */
interface Piece {
  space: string;
  text: string;
}

/** The beginning of a command line in our messages: `Boot it: fleetbox up a; or …`. */
const COMMAND = /(?:fleetbox(?! (?:needs|is|was|has|does|could|cannot)\b)|apt|apt-get|brew|sudo|make|qemu-img|kill) /y;
/** Its end. A comma is part of `a,b`. */
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
 * @param hang the beginning of further lines
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

/** A sentence or several, line by line; what a line breaks into is indented below it. */
export function wrapText(text: string, width: number): string {
  return text.split("\n").flatMap((line) => {
    return wrapLine(line, width, " ".repeat(line.length - line.trimStart().length + 2));
  }).join("\n");
}

const glue = (_: string, comma?: string) => comma ?? " ";

const HEADING = /^[A-Z][A-Za-z ]{0,30}:$/;
/** A row of a table of terms: `  NAME   description`. */
const ROW = /^(\s+\S+(?: \S+)*?\s{2,})\S/;

/** Help: paragraphs are filled, headings and indented lines stay, tables keep their second column. */
export function wrapHelp(text: string, width: number): string {
  const lines: string[] = [];
  let paragraph: string[] = [];
  const flush = () => {
    // A JSON shape continues in the next line without a space, also where it is broken here.
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

/** The width in columns: in our own text, a character has one. */
function widthOf(text: string): number {
  return [...text].length;
}

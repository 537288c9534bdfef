/** TOML as a tree in which everything knows its place in the text. The one module that knows the parser. */

import { type AST, ParseError, parseTOML } from "toml-eslint-parser";
import { FleetboxError } from "../../core/errors.ts";

/** Where something is in a text; both count from 1. */
export interface Place {
  line: number;
  column: number;
}

/** A value, as it is in the text. */
export type Node =
  | { kind: "table"; at: Place; entries: Map<string, Entry> }
  | { kind: "list"; at: Place; items: Node[] }
  | { kind: "text"; at: Place; value: string }
  | { kind: "number"; at: Place; value: number }
  | { kind: "boolean"; at: Place; value: boolean }
  | { kind: "time"; at: Place; value: string };
export type Table = Extract<Node, { kind: "table" }>;

/** A key and its value. */
export interface Entry {
  key: string;
  /** Where the key is. */
  at: Place;
  value: Node;
}

/** An error about a place of a file. */
export function misuseAt(from: string, { line, column }: Place, message: string, hint?: string): FleetboxError {
  return new FleetboxError("misuse", `${from}:${line}:${column}: ${message}`, { hint });
}

/** @throws {FleetboxError} `misuse`: it is not TOML, with its place */
export function readToml(text: string, from: string): Table {
  let program: AST.TOMLProgram;
  try {
    program = parseTOML(text);
  } catch (thrown) {
    if (!(thrown instanceof ParseError)) throw thrown;
    const at = { line: thrown.lineNumber, column: thrown.column + 1 };
    throw misuseAt(from, at, notToml(thrown.message, text.split("\n")[at.line - 1] ?? ""), hintFor(text, at));
  }
  const root: Table = { kind: "table", at: { line: 1, column: 1 }, entries: new Map() };
  for (const node of program.body[0].body) {
    if (node.type === "TOMLKeyValue") set(root, node);
    else {
      const table = tableAt(root, node);
      for (const one of node.body) set(table, one);
    }
  }
  return root;
}

/** The parser's words, and the line. */
function notToml(message: string, line: string): string {
  const shown = line.trim().length > 60 ? `${line.trim().slice(0, 59)}…` : line.trim();
  const why = message.charAt(0).toLowerCase() + message.slice(1);
  return `this is not TOML: ${why}${shown === "" ? "" : `: ${shown}`}`;
}

/** A text without quotes is the usual mistake. */
function hintFor(text: string, { line }: Place): string | undefined {
  const [, key, word] =
    /^\s*([\w.-]+)\s*[=:]\s*([A-Za-z0-9./~][^"'#[{]*?)\s*(?:#.*)?$/.exec(text.split("\n")[line - 1]) ?? [];
  return key === undefined ? undefined : `Text is in quotes: ${key} = ${JSON.stringify(word)}`;
}

/** The table of a heading, such as `[members.a]`; each of an array's headings makes another one. */
function tableAt(root: Table, { key, kind }: AST.TOMLTable): Table {
  const path = key.keys;
  const parent = path.slice(0, -1).reduce(below, root);
  const last = path.at(-1)!;
  if (kind === "standard") return below(parent, last);
  const table: Table = { kind: "table", at: placeOf(key), entries: new Map() };
  const list = parent.entries.get(wordOf(last))?.value;
  if (list?.kind === "list") list.items.push(table);
  else put(parent, last, { kind: "list", at: placeOf(key), items: [table] });
  return table;
}

/** The table that a word of a dotted key leads to, made when it is not there. The parser has refused what is no table. */
function below(table: Table, word: AST.TOMLBare | AST.TOMLQuoted): Table {
  const found = table.entries.get(wordOf(word))?.value;
  if (found?.kind === "table") return found;
  const last = found?.kind === "list" ? found.items.at(-1) : undefined;
  if (last?.kind === "table") return last;
  const made: Table = { kind: "table", at: placeOf(word), entries: new Map() };
  put(table, word, made);
  return made;
}

function set(table: Table, { key, value }: AST.TOMLKeyValue): void {
  put(key.keys.slice(0, -1).reduce(below, table), key.keys.at(-1)!, nodeOf(value));
}

function put(table: Table, word: AST.TOMLBare | AST.TOMLQuoted, value: Node): void {
  table.entries.set(wordOf(word), { key: wordOf(word), at: placeOf(word), value });
}

function nodeOf(node: AST.TOMLContentNode): Node {
  const at = placeOf(node);
  if (node.type === "TOMLArray") return { kind: "list", at, items: node.elements.map(nodeOf) };
  if (node.type === "TOMLInlineTable") {
    const table: Table = { kind: "table", at, entries: new Map() };
    for (const one of node.body) set(table, one);
    return table;
  }
  switch (node.kind) {
    case "string":
      return { kind: "text", at, value: node.value };
    case "boolean":
      return { kind: "boolean", at, value: node.value };
    case "integer":
    case "float":
      return { kind: "number", at, value: node.value };
    default:
      return { kind: "time", at, value: node.datetime };
  }
}

function wordOf(word: AST.TOMLBare | AST.TOMLQuoted): string {
  return word.type === "TOMLBare" ? word.name : word.value;
}

function placeOf({ loc: { start } }: AST.HasLocs): Place {
  return { line: start.line, column: start.column + 1 };
}

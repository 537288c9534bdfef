/**
 * The shapes that `docs/json.md` promises, read from its tables: tests compare the commands' output with them, so that the
 * page is neither behind nor ahead of the program.
 *
 * A heading `### NAME` opens a shape, a row of its table is a key: `` `key?` | type | … ``. A type is a word (`string`,
 * `number`, `boolean`, `object`), the values in backquotes that there are, `[NAME](#…)`, `list of T`, `map of T`, `T or null`.
 */

import * as assert from "#assert";
import { fileURLToPath } from "node:url";

export interface Shape {
  name: string;
  keys: Map<string, { isOptional: boolean; type: string }>;
}

export interface JsonDocument {
  shapes: Map<string, Shape>;
  /** The shapes that each command prints. */
  commands: Map<string, string[]>;
}

export const JSON_DOCUMENT = fileURLToPath(new URL("../../docs/json.md", import.meta.url));

export function readJsonDocument(path = JSON_DOCUMENT): JsonDocument {
  const shapes = new Map<string, Shape>();
  const commands = new Map<string, string[]>();
  let shape: Shape | undefined;
  for (const line of Deno.readTextFileSync(path).split("\n")) {
    const heading = /^### (.+)$/.exec(line)?.[1];
    if (heading) shapes.set(heading, shape = { name: heading, keys: new Map() });
    else if (line.startsWith("## ")) shape = undefined;
    const cells = line.startsWith("| `") ? line.slice(1, -1).split("|").map((cell) => cell.trim()) : [];
    if (shape && cells.length === 3) {
      const [, key, optional] = /^`([^`?]+)(\?)?`$/.exec(cells[0])!;
      shape.keys.set(key, { isOptional: optional !== undefined, type: cells[1] });
    } else if (!shape && cells.length === 2) {
      const links = [...cells[1].matchAll(/\(#([^)]+)\)/g)].map(([, anchor]) => anchor);
      for (const [, command] of cells[0].matchAll(/`([^`]+)`/g)) commands.set(command, links);
    }
  }
  const full = shapes.get("full member");
  for (const part of ["listed member", "member"]) {
    for (const [key, { type, isOptional }] of shapes.get(part)?.keys ?? []) {
      const isOther = !shapes.get("listed member")!.keys.has(key);
      if (!full?.keys.has(key)) full?.keys.set(key, { type, isOptional: isOptional || isOther });
    }
  }
  return { shapes, commands };
}

/** A heading's anchor, as GitHub makes it. */
export function anchorOf(name: string): string {
  return name.replaceAll(" ", "-");
}

/** The shape that a link names. */
export function shapeAt({ shapes }: JsonDocument, anchor: string): Shape {
  const found = [...shapes.values()].find(({ name }) => anchorOf(name) === anchor);
  assert.ok(found, `docs/json.md links to #${anchor}, which is no heading`);
  return found;
}

/** @throws {AssertionError} when a value does not have the shape: a key is missing, not documented, or of another type. */
export function checkShape(document: JsonDocument, shape: Shape, value: unknown, at = shape.name): void {
  assert.ok(typeof value === "object" && value !== null && !Array.isArray(value), `${at} is ${JSON.stringify(value)}`);
  for (const [key, entry] of Object.entries(value)) {
    const known = shape.keys.get(key);
    assert.ok(known, `${at} has "${key}", which docs/json.md does not name: ${JSON.stringify(entry)}`);
    checkType(document, known.type, entry, `${at}.${key}`);
  }
  for (const [key, { isOptional }] of shape.keys) {
    assert.ok(isOptional || Object.hasOwn(value, key), `${at} lacks "${key}": ${JSON.stringify(value)}`);
  }
}

function checkType(document: JsonDocument, type: string, value: unknown, at: string): void {
  const orNull = /^(.*) or null$/.exec(type)?.[1];
  if (orNull !== undefined) return value === null ? undefined : checkType(document, orNull, value, at);
  const list = /^list of (.*)$/.exec(type)?.[1];
  if (list !== undefined) {
    assert.ok(Array.isArray(value), `${at} is no list: ${JSON.stringify(value)}`);
    return value.forEach((one, index) => checkType(document, list, one, `${at}[${index}]`));
  }
  const map = /^map of (.*)$/.exec(type)?.[1];
  if (map !== undefined) {
    assert.ok(typeof value === "object" && value !== null && !Array.isArray(value), `${at}: ${JSON.stringify(value)}`);
    return Object.entries(value).forEach(([key, one]) => checkType(document, map, one, `${at}.${key}`));
  }
  const link = /^\[.*\]\(#([^)]+)\)$/.exec(type)?.[1];
  if (link !== undefined) return checkShape(document, shapeAt(document, link), value, at);
  if (type.startsWith("`")) {
    const values = valuesOf(type);
    return assert.ok(values.includes(String(value)), `${at} is ${JSON.stringify(value)}, expected one of ${values}`);
  }
  assert.ok(["string", "number", "boolean", "object"].includes(type), `docs/json.md: a type of ${at}: ${type}`);
  assert.equal(typeof value, type, `${at} is ${JSON.stringify(value)}`);
}

/** The values that a type in backquotes lists. */
export function valuesOf(type: string): string[] {
  return [...type.matchAll(/`([^`]+)`/g)].map(([, one]) => one);
}

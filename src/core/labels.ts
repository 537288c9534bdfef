/** Labels: words that a user gives members, `tier=db`, to find them by. They mean nothing to fleetbox. */

import { FleetboxError } from "./errors.ts";

export type Labels = Record<string, string>;

/** A label that a member is to have; with a value, that one. */
export interface LabelWish {
  key: string;
  value?: string;
}

const KEY = /^[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?$/;
const MAX_VALUE = 255;
const MAX_LABELS = 64;
// deno-lint-ignore no-control-regex
const CONTROLS = /[\x00-\x1f\x7f-\x9f\u2028\u2029]/;

export function isLabelKey(key: string): boolean {
  return KEY.test(key);
}

export function isLabelValue(value: unknown): value is string {
  return typeof value === "string" && value.length <= MAX_VALUE && !CONTROLS.test(value);
}

/** Whether these are labels; an empty value takes a label away. */
export function areLabels(value: unknown): value is Labels {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const entries = Object.entries(value);
  return entries.length <= MAX_LABELS && entries.every(([key, one]) => isLabelKey(key) && isLabelValue(one));
}

/** `tier=db`; `tier=` takes the label away. @throws {FleetboxError} `misuse` */
export function parseLabels(texts: readonly string[], flag: string): Labels {
  const labels: Labels = {};
  for (const text of texts) {
    const { key, value } = parseLabelWish(text, flag);
    if (value === undefined) throw bad(flag, text, "KEY=VALUE, such as tier=db");
    labels[key] = value;
  }
  if (!areLabels(labels)) throw bad(flag, texts.join(" "), `at most ${MAX_LABELS} labels`);
  return labels;
}

/** `tier` or `tier=db`. @throws {FleetboxError} `misuse` */
export function parseLabelWish(text: string, flag: string): LabelWish {
  const at = text.indexOf("=");
  const key = at < 0 ? text : text.slice(0, at);
  if (!isLabelKey(key)) {
    throw bad(flag, text, `a key of 1 to 63 of A-Z, a-z, 0-9, ".", "_", "/" and "-", such as tier=db`);
  }
  if (at < 0) return { key };
  const value = text.slice(at + 1);
  if (!isLabelValue(value)) throw bad(flag, text, `a value of at most ${MAX_VALUE} characters, none of them a control`);
  return { key, value };
}

/** A member's labels after a change; undefined: none. */
export function changedLabels(has: Labels | undefined, asked: Labels | undefined): Labels | undefined {
  const all = Object.entries({ ...has, ...asked }).filter(([, value]) => value !== "");
  return all.length === 0 ? undefined : Object.fromEntries(all.sort(([a], [b]) => a < b ? -1 : 1));
}

/** Whether both are the same labels. */
export function areSameLabels(a: Labels | undefined, b: Labels | undefined): boolean {
  return labelsText(a) === labelsText(b);
}

export function hasLabels(has: Labels | undefined, wishes: readonly LabelWish[]): boolean {
  return wishes.every(({ key, value }) =>
    has !== undefined && Object.hasOwn(has, key) && (value === undefined || has[key] === value)
  );
}

/** `env=test tier=db` */
export function labelsText(labels: Labels = {}): string {
  return Object.entries(labels).sort(([a], [b]) => a < b ? -1 : 1).map(([key, value]) => `${key}=${value}`).join(" ");
}

function bad(flag: string, found: string, expected: string): FleetboxError {
  return new FleetboxError("misuse", `Bad value for ${flag}: found ${JSON.stringify(found)}, expected ${expected}`);
}

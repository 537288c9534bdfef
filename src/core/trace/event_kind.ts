/** The kind of an event in a line of `events.ndjson`, by its bytes: a text of each of ten million lines would take minutes. */

/** In a line the kind comes second, after the time. */
const KEY = new TextEncoder().encode('"event":"');
const HEAD_BYTES = 120;

/** The bytes of kinds, as {@link isOfKind} compares them. */
export const kindsInLines = (kinds: readonly string[]): Uint8Array[] =>
  kinds.map((kind) => new TextEncoder().encode(`${kind}"`));

/** Whether the line `content[from, end)` has one of these kinds. @param kinds what {@link kindsInLines} gave */
export function isOfKind(kinds: readonly Uint8Array[], content: Uint8Array, from = 0, end = content.length): boolean {
  for (let at = from, last = Math.min(end, from + HEAD_BYTES) - KEY.length; at < last; at++) {
    if (content[at] !== KEY[0] || !isAt(content, at, KEY)) continue;
    return kinds.some((kind) => isAt(content, at + KEY.length, kind));
  }
  return false;
}

function isAt(content: Uint8Array, at: number, word: Uint8Array): boolean {
  for (let index = 0; index < word.length; index++) if (content[at + index] !== word[index]) return false;
  return true;
}

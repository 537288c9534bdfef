/** "Did you mean": the nearest of some words, or all of them where no word is near. */

/** How many words a sentence lists before it says how many more there are. */
const MAX_LISTED = 10;

/**
 * The most similar candidate, when it is a likely typing mistake: one edit for every four letters, so none in a word of
 * three. `web-4` is not a mistyped `web-1`: names that differ only in their numbers are different on purpose.
 */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Infinity;
  for (const candidate of candidates) {
    const distance = editDistance(word, candidate);
    const allowed = Math.floor(Math.max(word.length, candidate.length) / 4);
    if (distance > allowed || distance >= bestDistance || withoutNumbers(word) === withoutNumbers(candidate)) continue;
    [best, bestDistance] = [candidate, distance];
  }
  return best;
}

function withoutNumbers(word: string): string {
  return word.replace(/\d+/g, "#");
}

/**
 * The hint for a word that is not among the candidates: the likely one, else all of them; undefined when there are
 * none.
 * @param quoted true for names of members, false for words of the program.
 */
export function suggestion(word: string, candidates: readonly string[], quoted = false): string | undefined {
  const near = nearest(word, candidates);
  if (near !== undefined) return `Did you mean ${quoted ? `"${near}"` : near}?`;
  return candidates.length > 0 ? `There are: ${bounded(candidates)}` : undefined;
}

/** `a, b, c`; of many the first ones, `and 17 more`. */
export function bounded(words: readonly string[]): string {
  if (words.length <= MAX_LISTED) return words.join(", ");
  return `${words.slice(0, MAX_LISTED - 1).join(", ")} and ${words.length - MAX_LISTED + 1} more`;
}

/** Insertions, deletions, replacements and swaps of neighbours that make one word the other (optimal string alignment). */
export function editDistance(a: string, b: string): number {
  let [before, last] = [[] as number[], Array.from({ length: b.length + 1 }, (_, index) => index)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replace = last[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      row[j] = Math.min(row[j - 1] + 1, last[j] + 1, replace);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        row[j] = Math.min(row[j], before[j - 2] + 1);
      }
    }
    [before, last] = [last, row];
  }
  return last[b.length];
}

/** Words for the guest's shell. */

/** A word that a POSIX shell reads as exactly this text. */
export function shellQuote(word: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/**
 * The command line for the guest's shell. One word is a command line of its own and passed as it is, like ssh does.
 * Several words each reach the guest's program exactly.
 */
export function remoteCommand(words: readonly string[]): string | undefined {
  if (words.length <= 1) return words[0];
  return words.map(shellQuote).join(" ");
}

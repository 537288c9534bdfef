/** Words for a POSIX shell: the guest's, or that of a user who copies a command line. Imports nothing. */

/** A word in quotes: any shell reads it as exactly this text, and as no word of its own language. */
export function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/** A word that a shell reads as exactly this text; in quotes when it needs them. */
export function shellQuote(word: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : quoted(word);
}

/** A program and its arguments as a line. The program is always in quotes: `if` and `A=b` have a meaning there. */
export function shellCommand([program, ...args]: readonly string[]): string {
  return [quoted(program), ...args.map(shellQuote)].join(" ");
}

/**
 * The command line for the guest's shell. One word is a command line of its own and passed as it is, like ssh does.
 * Several words each reach the guest's program exactly.
 */
export function remoteCommand(words: readonly string[]): string | undefined {
  return words.length <= 1 ? words[0] : shellCommand(words);
}

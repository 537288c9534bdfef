/**
 * The user's terminal without its line discipline: every key as it is typed, every byte as it is written.
 *
 * Deno's raw mode leaves output processing on, which would turn a guest's line feed into a new line; stty(1), where there is
 * one, takes that away, too. What was before comes back with {@link RawTerminal.restore}, on every way out of the program.
 */

export class RawTerminal {
  #isRaw = false;

  /** Takes effect at once. */
  constructor() {
    Deno.stdin.setRaw(true);
    this.#isRaw = true;
    try {
      new Deno.Command("stty", { args: ["-opost"], stdin: "inherit", stdout: "null", stderr: "null" }).outputSync();
    } catch { /* a guest's full-screen programs may look crooked without it */ }
  }

  /** Twice is fine. */
  restore(): void {
    if (!this.#isRaw) return;
    this.#isRaw = false;
    try {
      Deno.stdin.setRaw(false);
    } catch { /* the terminal is gone */ }
  }
}

/**
 * The user's terminal in raw mode: every key as typed, every byte as written.
 *
 * Deno's raw mode leaves output processing on, which would turn a guest's line feed into a new line; stty(1), if
 * available, switches it off. {@link RawTerminal.restore} restores the earlier modes, on every way out of the program.
 */

export class RawTerminal {
  #isRaw = false;

  /** Takes effect at once. */
  constructor() {
    Deno.stdin.setRaw(true);
    this.#isRaw = true;
    try {
      new Deno.Command("stty", { args: ["-opost"], stdin: "inherit", stdout: "null", stderr: "null" }).outputSync();
    } catch { /* without it a guest's full-screen programs may be displayed wrongly */ }
  }

  /** Calling it twice is fine. */
  restore(): void {
    if (!this.#isRaw) return;
    this.#isRaw = false;
    try {
      Deno.stdin.setRaw(false);
    } catch { /* the terminal is gone */ }
  }
}

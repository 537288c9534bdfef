/**
 * What a terminal shows: `@xterm/headless`, the terminal of VS Code without a window. Writes are
 * taken up in their order; {@link Screen.settled} says when all of them are drawn.
 */

import xterm from "@xterm/headless";

export class Screen {
  cursorIsHidden = false;
  #terminal: xterm.Terminal;

  constructor(columns: number, rows: number) {
    // The cursor's line is wrapped anew, as tmux and GNOME do it; VS Code does not wrap that line.
    this.#terminal = new xterm.Terminal({
      cols: columns,
      rows,
      scrollback: 1000,
      allowProposedApi: true,
      reflowCursorLine: true,
    });
    // DECTCEM: the terminal does it, but has no property for it.
    for (const final of ["h", "l"]) {
      this.#terminal.parser.registerCsiHandler({ prefix: "?", final }, (modes) => {
        if (modes.includes(25)) this.cursorIsHidden = final === "l";
        return false;
      });
    }
  }

  /** The lines on the screen, without spaces and empty lines at their end. */
  get text(): string {
    const { baseY } = this.#terminal.buffer.active;
    return this.#lines(baseY, baseY + this.#terminal.rows).join("\n").trimEnd();
  }

  /** Lines that scrolled off the top. */
  get scrolled(): string[] {
    return this.#lines(0, this.#terminal.buffer.active.baseY);
  }

  write(text: string): void {
    this.#terminal.write(text);
  }

  /** Resolves when all that was written is drawn. */
  settled(): Promise<void> {
    return new Promise((drawn) => this.#terminal.write("", drawn));
  }

  /** The window has another size now: what was written before is drawn in the old one. */
  async resize(columns: number, rows: number): Promise<void> {
    await this.settled();
    this.#terminal.resize(columns, rows);
  }

  #lines(from: number, to: number): string[] {
    const { active } = this.#terminal.buffer;
    return Array.from({ length: to - from }, (_, at) => active.getLine(from + at)?.translateToString(true) ?? "");
  }
}

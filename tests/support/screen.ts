/**
 * What a terminal shows of what was written to it: as much of one as fleetbox and a shell's line use. Lines that are too
 * long wrap, the screen scrolls, colours are left away. {@link Screen.resize} wraps anew what is there, as tmux does.
 */

export class Screen {
  #lines: string[] = [""];
  #row = 0;
  #column = 0;
  /** Lines that scrolled off the top. */
  readonly scrolled: string[] = [];
  cursorIsHidden = false;

  constructor(private columns: number, private rows: number) {}

  /** The lines, without spaces and empty lines at their end. */
  get text(): string {
    return this.#lines.map((line) => line.trimEnd()).join("\n").trimEnd();
  }

  write(text: string): void {
    // deno-lint-ignore no-control-regex
    for (const [piece, sequence] of text.matchAll(/\x1b\[([0-9;?]*[A-Za-z])|[^]/g)) {
      if (sequence) this.#control(sequence);
      else this.#put(piece);
    }
  }

  /** The window has another size now. */
  resize(columns: number, rows: number): void {
    const wrapped = this.#lines.map((line) => {
      const whole = line.trimEnd();
      return Array.from(
        { length: Math.max(1, Math.ceil(whole.length / columns)) },
        (_, at) => whole.slice(at * columns, (at + 1) * columns),
      );
    });
    this.#row = wrapped.slice(0, this.#row + 1).flat().length - 1;
    this.#column = Math.min(this.#column, columns - 1);
    this.#lines = wrapped.flat();
    [this.columns, this.rows] = [columns, rows];
    this.#scroll();
  }

  #put(char: string): void {
    if (char === "\r") this.#column = 0;
    else if (char === "\n") this.#down();
    else if (char >= " ") {
      if (this.#column === this.columns) {
        this.#column = 0;
        this.#down();
      }
      const line = this.#lines[this.#row].padEnd(this.#column);
      this.#lines[this.#row] = line.slice(0, this.#column) + char + line.slice(this.#column + 1);
      this.#column++;
    }
  }

  #down(): void {
    this.#row++;
    if (this.#row === this.#lines.length) this.#lines.push("");
    this.#scroll();
  }

  #scroll(): void {
    while (this.#lines.length > this.rows) {
      this.scrolled.push(this.#lines.shift()!.trimEnd());
      this.#row = Math.max(0, this.#row - 1);
    }
  }

  #control(sequence: string): void {
    const count = Number(sequence.slice(0, -1)) || 1;
    switch (sequence.at(-1)) {
      case "A":
        this.#row = Math.max(0, this.#row - count);
        break;
      case "K":
        this.#lines[this.#row] = this.#lines[this.#row].slice(0, this.#column);
        break;
      case "J":
        this.#lines[this.#row] = this.#lines[this.#row].slice(0, this.#column);
        this.#lines.length = this.#row + 1;
        break;
      case "l":
      case "h":
        if (sequence.startsWith("?25")) this.cursorIsHidden = sequence.endsWith("l");
        break;
      case "m":
        break;
      default:
        throw new Error(`a sequence that this screen does not know: ${JSON.stringify(sequence)}`);
    }
  }
}

/**
 * Lines at the bottom of a terminal that are updated in place, until they are removed.
 *
 * The cursor rests at the end of the last line, so that a full screen does not scroll. Old text is overwritten and its
 * rest cleared, in one write, so that nothing flickers. A terminal that became narrower has wrapped the lines (tmux,
 * VTE, kitty, iTerm2 and the Windows terminal do; xterm cuts them off), so the rows are counted again.
 */

export interface Size {
  columns: number;
  rows: number;
}

const HIDE_CURSOR = "\x1b[?25l";
const SHOW_CURSOR = "\x1b[?25h";
/** To the end of the line, and to the end of the screen. */
const CLEAR_LINE = "\x1b[K";
const CLEAR_BELOW = "\x1b[J";

export class LiveLines {
  /** The columns of each drawn line; undefined: nothing was drawn yet. */
  #widths: number[] | undefined;
  #last = "";
  #isOver = false;

  constructor(private readonly write: (text: string) => void, private readonly size: () => Size) {}

  /**
   * Draws the lines, each narrower than the terminal, in place of the earlier ones. `above` is printed over them for
   * good.
   */
  draw(lines: readonly string[], above?: string): void {
    if (this.#isOver) return;
    const { columns } = this.size();
    const frame = lines.map((line) => line + CLEAR_LINE).join("\r\n");
    const key = `${columns} ${frame}`;
    if (above === undefined && key === this.#last) return;
    this.#last = key;
    const start = this.#widths === undefined ? HIDE_CURSOR : this.#toTop(columns);
    const over = above === undefined ? "" : `${above.replaceAll("\n", `${CLEAR_LINE}\r\n`)}${CLEAR_LINE}\r\n`;
    this.write(`${start}${over}${frame}${CLEAR_BELOW}`);
    this.#widths = lines.map(columnsOf);
  }

  /** Removes the lines and shows the cursor. Calling it twice is fine. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (this.#widths !== undefined) this.write(`${this.#toTop(this.size().columns)}${CLEAR_BELOW}${SHOW_CURSOR}`);
  }

  #toTop(columns: number): string {
    const rows = this.#widths!.reduce((sum, width) => sum + Math.max(1, Math.ceil(width / Math.max(1, columns))), 0);
    return rows > 1 ? `\r\x1b[${rows - 1}A` : "\r";
  }
}

/** The columns that a line takes, escape sequences for colours not counted. */
function columnsOf(line: string): number {
  // deno-lint-ignore no-control-regex
  return line.replace(/\x1b\[[0-9;]*m/g, "").length;
}

/**
 * A console's output made safe and legible for a terminal: no escape sequences, no control characters.
 *
 * A guest may write anything to its console. On a terminal that must not move the cursor, change the title or make the
 * terminal answer queries. Sequences may be cut anywhere between two pieces.
 */

type Mode = "text" | "escape" | "sequence" | "string" | "string-escape";

export class TerminalText {
  #mode: Mode = "text";

  /** The next piece, cleaned. */
  push(text: string): string {
    let clean = "";
    for (const char of text) clean += this.#next(char);
    return clean;
  }

  #next(char: string): string {
    const code = char.codePointAt(0)!;
    switch (this.#mode) {
      case "escape": // ESC [ … a sequence; ESC ] P X ^ _ … a string; ESC and intermediates go on; else one character
        if (char === "[") this.#mode = "sequence";
        else if ("]PX^_".includes(char)) this.#mode = "string";
        else if (code < 0x20 || code > 0x2f) this.#mode = "text";
        return "";
      case "sequence":
        if (code >= 0x40 && code <= 0x7e) this.#mode = "text";
        else if (code === 0x1b) this.#mode = "escape";
        else if (char === "\n") return this.#backTo(char); // incomplete: a line is never lost
        return "";
      case "string":
        if (code === 0x07 || code === 0x9c) this.#mode = "text";
        else if (code === 0x1b) this.#mode = "string-escape";
        else if (char === "\n") return this.#backTo(char);
        return "";
      case "string-escape":
        this.#mode = char === "\\" ? "text" : "string";
        return "";
      case "text":
        if (code === 0x1b) this.#mode = "escape";
        else if (code === 0x9b) this.#mode = "sequence";
        else if (char === "\n" || char === "\t" || (code >= 0x20 && code !== 0x7f && !(code >= 0x80 && code <= 0x9f))) {
          return char;
        }
        return "";
    }
  }

  #backTo(char: string): string {
    this.#mode = "text";
    return char;
  }
}

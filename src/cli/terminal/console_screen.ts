/**
 * The effects of a console's bytes on a terminal: the last screen, the modes to undo at the end, and the key that
 * detaches. Pure.
 *
 * Past output is shown as text alone, because the terminal would answer an old query now, and the answer would be typed
 * at the guest. New output goes to the terminal unchanged.
 */

/** Ctrl-], also in the newer encodings of keys that a guest's program may have switched on. */
// deno-lint-ignore no-control-regex
const DETACH = /\x1d|\x1b\[93;5(?::1)?u|\x1b\[27;5;93~/;

/** The offset of the detaching key in the typed bytes. */
export function findDetach(typed: Uint8Array): number | undefined {
  const at = latin1(typed).search(DETACH);
  return at < 0 ? undefined : at;
}

/** A sequence (ECMA-48), or one character. */
// deno-lint-ignore no-control-regex
const TOKEN = /\x1b\[([0-?]*)[ -/]*([@-~])|\x1b[\]P_^X][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]?|[\s\S]/gu;

/** The end of past output as a screen: text alone, lines ended by CR LF, the cursor at its place. */
export function lastScreen(said: Uint8Array, { rows, columns }: { rows: number; columns: number }): string {
  const lines: string[][] = [[]];
  let column = 0;
  const line = () => lines[lines.length - 1];
  for (const [token, parameters, final] of new TextDecoder().decode(said).matchAll(TOKEN)) {
    if (final === "K") erase(line(), column, parameters);
    else if (final === "J" && /^[23]/.test(parameters)) lines.splice(0, lines.length, []);
    else if (final === "J") erase(line(), column, parameters);
    else if (final === "H" && (parameters === "" || /^1?(;1?)?$/.test(parameters))) column = 0;
    else if (final === "D") column = Math.max(0, column - (Number(parameters) || 1));
    else if (final === "C") column += Number(parameters) || 1;
    else if (token === "\n") lines.push([]);
    else if (token === "\r") column = 0;
    else if (token === "\b") column = Math.max(0, column - 1);
    else if (token === "\t") column = (column | 7) + 1;
    else if (token >= " " && !/^[\x7f-\x9f]$/.test(token)) {
      while (line().length < column) line().push(" ");
      line()[column++] = token;
    }
    if (token === "\n") column = 0;
  }
  const last = line();
  const shown: string[] = [];
  let room = rows;
  for (const cells of lines.toReversed()) {
    room -= Math.max(1, Math.ceil(cells.length / columns));
    if (room < 0) break;
    shown.unshift(cells.join(""));
  }
  const back = last.length - column;
  return shown.join("\r\n") + (back > 0 ? `\x1b[${back}D` : " ".repeat(Math.max(0, -back)));
}

function erase(line: string[], column: number, parameters: string): void {
  if (parameters === "" || parameters === "0") line.length = Math.min(line.length, column);
  else if (parameters === "1") line.fill(" ", 0, column + 1);
  else if (parameters === "2") line.length = 0;
}

/** Modes that are on by default in a terminal; all others are off. */
const ON = new Set(["7", "25"]);
/** More modes than any program changes: the limit of what a guest can make us remember. */
const MAX_MODES = 64;
/** Private modes, the keypad's mode, a reset, and the ways to switch encodings of keys. */
// deno-lint-ignore no-control-regex
const MODE = /\x1b(?:\[\?([0-9;]{1,64})([hl])|[=>c]|\[[<>=][0-9;]{0,16}[um])/g;
/** A possible beginning of such a sequence. */
// deno-lint-ignore no-control-regex
const BEGUN = /\x1b(?:\[[?<>=]?[0-9;]{0,64})?$/;

/** Remembers the modes that a guest has switched on or off in our terminal. */
export class TerminalModes {
  #changed = new Set<string>();
  #rest = "";
  #isKeypad = false;
  #hasKeys = false;

  /** The next bytes of output; sequences may be cut anywhere. */
  push(bytes: Uint8Array): void {
    const text = this.#rest + latin1(bytes);
    for (const [sequence, modes, final] of text.matchAll(MODE)) {
      if (final) { for (const mode of modes.split(";")) this.#set(mode, final === "h"); }
      else if (sequence === "\x1bc") this.#changed.clear();
      else if (sequence.length === 2) this.#isKeypad = sequence === "\x1b=";
      else this.#hasKeys = true;
    }
    this.#rest = BEGUN.exec(text)?.[0] ?? "";
  }

  #set(mode: string, isOn: boolean): void {
    if (isOn === ON.has(mode)) this.#changed.delete(mode);
    else if (this.#changed.size < MAX_MODES) this.#changed.add(mode);
  }

  /** The sequences that reset colours and character sets, and the modes that the guest has changed. */
  undo(): string {
    const modes = [...this.#changed].map((mode) => `\x1b[?${mode}${ON.has(mode) ? "h" : "l"}`).join("");
    return `\x1b[m\x0f\x1b(B${modes}${this.#isKeypad ? "\x1b>" : ""}${this.#hasKeys ? "\x1b[<u\x1b[>4m" : ""}`;
  }
}

/** One character for each byte: offsets in it are offsets in the bytes. */
function latin1(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 4096) text += String.fromCharCode(...bytes.subarray(at, at + 4096));
  return text;
}

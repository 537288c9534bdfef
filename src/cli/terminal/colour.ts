/**
 * Colours for a terminal: none elsewhere (except with `FORCE_COLOR`), none on a dumb terminal, and never any with
 * `NO_COLOR` (no-color.org).
 */

import { isLive } from "./output.ts";

export type Colour = "red" | "green" | "yellow" | "cyan" | "dim" | "bold";

/** Colours a text, or returns it unchanged. */
export type Paint = (colour: Colour | undefined, text: string) => string;

const CODES: Record<Colour, number> = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 };

export const plain: Paint = (_colour, text) => text;

export const colourful: Paint = (colour, text) => colour ? `\x1b[${CODES[colour]}m${text}\x1b[0m` : text;

/** The colours for standard output. */
export function paintFor(live = isLive(), env: (name: string) => string | undefined = Deno.env.get): Paint {
  const forced = !["", "0", "false", undefined].includes(env("FORCE_COLOR"));
  return (live || forced) && !env("NO_COLOR") ? colourful : plain;
}

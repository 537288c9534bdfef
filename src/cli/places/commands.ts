/**
 * What each command is to a place: most run there, some are clients that run here and connect to members there. What is not
 * possible is refused with the way out, never dropped.
 */

import { FleetboxError } from "../../core/errors.ts";

/** `there`: the whole command; `client`: here, with a connection to members there; `here`: it has nothing to do with a place. */
export type Kind = "there" | "client" | "here";

export const HERE_ONLY = ["place", "completion", "config", "help"];
const CLIENTS = ["exec", "ssh", "shell", "cp", "copy", "sync", "ssh-config", "forward"];

export function kindOf(command: string): Kind {
  return HERE_ONLY.includes(command) ? "here" : CLIENTS.includes(command) ? "client" : "there";
}

/** What does not work at a place: a command's words, up to `--`, and the way out. */
const REFUSED: { words: RegExp; what: string; hint: string }[] = [
  {
    words: /^image build .*--output/,
    what: "the directory would be made there, not here",
    hint: "Leave it out: it is an image of the store there then, for up --on PLACE --image ALIAS",
  },
];

/** @throws {FleetboxError} `unavailable`: the command, or one of its options, does not work at a place */
export function checkWorksThere(words: readonly string[], place: string): void {
  const end = words.indexOf("--");
  const line = `${(end < 0 ? words : words.slice(0, end)).join(" ")} `;
  const found = REFUSED.find((one) => one.words.test(line));
  if (!found) return;
  throw new FleetboxError("unavailable", `fleetbox ${words[0]} --on ${place}: ${found.what}`, {
    hint: found.hint.replaceAll("PLACE", place),
  });
}

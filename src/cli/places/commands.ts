/**
 * What each command is to a place: most run there, some are clients that run here and connect to members there. What is not
 * possible is refused with the way out, never dropped.
 */

import { FleetboxError } from "../../core/errors.ts";

/** `there`: the whole command; `client`: here, with a connection to members there; `here`: it has nothing to do with a place. */
export type Kind = "there" | "client" | "here";

export const HERE_ONLY = ["place", "completion", "config", "help"];
const CLIENTS = ["exec", "ssh", "shell", "cp", "copy", "sync", "ssh-config"];

export function kindOf(command: string): Kind {
  return HERE_ONLY.includes(command) ? "here" : CLIENTS.includes(command) ? "client" : "there";
}

/** What does not work at a place: a command's words, up to `--`, and the way out. */
const REFUSED: { words: RegExp; what: string; hint: string }[] = [
  {
    words: /^view /,
    what: "the page's server would run there, which is not built yet",
    hint: "Look at events instead: fleetbox events --on PLACE",
  },
  {
    words: /^forward /,
    what: "a port of that host, not of this one, would lead to the member, which is not built yet",
    hint: "A port here, as long as the session lasts: fleetbox ssh --on PLACE -N -L 8080:localhost:80 NAME",
  },
  {
    words: /^(up|start|join) .*(-f|--file|--user-data|--run|--fixture|--share)[= ]/,
    what: "an option names a file of this host, which is not brought there yet",
    hint: "Bring the members up, then: fleetbox cp --on PLACE FILE NAME:",
  },
  {
    words: /^(up|start|join) .*--image[= ](\.|\/)/,
    what: "the image is a file of this host, which is not brought there yet",
    hint: "Name an alias or an address: fleetbox image ls --all",
  },
  {
    words: /^(fault run|image build .*(--run|--output)|trace (show|events|replay)) /,
    what: "a file of this host is named, which is not brought there yet",
    hint: "Run it there by hand, over ssh.",
  },
  {
    words: /^(capture|trace stop) .*(-w|--write)/,
    what: "the file would be written there, which is not built yet",
    hint: "To standard output: fleetbox capture --on PLACE > FILE",
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

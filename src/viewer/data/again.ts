/** "Do this again": the command line for what is selected. */

import { shellQuote } from "../../core/quoting.ts";
import { text, texts, type TraceEvent } from "./model.ts";

/** A command line, or undefined: there is none for it. */
export function againOf({ kind, members, raw }: TraceEvent): string | undefined {
  const line = (...words: string[]) => ["fleetbox", ...words.map(shellQuote)].join(" ");
  const [name] = members, its = (key: string) => text(raw[key]);
  switch (kind) {
    case "command":
    case "command-began":
      return name ? line("exec", name, "--", ...texts(raw.argv)) : undefined;
    case "fault-began":
    case "fault-ended":
      // Foreign text, which is pasted into a shell: nothing but one line of ours.
      if (/^fleetbox fault [^\n\r;&|`$<>]*$/.test(its("command"))) return its("command");
      return kind === "fault-ended" ? line("heal", its("id")) : undefined;
    case "state":
      if (!name) return undefined;
      if (its("state") === "error") return line("logs", name);
      return ["stopped", "gone"].includes(its("state")) ? line("stop", name) : line("up", name);
    case "checkpoint":
      return members.length > 0 ? line("checkpoint", members.join(","), "--as", its("name")) : undefined;
    case "fork":
    case "restore":
      return its("name") ? line(kind, its("name")) : undefined;
    case "suspend":
      return members.length > 0 ? line("suspend", members.join(",")) : undefined;
    case "clock":
      return name ? line("clock", name) : undefined;
    case "link":
      return line("capture", members.filter((one) => one !== "*").join(","), "-w", "out.pcapng");
    default:
      return undefined;
  }
}

/** The same for a packet. */
export function captureAgain(from: string, to: string): string {
  const names = [...new Set([from, to])].filter((name) => /^[a-z0-9-]+$/.test(name));
  return ["fleetbox", "capture", ...(names.length > 0 ? [names.join(",")] : []), "-w", "out.pcapng"].join(" ");
}

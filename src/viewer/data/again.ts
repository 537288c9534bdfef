/** "Do this again": the command line for what is selected. */

import { quoted, shellQuote } from "../../core/quoting.ts";
import { number, record, text, texts, type TraceEvent } from "./model.ts";

const line = (...words: string[]) => ["fleetbox", ...words.map(shellQuote)].join(" ");

/** A command line, or undefined: there is none for it. */
export function againOf(event: TraceEvent): string | undefined {
  const { kind, members, raw } = event;
  const [name] = members, its = (key: string) => text(raw[key]);
  switch (kind) {
    case "command":
    case "command-began":
      return name ? line("exec", name, "--", ...texts(raw.argv)) : undefined;
    case "fault-began":
    case "fault-ended":
      // Foreign text, which is pasted into a shell: nothing but one line of ours.
      if (/^fleetbox fault [^\n\r;&|`$<>]*$/.test(its("command"))) return its("command");
      return kind === "fault-ended" ? line("heal", its("id")) : faultAgain(event);
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

/** A fault as its command, where that is short; else as a plan with one step, which any fault has. */
function faultAgain({ at, until, raw }: TraceEvent): string | undefined {
  const spec = record(raw.spec), kind = text(spec.kind);
  if (kind === "partition" && Array.isArray(spec.sets)) {
    const sets = spec.sets.map((set) => texts(set).join(","));
    return line("fault", "partition", ...sets, ...(spec.oneWay === true ? ["--one-way"] : []));
  }
  if (kind === "pause" && text(spec.member)) return line("pause", text(spec.member));
  if (kind === "") return undefined;
  const seed = number(raw.seed) ?? 0, forMs = until === undefined ? 60_000 : Math.max(1, Math.round(until - at));
  const plan = { version: 1, seed, steps: [{ at_ms: 0, for_ms: forMs, fault: spec }] };
  return `echo ${quoted(JSON.stringify(plan))} | fleetbox fault run /dev/stdin`;
}

/** The same for a packet. */
export function captureAgain(from: string, to: string): string {
  const names = [...new Set([from, to])].filter((name) => /^[a-z0-9-]+$/.test(name));
  return ["fleetbox", "capture", ...(names.length > 0 ? [names.join(",")] : []), "-w", "out.pcapng"].join(" ");
}

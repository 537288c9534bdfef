/**
 * What a campaign does, before it does anything: commands and blows, drawn from a seed. Pure, so that a seed always gives
 * the same sequence; how the two fall together in time is the machine's business.
 */

import type { Random } from "./random.ts";

/** Whom a blow hits. `command`: the command of this step that was started first. */
export type Victim = "command" | "holder" | "machine" | "gateway";

export interface Blow {
  victim: Victim;
  /** `freeze`: SIGSTOP for `forMs`, then SIGCONT. */
  how: "kill" | "freeze";
  /** After the commands were started. */
  afterMs: number;
  forMs: number;
}

export interface Step {
  /** Started together. Each is an argument list. */
  commands: string[][];
  blows: Blow[];
}

export interface PlanOptions {
  names: readonly string[];
  /** The longest time after which a blow falls: about as long as a command takes. */
  spanMs: number;
}

export function drawStep(random: Random, options: PlanOptions): Step {
  const commands = [drawCommand(random, options.names)];
  if (random.chance(0.3)) commands.push(random.chance(0.3) ? commands[0] : drawCommand(random, options.names));
  const blows: Blow[] = [];
  const count = random.pick([0, 1, 1, 1, 2]);
  while (blows.length < count) blows.push(drawBlow(random, options.spanMs));
  return { commands, blows };
}

function drawCommand(random: Random, names: readonly string[]): string[] {
  const kind = random.pick(["up", "up", "up", "stop", "stop", "join", "rm", "ls", "status"] as const);
  switch (kind) {
    case "up":
      return ["up", random.some(names).join(","), "--egress", "off"];
    case "stop":
      return ["stop", ...random.some(names), ...(random.chance(0.3) ? ["--force"] : [])];
    case "join":
      return drawJoin(random, names);
    case "rm":
      return ["rm", random.pick(names), ...(random.chance(0.5) ? ["-f"] : [])];
    case "ls":
      return ["ls", "--json"];
    case "status":
      return ["status", random.pick(names), "--json"];
  }
}

function drawJoin(random: Random, names: readonly string[]): string[] {
  const name = random.pick(names);
  return ["join", name, "--via", random.pick(names.filter((other) => other !== name))];
}

function drawBlow(random: Random, spanMs: number): Blow {
  return {
    victim: random.pick(["command", "holder", "holder", "machine", "machine", "gateway"]),
    how: random.chance(0.85) ? "kill" : "freeze",
    afterMs: random.whole(0, spanMs),
    forMs: random.whole(100, 1_500),
  };
}

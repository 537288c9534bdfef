/** `fleetbox fault`: networks and machines that misbehave. Each subcommand begins one fault; `ls` shows all. */

import { listFaults } from "../../control/faults.ts";
import { FleetboxError } from "../../core/errors.ts";
import { DISTRIBUTIONS, type LinkShape, PARTITION_SHAPES, type PartitionShape } from "../../core/faults.ts";
import { clip } from "../../core/bytes.ts";
import { checkName } from "../../core/names.ts";
import type { FaultReport } from "../../wire.ts";
import { ageText, parseDurationMs } from "../arguments/duration.ts";
import {
  parseDelay,
  parseProbabilities,
  parseProbability,
  parseRate,
  parseSet,
  parseWhole,
} from "../arguments/fault_arguments.ts";
import { Command } from "../arguments/parser.ts";
import { cpuCommand } from "./fault_cpu.ts";
import { clockFaultCommand } from "./fault_clock.ts";
import { diskCommand } from "./fault_disk.ts";
import { memoryFaultCommand } from "./fault_memory.ts";
import { randomCommand, runCommand } from "./fault_plans.ts";
import { openStore } from "../arguments/open_store.ts";
import { requireAndAdopt } from "../adopt_and_tell.ts";
import { throwAll } from "../error_text.ts";
import { begin, type Common, common } from "../fault_begin.ts";
import { countsText } from "../fault_view.ts";
import { paintFor } from "../terminal/colour.ts";
import { say, sayJson, terminalWidth, warn } from "../terminal/output.ts";
import { tableLines } from "../terminal/table.ts";
import { atPlace } from "../places/current.ts";

const EXAMPLES = `
Examples:
  fleetbox fault partition a,b c
  fleetbox fault partition --shape majorities-ring --for 30s
  fleetbox fault shape --from a --to b --delay 50ms --jitter 10ms
  fleetbox fault ls
  fleetbox heal`;

export function faultCommand(): Command {
  const command = new Command("fault")
    .description("make networks and machines misbehave; list what does")
    .helpCommand(false);
  for (
    const make of [
      partitionCommand,
      dropCommand,
      holdCommand,
      flapCommand,
      shapeCommand,
      cpuCommand,
      clockFaultCommand,
      diskCommand,
      memoryFaultCommand,
      listCommand,
      randomCommand,
      runCommand,
    ]
  ) {
    command.addCommand(make().helpOption("-h, --help", "print help"));
  }
  return command.addHelpText(
    "after",
    `
A fault lasts until its time is over (--for), until it is healed (fleetbox heal), or until its group
ends; not until this command ends. Faults add up. Its counts tell what it has done.
"gateway" stands for the way to the host and beyond: SSH from the host goes on working unless it is named.
${EXAMPLES}`,
  );
}

function partitionCommand(): Command {
  return common(
    new Command("partition")
      .description("cut members off from each other")
      .argument("[sets...]", "who still reaches each other: a,b c,d")
      .option("--shape <shape>", `instead of sets: ${PARTITION_SHAPES.join(", ")}`)
      .option("--of <names>", "with --shape, the members that it is made of (default: all)")
      .option("--one-way", "only what an earlier set sends to a later one is dropped"),
  ).addHelpText(
    "after",
    `
Members that are in no set reach all, and are reached by all. A member that is cut off from another one cannot resolve
its name either. Shapes, over members in an order that the seed decides: "one" cuts off one member; "majority" makes a
majority and a minority; "bridge" leaves one member in between that reaches both halves; in a "majorities-ring" each
member reaches a majority, but no two reach the same one; "isolate" cuts off every member.

Example:
  fleetbox fault partition a,b c --for 10s`,
  ).action(async (
    words: string[],
    flags: Common & { shape?: string; of?: string; oneWay?: boolean },
  ) => {
    const { shape, of, oneWay } = flags;
    if (shape !== undefined && words.length > 0) throw both("sets", "--shape");
    if (of !== undefined && shape === undefined) throw alone("--of", "--shape");
    const way = oneWay ? { oneWay } : {};
    if (shape !== undefined) {
      const spec = { kind: "partition", shape: shape as PartitionShape, ...way } as const;
      return await begin({ ...spec, ...(of === undefined ? {} : { of: parseSet(of) }) }, flags);
    }
    await begin({ kind: "partition", sets: setsOf(words, "partition a,b c"), ...way }, flags);
  });
}

function dropCommand(): Command {
  return common(
    new Command("drop")
      .description("drop every frame of some members to others")
      .option("--from <names>", "who sends it (default: all members)")
      .option("--to <names>", "whom it is sent to (default: all members)"),
  ).addHelpText(
    "after",
    `
One way: what goes back still arrives.

Example:
  fleetbox fault drop --from a --to b,c`,
  ).action(async (flags: Common & { from?: string; to?: string }) => {
    if (flags.from === undefined && flags.to === undefined) {
      throw new FleetboxError("misuse", "Whose frames? For example: fleetbox fault drop --from a --to b");
    }
    await begin({ kind: "drop", ...ends(flags) }, flags);
  });
}

function holdCommand(): Command {
  return common(
    new Command("hold")
      .aliases(["clog"])
      .description("hold frames between members, and deliver them when the fault ends")
      .argument("[sets...]", "between whom: a,b c")
      .option("--one-way", "only what an earlier set sends to a later one is held"),
  ).addHelpText(
    "after",
    `
Up to 1,000 frames of each member to each other one wait; further ones are dropped and counted.

Example:
  fleetbox fault hold a b --for 5s`,
  ).action(async (words: string[], flags: Common & { oneWay?: boolean }) => {
    await begin({ kind: "hold", sets: setsOf(words, "hold a b"), ...(flags.oneWay ? { oneWay: true } : {}) }, flags);
  });
}

function flapCommand(): Command {
  return common(
    new Command("flap")
      .description("cut members off from each other again and again")
      .argument("[sets...]", "from whom: a,b c")
      .option("--down <duration>", "how long they are cut off", "2s")
      .option("--up <duration>", "how long they are not", "5s"),
  ).addHelpText(
    "after",
    `
Example:
  fleetbox fault flap a b --down 2s --up 5s --for 1m`,
  ).action(async (words: string[], flags: Common & { down: string; up: string }) => {
    const [downMs, upMs] = [parseDurationMs(flags.down, "--down"), parseDurationMs(flags.up, "--up")];
    await begin({ kind: "flap", sets: setsOf(words, "flap a b"), downMs, upMs }, flags);
  });
}

interface ShapeFlags extends Common {
  from?: string;
  to?: string;
  delay?: string;
  jitter?: string;
  correlation?: string;
  distribution?: string;
  loss?: string;
  lossCorrelation?: string;
  lossGemodel?: string;
  lossState?: string;
  duplicate?: string;
  reorder?: string;
  gap?: string;
  corrupt?: string;
  rate?: string;
  limit?: string;
}

function shapeCommand(): Command {
  return common(
    new Command("shape")
      .description("make links slow, late, lossy: the words are tc-netem's")
      .option("--from <names>", "who sends (default: all members)")
      .option("--to <names>", "who receives (default: all members)")
      .option("--delay <duration>", "how late each frame is")
      .option("--jitter <duration>", "the spread of the delay")
      .option("--correlation <part>", "how much a delay depends on the last one")
      .option("--distribution <kind>", `of the delays: ${DISTRIBUTIONS.join(", ")} (default: uniform)`)
      .option("--loss <part>", "how many frames are lost")
      .option("--loss-correlation <part>", "how much a loss depends on the last one")
      .option("--loss-gemodel <p,r,h,k>", "loss in bursts, by Gilbert and Elliott: 1%,10%,30%,99.9%")
      .option("--loss-state <p13,p31,p32,p23,p14>", "loss in bursts, by four states")
      .option("--duplicate <part>", "how many frames come twice")
      .option("--reorder <part>", "how many frames overtake others; needs --delay")
      .option("--gap <number>", "with --reorder: only each so many-th frame")
      .option("--corrupt <part>", "how many frames have one bit flipped")
      .option("--rate <rate>", "bits a second: 512kbit, 1mbit, 1gbit")
      .option("--limit <frames>", "how many frames may wait (default: 1000)"),
  ).addHelpText(
    "after",
    `
Each frame one way: a delay of 50ms from all to all makes a ping 100ms longer. The same seed gives the same verdicts on the
same frames; it does not repeat what guests do.

Example:
  fleetbox fault shape --from a --delay 50ms --jitter 10ms --loss 1%`,
  ).action(async (flags: ShapeFlags) => {
    await begin({ kind: "shape", ...ends(flags), shape: shapeOf(flags) }, flags);
  });
}

/** Each option by what it is parsed with. */
function shapeOf(flags: ShapeFlags): LinkShape {
  const parsed = <T>(text: string | undefined, parse: (text: string) => T): T | undefined =>
    text === undefined ? undefined : parse(text);
  const part = (key: keyof ShapeFlags, option: string) =>
    parsed(flags[key] as string | undefined, (text) => parseProbability(text, option));
  const shape: LinkShape = {
    delayMs: parsed(flags.delay, (text) => parseDelay(text, "--delay")),
    jitterMs: parsed(flags.jitter, (text) => parseDelay(text, "--jitter")),
    correlation: part("correlation", "--correlation"),
    distribution: flags.distribution as LinkShape["distribution"],
    loss: part("loss", "--loss"),
    lossCorrelation: part("lossCorrelation", "--loss-correlation"),
    lossGemodel: parsed(
      flags.lossGemodel,
      (text) => parseProbabilities(text, ["p", "r", "h", "k"], "--loss-gemodel"),
    ),
    lossState: parsed(
      flags.lossState,
      (text) => parseProbabilities(text, ["p13", "p31", "p32", "p23", "p14"], "--loss-state"),
    ),
    duplicate: part("duplicate", "--duplicate"),
    reorder: part("reorder", "--reorder"),
    gap: parsed(flags.gap, (text) => parseWhole(text, "--gap", 1_000_000)),
    corrupt: part("corrupt", "--corrupt"),
    rateBitsPerSecond: parsed(flags.rate, (text) => parseRate(text, "--rate")),
    limit: parsed(flags.limit, (text) => parseWhole(text, "--limit", 100_000)),
  };
  const given = Object.entries(shape).filter(([, value]) => value !== undefined);
  if (given.length > 0) return Object.fromEntries(given);
  throw new FleetboxError(
    "misuse",
    "What is to be wrong with the links? For example: fleetbox fault shape --delay 50ms",
  );
}

function ends({ from, to }: { from?: string; to?: string }): { from?: string[]; to?: string[] } {
  return {
    ...(from === undefined ? {} : { from: parseSet(from) }),
    ...(to === undefined ? {} : { to: parseSet(to) }),
  };
}

function setsOf(words: string[], example: string): string[][] {
  if (words.length >= 2) return words.map(parseSet);
  const found = words.length === 0 ? "Who from whom?" : `"${words[0]}" is one set, and it takes two.`;
  throw new FleetboxError("misuse", `${found} For example: fleetbox fault ${example}`, {
    hint: "Members of a set are joined by commas, sets are apart.",
  });
}

function both(one: string, other: string): FleetboxError {
  return new FleetboxError("misuse", `Give ${one} or ${other}, not both`);
}

function alone(option: string, needs: string): FleetboxError {
  return new FleetboxError("misuse", `${option} has no effect without ${needs}`);
}

function listCommand(): Command {
  return new Command("ls")
    .alias("list")
    .description("list the faults of all groups that run, and what they have done")
    .option("--via <name>", "only those of this member's group")
    .option("--json", "one JSON array")
    .addHelpText(
      "after",
      `
--json: [{"id","kind","what","spec","seed","members","since","left_ms"?,"counts","group","group_id"}]

Example:
  fleetbox fault ls`,
    )
    .action(async (flags: { via?: string; json?: boolean }) => {
      const via = flags.via === undefined ? undefined : checkName(flags.via);
      const store = openStore();
      if (via !== undefined) await requireAndAdopt(store, [via]);
      const silences: FleetboxError[] = [];
      const groups = await listFaults(store, via, (silence) => silences.push(silence));
      const faults = groups.flatMap(({ faults, group, group_id }) =>
        faults.map((fault) => ({ ...fault, group, group_id }))
      );
      if (flags.json) sayJson(faults);
      else if (faults.length > 0) tellFaults(faults);
      else if (silences.length === 0) warn(atPlace("no faults: fleetbox fault partition a b"));
      throwAll(silences);
    });
}

function tellFaults(faults: readonly (FaultReport & { group: string })[]): void {
  const rows = faults.map((fault) => [
    fault.id,
    fault.group,
    fault.left_ms === undefined ? "-" : ageText(fault.left_ms),
    fault.is_off ? `${fault.what} (up now)` : fault.what,
    countsText(fault),
  ]);
  const head = ["ID", "GROUP", "LEFT", "FAULT", "DONE"];
  tableLines(head, narrowed(rows).map((row) => row.map((text) => ({ text }))), paintFor()).forEach(say);
}

/** On a terminal, with the faults' texts as short as they must be for the rest to fit; at least 20 characters. */
function narrowed(rows: string[][]): string[][] {
  const width = terminalWidth();
  if (width === undefined) return rows;
  const widest = (column: number) => Math.max(5, ...rows.map((row) => row[column].length));
  const room = Math.max(20, width - [0, 1, 2, 4].reduce((sum, column) => sum + widest(column) + 2, 0));
  return rows.map((row) => row.with(3, clip(row[3], room)));
}

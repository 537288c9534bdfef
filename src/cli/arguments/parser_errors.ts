/**
 * The argument parser's errors in our words: what was found, what is expected, and a command line that works.
 *
 * Commander gives one English sentence and a code. The words and options in the sentence are extracted; unknown
 * sentences stay as they are.
 */

import type { Command, CommanderError } from "./parser.ts";
import { FleetboxError } from "../../core/errors.ts";
import { bounded, nearest } from "../../core/nearest.ts";
import { foreignCommand } from "./foreign_commands.ts";

/** The question for a missing argument, by the argument's name. */
const QUESTIONS: Record<string, string> = {
  name: "Which member?",
  names: "Which members?",
  "new-name": "Which new name?",
  command: "Which program?",
  places: "Copy what, and where to?",
  dir: "Which directory, and where to?",
  targets: "Where to?",
  image: "Which image?",
  file: "Which plan?",
  images: "Which images?",
  alias: "Which image?",
  shell: "Which shell?",
  checkpoint: "Which checkpoint?",
  checkpoints: "Which checkpoints?",
  place: "Which place?",
  address: "Where is it?",
};

/** An example for each command with required arguments; `parser_errors_test.ts` checks that none is missing. */
export const EXAMPLES: Record<string, string> = {
  up: "fleetbox up a,b",
  join: "fleetbox join d --via b",
  stop: "fleetbox stop a,b",
  restart: "fleetbox restart a,b",
  rename: "fleetbox rename a database",
  rm: "fleetbox rm a,b",
  status: "fleetbox status a",
  wait: "fleetbox wait a,b",
  logs: "fleetbox logs a",
  ssh: "fleetbox ssh a",
  exec: "fleetbox exec a -- uname -r",
  cp: "fleetbox cp app.tar.gz a:",
  sync: "fleetbox sync ./src a:src",
  console: "fleetbox console a",
  forward: "fleetbox forward a 8080:80",
  checkpoint: "fleetbox checkpoint a,b --as seeded",
  "checkpoint rm": "fleetbox checkpoint rm seeded",
  fork: "fleetbox fork seeded",
  restore: "fleetbox restore seeded",
  pause: "fleetbox pause a",
  resume: "fleetbox resume a",
  "fault clock": "fleetbox fault clock a --bump 30s",
  "fault memory": "fleetbox fault memory a --available 64M",
  "fault cpu": "fleetbox fault cpu a --share 30%",
  "fault disk": "fleetbox fault disk a --error EIO",
  "fault run": "fleetbox fault run plan.json",
  "image pull": "fleetbox image pull ubuntu-24.04",
  "image build": "fleetbox image build debian-12",
  "image rm": "fleetbox image rm debian-12",
  "trace events": "fleetbox trace events trace.zip",
  "trace rm": "fleetbox trace rm ID",
  "trace replay": "fleetbox trace replay trace.zip",
  "trace show": "fleetbox trace show trace.zip",
  "place add": "fleetbox place add big ssh://me@host",
  "place check": "fleetbox place check big",
  "place rm": "fleetbox place rm big",
  completion: "fleetbox completion bash",
};

/** Example values of options, by the value's name in the help. */
const VALUES: Record<string, string> = {
  size: "2G",
  number: "2",
  count: "3",
  duration: "90s",
  name: "b",
  names: "a,b",
  sets: "a,b",
  shape: "majority",
  part: "1%",
  rate: "1mbit",
  kind: "normal",
  kinds: "partition,pause",
  words: "one,minority",
  frames: "1000",
  image: "debian-12",
  file: "user-data.yaml",
  dir: "new-directory",
  directory: "/srv",
  address: "0.0.0.0",
  user: "root",
  "name=value": "LANG=C",
  forward: "8080:localhost:80",
  pattern: "node_modules",
  arch: "arm64",
  "key=value": "tier=db",
  package: "nginx",
  alias: "web",
};

/** {@link QUESTIONS} for one of a command's arguments, with an example. */
function missingArgument(path: string, argument: string): FleetboxError {
  const example = EXAMPLES[path];
  const question = QUESTIONS[argument] ?? `Which ${argument}?`;
  return new FleetboxError("misuse", example ? `${question} For example: ${example}` : question, {
    hint: `fleetbox help ${path}`,
  });
}

/** A word where a command is expected. @param rest the words behind it */
export function unknownCommand(word: string, rest: readonly string[], parent: Command): FleetboxError {
  const path = pathOf(parent);
  const near = nearest(word, parent.commands.flatMap((one) => [one.name(), ...one.aliases()]));
  const list = path === "" ? "fleetbox help" : `There are: ${parent.commands.map((one) => one.name()).join(", ")}`;
  const hint = (path === "" ? foreignCommand(word, rest) : undefined) ?? (near ? `Did you mean ${near}?` : list);
  return new FleetboxError("misuse", `There is no command "${[path, word].filter(Boolean).join(" ")}"`, { hint });
}

/** Commander's error as one of ours. @param text the text that it would have printed */
export function misuse(error: CommanderError, text: string, args: readonly string[], program: Command): FleetboxError {
  const complaint = (text || error.message).trim().replace(/^error: /, "");
  const [first, ...more] = complaint.split("\n");
  const { command, rest } = commandOf(args, program);
  const path = pathOf(command);
  const help = path === "" ? "fleetbox help" : `fleetbox help ${path}`;
  const guess = more.map((line) => /^\((Did you mean .*\?)\)$/.exec(line.trim())?.[1]).find(Boolean);
  const refuse = (message: string, hint = help) => new FleetboxError("misuse", message, { hint });
  const [quoted = ""] = /(?<=')[^']*(?=')/.exec(first) ?? [];
  switch (error.code) {
    case "commander.help":
      return refuse(`Which of ${path}'s commands? There are: ${command.commands.map((one) => one.name()).join(", ")}`);
    case "commander.unknownCommand":
      return unknownCommand(rest[0] ?? quoted, rest.slice(1), command);
    case "commander.missingArgument":
      return missingArgument(path, quoted);
    case "commander.missingMandatoryOptionValue":
      return refuse(`${nameOf(quoted)} is missing. For example: ${EXAMPLES[path] ?? help}`);
    case "commander.optionMissingArgument":
      return refuse(`${nameOf(quoted)} needs a value. For example: ${nameOf(quoted)} ${exampleValue(quoted)}`);
    case "commander.unknownOption":
      return refuse(
        `${path === "" ? "fleetbox" : `fleetbox ${path}`} has no option ${quoted}`,
        guess ??
          (path === "ssh" ? "With ssh's own: fleetbox ssh-config NAME > hosts && ssh -F hosts OPTIONS NAME" : help),
      );
    case "commander.excessArguments":
      return tooMany(command, first, help);
    case "commander.invalidArgument": {
      const choices = /Allowed choices are (.*)\.$/.exec(first)?.[1];
      if (choices) return refuse(`There is no ${path} for ${JSON.stringify(quoted)}; expected one of ${choices}`);
    }
  }
  return refuse(first.charAt(0).toUpperCase() + first.slice(1), guess);
}

/** `status a b`: how many arguments it takes, and the command line with the first one only. */
function tooMany(command: Command, complaint: string, help: string): FleetboxError {
  const [, count = "", list = ""] = /got (\d+): ([^]*)\.$/.exec(complaint) ?? [];
  const path = pathOf(command);
  const expected = command.registeredArguments;
  const found = bounded(list.split(", "));
  if (expected.length === 0) {
    const hint = path === "ls" ? `All about one member: fleetbox status ${list.split(", ")[0]}` : help;
    return new FleetboxError("misuse", `${path} takes no names or words, found ${found}`, { hint });
  }
  const takes = expected.length === 1 && expected[0].name() === "name" ? "one member" : `${expected.length} at most`;
  return new FleetboxError("misuse", `${path} takes ${takes}, found ${count}: ${found}`, { hint: help });
}

/** The command that the words name, and the words after it; the program itself where they name none. */
function commandOf(args: readonly string[], program: Command): { command: Command; rest: readonly string[] } {
  let command = program;
  let at = 0;
  for (; at < args.length; at++) {
    const next = command.commands.find((one) => one.name() === args[at] || one.aliases().includes(args[at]));
    if (!next) break;
    command = next;
  }
  return { command, rest: args.slice(at) };
}

/** `image pull`; empty for the program. */
function pathOf(command: Command): string {
  if (!command.parent) return "";
  return [pathOf(command.parent), command.name()].filter(Boolean).join(" ");
}

/** `--memory` of `--memory <size>`; the long one of `-p, --publish <host:guest>`. */
function nameOf(flags: string): string {
  return /--[a-z-]+/.exec(flags)?.[0] ?? /-[a-zA-Z]/.exec(flags)?.[0] ?? flags;
}

function exampleValue(flags: string): string {
  const placeholder = /<(.*)>/.exec(flags)?.[1] ?? "";
  if (placeholder.includes("|")) return placeholder.split("|").at(-1)!;
  if (placeholder === "host:guest") return /--(fixture|share)/.test(flags) ? "./data:/srv/data" : "8080:80";
  return VALUES[placeholder] ?? placeholder.toUpperCase();
}

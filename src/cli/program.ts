/**
 * The command line as a whole: every command, and the argument parser's ways bent to ours.
 *
 * Commander neither prints errors nor exits: what it finds wrong becomes a `misuse`, printed by `main.ts` like every
 * other error. What a command needs beyond its flags it imports itself, so that `ls` does not wait for `doctor`.
 */

import { Command, CommanderError } from "commander";
import { FleetboxError } from "../errors.ts";
import { VERSION } from "../self.ts";
import { cpCommand } from "./cp.ts";
import { doctorCommand } from "./doctor.ts";
import { imageCommand } from "./image.ts";
import { execCommand } from "./exec.ts";
import { joinCommand } from "./join.ts";
import { listCommand } from "./list.ts";
import { logsCommand } from "./logs.ts";
import { nearest } from "./nearest.ts";
import { write } from "./output.ts";
import { rmCommand } from "./rm.ts";
import { sshCommand } from "./ssh.ts";
import { sshConfigCommand } from "./ssh_config.ts";
import { statusCommand } from "./status.ts";
import { stopCommand } from "./stop.ts";
import { upCommand } from "./up.ts";
import { versionCommand } from "./version.ts";
import { waitCommand } from "./wait.ts";

const GROUPS: [string, (() => Command)[]][] = [
  ["Machines:", [upCommand, stopCommand, joinCommand, rmCommand]],
  ["What is there:", [listCommand, statusCommand, waitCommand, logsCommand]],
  ["Reaching them:", [sshCommand, execCommand, cpCommand, sshConfigCommand]],
  ["Images:", [imageCommand]],
  ["fleetbox itself:", [doctorCommand, versionCommand]],
];

const AFTER = `
Start:
  fleetbox up a,b,c            three machines on one private network
  fleetbox ssh a -- ping -c1 b
  fleetbox rm a b c

What a command tells goes to standard output, errors and hints to standard error; with --json an error is one line
{"event":"error","code","message","causes","hint"?} there.
Exit codes: 0 done, 1 failed, 2 misused, 3 not found, 4 timed out, 130 interrupted.
Environment: FLEETBOX_HOME (the store, default ~/.fleetbox), FLEETBOX_IMAGE, FLEETBOX_ACCEL (kvm, hvf, tcg),
FLEETBOX_QEMU, NO_COLOR, FLEETBOX_DEBUG (wire, qmp, stack: what is mirrored to standard error).`;

/** The program with all its commands. */
export function buildProgram(): Command {
  const program = new Command("fleetbox")
    .description("Whole Linux machines in named groups on one private network.")
    .version(`fleetbox ${VERSION}`, "-V, --version", "print the version")
    .helpOption("-h, --help", "print help")
    .enablePositionalOptions()
    .configureHelp({ sortSubcommands: false, showGlobalOptions: false })
    .addHelpText("after", AFTER);
  for (const [heading, commands] of GROUPS) {
    for (const make of commands) program.addCommand(make().helpGroup(heading).helpOption("-h, --help", "print help"));
  }
  program.helpCommand(false).addCommand(helpCommand(program).helpGroup("fleetbox itself:"));
  for (const command of [program, ...program.commands.flatMap((one) => [one, ...one.commands])]) {
    command.exitOverride().configureOutput({
      writeOut: write,
      writeErr: (text) => lastError = text,
      outputError: (text) => lastError = text,
    });
  }
  return program;
}

function helpCommand(program: Command): Command {
  return new Command("help")
    .description("print help, on everything or on one command")
    .argument("[command]")
    .action((word?: string) => {
      if (word === undefined) return program.outputHelp();
      const command = program.commands.find((one) => one.name() === word || one.aliases().includes(word));
      if (command) return command.outputHelp();
      const near = nearest(word, program.commands.flatMap((one) => [one.name(), ...one.aliases()]));
      throw new FleetboxError("misuse", `There is no command "${word}"`, {
        hint: near ? `Did you mean ${near}?` : "fleetbox help",
      });
    });
}

/** What commander would have printed. */
let lastError = "";

/**
 * Runs one command. Its exit code, when it is not 0 and no error, is in `Deno.exitCode`.
 * @throws {FleetboxError} and whatever else went wrong.
 */
export async function runCommandLine(args: readonly string[]): Promise<void> {
  const program = buildProgram();
  if (args.length === 0) return program.outputHelp();
  try {
    await program.parseAsync([...args], { from: "user" });
  } catch (thrown) {
    if (!(thrown instanceof CommanderError)) throw thrown;
    if (thrown.exitCode === 0) return;
    throw misuse(thrown, args, program);
  }
}

/** Whether errors are to be told as JSON. What stands after `--`, or is a guest's command, is not ours. */
export function wantsJson(args: readonly string[]): boolean {
  const end = args.indexOf("--");
  return args[0] !== "ssh" && args[0] !== "exec" && (end < 0 ? args : args.slice(0, end)).includes("--json");
}

/** Commander's complaint as one of ours: `error: unknown option '--jsno'` and `(Did you mean --json?)`. */
function misuse({ message, code }: CommanderError, args: readonly string[], program: Command): FleetboxError {
  const text = (lastError || message).trim().replace(/^error: /, "");
  const [first, ...rest] = text.split("\n");
  const guess = rest.map((line) => /^\((Did you mean .*\?)\)$/.exec(line.trim())?.[1]).find(Boolean);
  const command = program.commands.find((one) => one.name() === args[0] || one.aliases().includes(args[0]));
  const help = command ? `fleetbox help ${command.name()}` : "fleetbox help";
  const sentence = code === "commander.unknownCommand"
    ? first.replace("unknown command", "there is no command")
    : first;
  return new FleetboxError("misuse", sentence.charAt(0).toUpperCase() + sentence.slice(1), {
    hint: guess ?? help,
  });
}

/**
 * The command line as a whole: every command, and the settings of the argument parser.
 *
 * Commander neither prints errors nor exits: its errors become `misuse`, and `start.ts` prints them like all others.
 * Only the requested command is loaded, so that `status` does not wait for `image`. Help, completion and suggestions
 * for mistyped commands load all of them.
 */

import { VARIABLES } from "../core/environment.ts";
import { Command, CommanderError } from "./arguments/parser.ts";
import { lazyModule } from "../core/lazy_modules.ts";
import { versionLine } from "../system/program_info.ts";
import { misuse, unknownCommand } from "./arguments/parser_errors.ts";
import { HERE_ONLY } from "./places/commands.ts";
import { terminalWidth, write } from "./terminal/output.ts";
import { wrapHelp } from "./terminal/wrap.ts";

/** A command: its names, its heading in help, and how it is loaded. */
interface Entry {
  /** Its name, then its aliases. */
  words: string[];
  heading: string;
  make: () => Promise<Command>;
}

function entry<Module>(heading: string, words: string, file: string, make: (module: Module) => Command): Entry {
  return {
    words: words.split(" "),
    heading,
    make: async () => make(await lazyModule<Module>(`src/cli/commands/${file}`)),
  };
}

const [MACHINES, THERE, REACHING] = ["Machines:", "What is there:", "Reaching them:"];
const [MOMENTS, FAULTS] = ["Moments of a group:", "Faults:"];
const [IMAGES, PLACES, ITSELF] = ["Images:", "Other hosts:", "fleetbox itself:"];

/**
 * In the order in which help lists them. The rows are alike, which `duplicates` reports, and stay so: each names
 * its module's type in so many words, by which the compiler checks it, and `lazy_modules_test.ts` that `main.ts` has it
 * for a compiled executable. A loop over names would lose both.
 */
const COMMANDS: readonly Entry[] = [
  entry<typeof import("./commands/up.ts")>(MACHINES, "up start", "up.ts", ({ upCommand }) => upCommand()),
  entry<typeof import("./commands/stop.ts")>(MACHINES, "stop down halt", "stop.ts", ({ stopCommand }) => stopCommand()),
  entry<typeof import("./commands/restart.ts")>(
    MACHINES,
    "restart reboot",
    "restart.ts",
    ({ restartCommand }) => restartCommand(),
  ),
  entry<typeof import("./commands/join.ts")>(MACHINES, "join", "join.ts", ({ joinCommand }) => joinCommand()),
  entry<typeof import("./commands/rm.ts")>(
    MACHINES,
    "rm delete remove destroy",
    "rm.ts",
    ({ rmCommand }) => rmCommand(),
  ),
  entry<typeof import("./commands/config.ts")>(
    MACHINES,
    "config",
    "config.ts",
    ({ configCommand }) => configCommand(),
  ),
  entry<typeof import("./commands/rename.ts")>(
    MACHINES,
    "rename mv",
    "rename.ts",
    ({ renameCommand }) => renameCommand(),
  ),
  entry<typeof import("./commands/list.ts")>(THERE, "ls ps list", "list.ts", ({ listCommand }) => listCommand()),
  entry<typeof import("./commands/status.ts")>(
    THERE,
    "status info",
    "status.ts",
    ({ statusCommand }) => statusCommand(),
  ),
  entry<typeof import("./commands/stats.ts")>(THERE, "stats", "stats.ts", ({ statsCommand }) => statsCommand()),
  entry<typeof import("./commands/wait.ts")>(THERE, "wait", "wait.ts", ({ waitCommand }) => waitCommand()),
  entry<typeof import("./commands/logs.ts")>(THERE, "logs", "logs.ts", ({ logsCommand }) => logsCommand()),
  entry<typeof import("./commands/events.ts")>(
    THERE,
    "events",
    "events.ts",
    ({ eventsCommand }) => eventsCommand(),
  ),
  entry<typeof import("./commands/capture.ts")>(
    THERE,
    "capture",
    "capture.ts",
    ({ captureCommand }) => captureCommand(),
  ),
  entry<typeof import("./commands/trace.ts")>(THERE, "trace", "trace.ts", ({ traceCommand }) => traceCommand()),
  entry<typeof import("./commands/view.ts")>(THERE, "view", "view.ts", ({ viewCommand }) => viewCommand()),
  entry<typeof import("./commands/ssh.ts")>(REACHING, "ssh shell", "ssh.ts", ({ sshCommand }) => sshCommand()),
  entry<typeof import("./commands/exec.ts")>(REACHING, "exec", "exec.ts", ({ execCommand }) => execCommand()),
  entry<typeof import("./commands/cp.ts")>(REACHING, "cp copy", "cp.ts", ({ cpCommand }) => cpCommand()),
  entry<typeof import("./commands/sync.ts")>(REACHING, "sync", "sync.ts", ({ syncCommand }) => syncCommand()),
  entry<typeof import("./commands/console.ts")>(
    REACHING,
    "console",
    "console.ts",
    ({ consoleCommand }) => consoleCommand(),
  ),
  entry<typeof import("./commands/forward.ts")>(
    REACHING,
    "forward",
    "forward.ts",
    ({ forwardCommand }) => forwardCommand(),
  ),
  entry<typeof import("./commands/ssh_config.ts")>(
    REACHING,
    "ssh-config",
    "ssh_config.ts",
    ({ sshConfigCommand }) => sshConfigCommand(),
  ),
  entry<typeof import("./commands/checkpoint.ts")>(
    MOMENTS,
    "checkpoint",
    "checkpoint.ts",
    ({ checkpointCommand }) => checkpointCommand(),
  ),
  entry<typeof import("./commands/fork.ts")>(MOMENTS, "fork", "fork.ts", ({ forkCommand }) => forkCommand()),
  entry<typeof import("./commands/restore.ts")>(
    MOMENTS,
    "restore",
    "restore.ts",
    ({ restoreCommand }) => restoreCommand(),
  ),
  entry<typeof import("./commands/suspend.ts")>(
    MOMENTS,
    "suspend",
    "suspend.ts",
    ({ suspendCommand }) => suspendCommand(),
  ),
  entry<typeof import("./commands/fault.ts")>(FAULTS, "fault", "fault.ts", ({ faultCommand }) => faultCommand()),
  entry<typeof import("./commands/heal.ts")>(FAULTS, "heal", "heal.ts", ({ healCommand }) => healCommand()),
  entry<typeof import("./commands/pause.ts")>(FAULTS, "pause freeze", "pause.ts", ({ pauseCommand }) => pauseCommand()),
  entry<typeof import("./commands/resume.ts")>(
    FAULTS,
    "resume unpause",
    "resume.ts",
    ({ resumeCommand }) => resumeCommand(),
  ),
  entry<typeof import("./commands/clock.ts")>(FAULTS, "clock", "clock.ts", ({ clockCommand }) => clockCommand()),
  entry<typeof import("./commands/image.ts")>(IMAGES, "image", "image.ts", ({ imageCommand }) => imageCommand()),
  entry<typeof import("./commands/place.ts")>(PLACES, "place", "place.ts", ({ placeCommand }) => placeCommand()),
  entry<typeof import("./commands/prune.ts")>(ITSELF, "prune", "prune.ts", ({ pruneCommand }) => pruneCommand()),
  entry<typeof import("./commands/uninstall.ts")>(
    ITSELF,
    "uninstall",
    "uninstall.ts",
    ({ uninstallCommand }) => uninstallCommand(),
  ),
  entry<typeof import("./commands/doctor.ts")>(ITSELF, "doctor", "doctor.ts", ({ doctorCommand }) => doctorCommand()),
  entry<typeof import("./commands/completion.ts")>(
    ITSELF,
    "completion",
    "completion.ts",
    ({ completionCommand }) => completionCommand(),
  ),
  entry<typeof import("./commands/version.ts")>(
    ITSELF,
    "version",
    "version.ts",
    ({ versionCommand }) => versionCommand(),
  ),
];

const AFTER = `
Start:
  fleetbox up a,b,c            three machines on one private network
  fleetbox ssh a -- ping -c1 b
  fleetbox rm a b c

Output:
What a command tells goes to standard output, errors and hints to standard error. With --json that is one JSON value a
line, an error {"event":"error","code","message","causes","hint"?}; docs/json.md has every shape.

Exit codes:
  0    done
  1    failed
  2    misused: an unknown command or option, a bad name or value
  3    not found: a member, a checkpoint, an image, a file
  4    timed out
  130  interrupted
ssh, exec and cp end with the exit code of what they ran.

Environment:
${variableLines()}`;

function variableLines(): string {
  const all = { ...VARIABLES, NO_COLOR: "no colours on a terminal", FORCE_COLOR: "colours without one" };
  return Object.entries(all).map(([name, meaning]) => `  ${name.padEnd(18)}  ${meaning}`).join("\n");
}

/** The program, with all its commands or with the one named `word`. */
export async function buildProgram(word?: string): Promise<Command> {
  const asked = COMMANDS.filter(({ words }) => word !== undefined && words.includes(word));
  const program = new Command("fleetbox")
    .description("Whole Linux machines in named groups on one private network.")
    .version(versionLine(), "-V, --version", "print the version")
    .helpOption("-h, --help", "print help")
    .enablePositionalOptions()
    .configureHelp({ sortSubcommands: false, showGlobalOptions: false })
    .addHelpText("after", AFTER);
  for (const { heading, make } of asked.length > 0 ? asked : COMMANDS) {
    program.addCommand((await make()).helpGroup(heading).helpOption("-h, --help", "print help"));
  }
  for (const command of program.commands.flatMap((one) => [one, ...one.commands])) {
    if (takesPlace(command)) command.option("--on <place>", "where to do it: a place (fleetbox place), or here");
  }
  program.helpCommand(false).addCommand(helpCommand(program).helpGroup(ITSELF));
  for (const command of [program, ...program.commands.flatMap((one) => [one, ...one.commands])]) {
    command.configureHelp({ ...command.configureHelp(), commandUsage, subcommandTerm });
    command.exitOverride().configureOutput({
      writeOut: (text) => write(wrapHelp(text, helpWidth())),
      getOutHelpWidth: helpWidth,
      writeErr: (text) => lastError = text,
      outputError: (text) => lastError = text,
    });
  }
  return program;
}

/** Whether a command can be done at a place: `--on` is taken out of the words before they are parsed (`start.ts`). */
function takesPlace(command: Command): boolean {
  const top = command.parent?.parent ? command.parent : command;
  return !HERE_ONLY.includes(top.name()) && command.commands.length === 0 &&
    !command.options.some(({ long }) => long === "--on");
}

/** A list of commands has no aliases, to leave space for descriptions. */
function subcommandTerm(command: Command): string {
  const words = command.registeredArguments.map((argument) => {
    const name = `${argument.name()}${argument.variadic ? "..." : ""}`;
    return argument.required ? `<${name}>` : `[${name}]`;
  });
  return [command.name(), ...(command.options.length > 0 ? ["[options]"] : []), ...words].join(" ");
}

/** A command's own help has all of them. */
function commandUsage(command: Command): string {
  const path = command.parent?.parent ? `${command.parent.name()} ` : "";
  const words = [command.name(), ...command.aliases()].join("|");
  return `${command.parent ? "fleetbox " : ""}${path}${words} ${command.usage()}`;
}

function helpCommand(program: Command): Command {
  return new Command("help")
    .description("print help, on everything or on one command")
    .argument("[command...]", "such as up, or image ls")
    .option("--man", "the manual page, for man: fleetbox help --man | man -l -")
    .addHelpText("after", "\nExamples:\n  fleetbox help up\n  fleetbox help --man > ~/.local/share/man/man1/fleetbox.1")
    .action(async (words: string[], flags: { man?: boolean }) => {
      if (flags.man) {
        const { manual } = await import("./manual.ts");
        return write(manual(program));
      }
      let command = program;
      for (const [index, word] of words.entries()) {
        const next = command.commands.find((one) => one.name() === word || one.aliases().includes(word));
        if (!next) throw unknownCommand(word, words.slice(index + 1), command);
        command = next;
      }
      command.outputHelp();
    });
}

/** A terminal's width; 80 columns elsewhere. */
function helpWidth(): number {
  return terminalWidth() ?? 80;
}

/** The text that commander would have printed. */
let lastError = "";

/**
 * Runs one command. An exit code that is not an error is in `Deno.exitCode`.
 * @throws {FleetboxError} or any other error.
 */
export async function runCommandLine(args: readonly string[]): Promise<void> {
  const program = await buildProgram(args[0]);
  if (args.length === 0) return program.outputHelp();
  try {
    await program.parseAsync([...args], { from: "user" });
  } catch (thrown) {
    if (!(thrown instanceof CommanderError)) throw thrown;
    if (thrown.exitCode === 0) return;
    throw misuse(thrown, lastError, args, program);
  }
}

/**
 * The manual page, `fleetbox(1)`, made from the commands: the text of `fleetbox help` in man(7)'s format.
 *
 * A help text's own part (after its options) is used as it is: the formatter fills paragraphs and keeps indented lines
 * and tables. `groff -ww` has no complaints about the result.
 */

import type { Command, Option } from "./arguments/parser.ts";
import { VERSION } from "../system/program_info.ts";

/** The page, in man(7)'s macros. */
export function manual(program: Command): string {
  const commands = program.commands.flatMap((one) => [one, ...one.commands]);
  return [
    `.\\" Written by: fleetbox help --man`,
    `.TH FLEETBOX 1 "" "fleetbox ${VERSION}" "User Commands"`,
    ".nh",
    ".ad l",
    ".SH NAME",
    `fleetbox \\- ${escaped(lowered(program.description().replace(/\.$/, "")))}`,
    ".SH SYNOPSIS",
    ".B fleetbox",
    ".I command",
    "[\\fIoptions\\fR] [\\fIarguments\\fR]",
    ".SH DESCRIPTION",
    ...text(DESCRIPTION),
    ".SH COMMANDS",
    ...commands.flatMap(section),
    ...parts(afterText(program)),
    ".SH FILES",
    ...entry(
      "~/.fleetbox",
      "The store, or $FLEETBOX_HOME: members with their disks, images, the installation's own key.",
    ),
    ...entry("~/.fleetbox/clusters/*/NAME/serial.log", "What a member wrote to its console: fleetbox logs NAME."),
    ...entry("~/.fleetbox/runner-NAME.log", "The log of a group's holder: fleetbox logs --holder NAME."),
    ".SH SEE ALSO",
    ".BR qemu-system-x86_64 (1),",
    ".BR ssh (1)",
    "",
  ].join("\n");
}

const DESCRIPTION = `
fleetbox makes whole Linux machines, in named groups on one private network each, under QEMU: without root, a daemon or a
configuration file. A machine is called a member. The members that one command makes are a group: they reach each other
by name, and no other group sees them. A member's disk stays until it is removed with fleetbox rm.`;

function section(command: Command): string[] {
  const path = command.parent?.parent ? `${command.parent.name()} ${command.name()}` : command.name();
  const aliases = command.aliases();
  const options = command.options.filter((option) => !option.hidden);
  return [
    `.SS "fleetbox ${escaped(`${path} ${command.usage()}`)}"`,
    escaped(sentence(command.description())),
    ...(aliases.length > 0 ? [`Also called ${escaped(aliases.join(", "))}.`] : []),
    ...operands(command),
    ...options.flatMap(option),
    ...text(afterText(command)),
  ];
}

function operands(command: Command): string[] {
  return command.registeredArguments.filter(({ description }) => description).flatMap((argument) =>
    entry(
      argument.name(),
      `${argument.description}${argument.argChoices ? `: ${argument.argChoices.join(", ")}` : ""}.`,
    )
  );
}

function option({ flags, description }: Option): string[] {
  return entry(flags, `${description}.`);
}

function entry(term: string, description: string): string[] {
  return [".TP", `.B ${escaped(term)}`, escaped(description)];
}

/** A command's help after its options. */
export function afterText(command: Command): string {
  let help = "";
  const { writeOut } = command.configureOutput();
  command.configureOutput({ writeOut: (text) => void (help += text) });
  command.outputHelp();
  command.configureOutput({ writeOut });
  return help.slice(command.helpInformation().length);
}

/** The program's own text: lines below a `Heading:` become a section. */
function parts(after: string): string[] {
  return after.trim().split(/\n\n+|\n(?=[A-Z][a-z ]+:\n)/).flatMap((part) => {
    const [, heading, rest] = /^([A-Z][a-z ]+):\n([^]*)$/.exec(part) ?? [];
    return heading ? [`.SH ${heading.toUpperCase()}`, ...text(rest)] : [".SH OUTPUT", ...text(part)];
  });
}

/** Free text: filled where it is prose, kept where lines are indented or begin with a heading. */
function text(free: string): string[] {
  const lines: string[] = [];
  for (const block of free.replace(/^\n+|\s+$/g, "").split(/\n\n+/).filter(Boolean)) {
    let kept = false;
    lines.push(".PP");
    for (const line of block.split("\n")) {
      const keep = /^\s/.test(line);
      if (keep !== kept) lines.push(keep ? ".nf" : ".fi");
      kept = keep;
      lines.push(escaped(line));
    }
    if (kept) lines.push(".fi");
  }
  return lines;
}

/**
 * Escapes text for the formatter: no macro at a line's start, no escape, hyphens and quotes that can be copied, and
 * JSON that may be broken after a comma.
 */
function escaped(plain: string): string {
  return plain
    .replaceAll("\\", "\\e")
    .replace(/\S{30,}/g, (word) => word.replaceAll(",", ",\\:"))
    .replaceAll("-", "\\-")
    .replaceAll("'", "\\(aq")
    .replaceAll('"', "\\(dq")
    .replaceAll("^", "\\(ha")
    .replaceAll("~", "\\(ti")
    .replaceAll("`", "\\(ga")
    .replaceAll("…", "...")
    .replace(/^(\s*)\./, "$1\\&.");
}

function sentence(words: string): string {
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}.`;
}

function lowered(words: string): string {
  return words.charAt(0).toLowerCase() + words.slice(1);
}

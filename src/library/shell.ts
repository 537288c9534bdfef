/**
 * Command lines for a guest's shell. Pure: words, environment and directory in, one line out.
 *
 * The line goes to the user's login shell, because SSH has no other way (RFC 4254, section 6.5). Words reach the
 * program exactly as given. The environment is exported in the line itself, because SSH servers refuse most variables.
 */

import { FleetboxError } from "../core/errors.ts";
import { clip } from "../core/bytes.ts";
import { shellCommand, shellQuote } from "../core/quoting.ts";

/**
 * A command: a line for the guest's shell, or a program and its arguments, passed exactly.
 *
 * @example
 * ```ts
 * import { type Command, start } from "fleetbox";
 *
 * const commands: Command[] = ["ls | wc -l", ["printf", "%s", "$HOME is not expanded here"]];
 * await using vm = await start();
 * for (const command of commands) console.log((await vm.exec(command)).stdout);
 * ```
 */
export type Command = string | readonly string[];

interface LineOptions {
  env?: Record<string, string>;
  cwd?: string;
  /** A mark in the environment of every process of the command, by which they can be found. */
  mark?: string;
}

/** The variable that carries a command's mark. */
const MARK_VARIABLE = "FLEETBOX_EXEC";

/**
 * The line for a command.
 * @throws {FleetboxError} `misuse`: no command, a NUL byte, a bad name of a variable.
 */
export function commandLine(command: Command, options: LineOptions = {}): string {
  const isLine = typeof command === "string";
  if (!isLine && !(Array.isArray(command) && command.every((word) => typeof word === "string"))) {
    throw new FleetboxError("misuse", `Not a command: found ${clip(String(command), 80)}, expected a line or words`);
  }
  if (command.length === 0 || (!isLine && command[0] === "")) {
    throw new FleetboxError("misuse", "Not a command: it is empty");
  }
  const variables = Object.entries(options.env ?? {});
  for (const [name, value] of variables) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
      throw new FleetboxError(
        "misuse",
        `Not a name of an environment variable: ${JSON.stringify(clip(name, 80))}; expected letters, digits and _`,
      );
    }
    if (typeof value !== "string") {
      throw new FleetboxError("misuse", `Bad value of the variable ${name}: found ${typeof value}, expected a string`);
    }
  }
  if (options.mark) variables.push([MARK_VARIABLE, options.mark]);
  const before = [
    ...(variables.length > 0
      ? [`export ${variables.map(([name, value]) => `${name}=${shellQuote(value)}`).join(" ")}`]
      : []),
    ...(options.cwd === undefined ? [] : [`cd -- ${shellQuote(options.cwd)} || exit 1`]),
  ];
  const line = isLine ? command : shellCommand(command);
  const all = [...before, line].join("; ");
  if (all.includes("\0")) throw new FleetboxError("misuse", "A command cannot hold a NUL byte");
  return all;
}

/**
 * A line that signals every process with a mark, and their descendants; it prints how many there were. A shell has the
 * mark on its command line, its children have it in the environment, and `sudo`'s children descend from those. It runs
 * as root if sudo allows it. The mark is joined from two parts and read from a pipe, so that this line does not find
 * itself. (No `grep`: busybox's stops at a line's first NUL.)
 *
 * Processes are stopped before they are killed, until no new ones are found: otherwise a shell whose command is killed
 * continues with its next command, and a process that is being started is missed.
 */
export function killLine(mark: string, signal: string): string {
  const stop = `round=0 stopped=' '
while [ $round -lt 10 ]; do
  round=$((round + 1)) more=
  for p in $all; do
    case $stopped in *" $p "*) continue ;; esac
    more=1 stopped="$stopped$p "
    kill -STOP "$p" 2>/dev/null
  done
  [ "$more" ] || break
  all=$(find_all)
done
`;
  const script = `m=${MARK_VARIABLE}; m=$m=${mark}
find_all() {
  {
    echo "$m"
    head -v -c 65536 /proc/[0-9]*/environ /proc/[0-9]*/cmdline | tr '\\0' '\\n'
    echo "==> /proc/status <=="
    cat /proc/[0-9]*/status
  } 2>/dev/null | awk '
  NR == 1 { mark = $0; next }
  /^==> \\/proc\\// { split($2, path, "/"); at = path[3]; next }
  at != "status" && index($0, mark) { is[at] = 1 }
  at == "status" && /^Pid:/ { pid = $2 }
  at == "status" && /^PPid:/ { parent[pid] = $2 }
  END {
    do {
      more = 0
      for (p in parent) if ((parent[p] in is) && !(p in is)) { is[p] = 1; more = 1 }
    } while (more)
    for (p in is) if (p in parent) print p
  }'
}
all=$(find_all)
${signal === "KILL" ? stop : ""}n=0
for p in $all; do kill -${signal} "$p" 2>/dev/null && n=$((n + 1)); done
echo $n`;
  const shell = `sh -c ${shellQuote(script)}`;
  return `if sudo -n true 2>/dev/null; then sudo -n ${shell}; else ${shell}; fi`;
}

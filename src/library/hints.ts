/**
 * Hints in the library's words: what a caller types in a program, where the command line would be told a command.
 *
 * Most hints are written where something fails, in the holder or in the client half, which both faces share, and name the
 * commands and options of the command line. Those are a fixed vocabulary; here is what each is called in the library. What
 * is not listed (`fleetbox rm`, `fleetbox image pull`) is for the command line in either case.
 *
 * A test runner prints the message of an error and little else: in a process that uses the library a hint is also at the
 * end of the message.
 */

import { speakFor } from "../core/errors.ts";

const NAME = "[a-z0-9-]+";

const WORDS: [command: RegExp, library: string][] = [
  // The last lines of the console are the cause of a start that timed out; its machine is gone by then.
  [new RegExp(`,? or look at what it says: fleetbox logs ${NAME}`), "; what it said is in the cause"],
  [new RegExp(`fleetbox logs ${NAME}`), "vm.console()"],
  [new RegExp(`fleetbox stop (--force ${NAME}|${NAME} --force)`), "vm.kill()"],
  [new RegExp(`fleetbox stop ${NAME}`), "vm.stop()"],
  [new RegExp(`fleetbox (up|wait) ${NAME}$`), "vm.start()"],
  [new RegExp(`fleetbox up ${NAME}(?=[);])`), "vm.start()"],
  [new RegExp(`fleetbox status ${NAME}$`), "vm.state()"],
  [new RegExp(`fleetbox ssh ${NAME} -- (.*)$`), 'vm.exec("$1")'],
  [new RegExp(`fleetbox forward ${NAME} (\\d+)(?![\\d:])`), "vm.forward($1)"],
  [/--memory (\d+)M\b/, "memoryMiB: $1"],
  [/--memory\b/, "memoryMiB"],
  [/--disk (\d+)M\b/, "diskMiB: $1"],
  [/--timeout\b/, "bootTimeoutMs"],
  [/--ready (ssh|cloud-init)\b/, 'ready: "$1"'],
  [/--fixture HOST_DIR:GUEST_DIR/, "fixtures: [{ hostPath, guestPath }]"],
  [/--image PATH\b/, "image: PATH"],
  [/--egress (on|off)\b/, 'egress: "$1"'],
];

/** A hint of the command line's, as the library says it. */
export function libraryHint(hint: string): string {
  return WORDS.reduce((text, [command, library]) => text.replace(command, library), hint);
}

speakFor({ hint: libraryHint, isInMessage: true });

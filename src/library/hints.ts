/**
 * Hints in the library's words: calls and options instead of command lines.
 *
 * Most hints come from the holder or the client half, which the command line and the library share, and name the
 * command line's commands and options. This table has the library's name of each. Others (`fleetbox rm`, `fleetbox
 * image pull`) are for the command line in either case.
 *
 * A test runner prints little more than the message of an error, so in a process that uses the library the message ends
 * with the hint.
 */

import { speakFor } from "../core/errors.ts";

const NAME = "[a-z0-9-]+";

const WORDS: [command: RegExp, library: string][] = [
  // The last lines of the console are the cause of a start that timed out; its machine is gone by then.
  [new RegExp(`,? or read its console: fleetbox logs ${NAME}`), "; its console is in the cause"],
  [new RegExp(`fleetbox logs ${NAME}`), "vm.console()"],
  [new RegExp(`fleetbox stop (--force ${NAME}|${NAME} --force)`), "vm.kill()"],
  [new RegExp(`fleetbox stop ${NAME}`), "vm.stop()"],
  [new RegExp(`fleetbox checkpoint ${NAME}(,${NAME})* --as ${NAME}`, "i"), "cluster.checkpoint()"],
  [new RegExp(`fleetbox up ${NAME} --cold`), "vm.start({ cold: true })"],
  [new RegExp(`fleetbox (up|wait) ${NAME}$`), "vm.start()"],
  [new RegExp(`fleetbox up ${NAME}(?=[);])`), "vm.start()"],
  [new RegExp(`fleetbox status ${NAME}$`), "vm.state()"],
  [new RegExp(`fleetbox ssh ${NAME} -- (.*)$`), 'vm.exec("$1")'],
  [new RegExp(`fleetbox forward ${NAME} (\\d+)(?![\\d:])`), "vm.forward($1)"],
  [new RegExp(`fleetbox up ${NAME} --run .*$`), "vm.exec() or start()"],
  [/--memory (\d+)M\b/, "memoryMiB: $1"],
  [/--memory\b/, "memoryMiB"],
  [/--disk (\d+)M\b/, "diskMiB: $1"],
  [/--disk\b/, "diskMiB"],
  [/--timeout\b/, "bootTimeoutMs"],
  [/--ready (ssh|cloud-init)\b/, 'ready: "$1"'],
  [/--fixture HOST_DIR:GUEST_DIR/, "fixtures: [{ hostPath, guestPath }]"],
  [/--image PATH\b/, "image: PATH"],
  [/--egress (on|off)\b/, 'egress: "$1"'],
];

/** A hint of the command line in the library's words. */
export function libraryHint(hint: string): string {
  return WORDS.reduce((text, [command, library]) => text.replace(command, library), hint);
}

speakFor({ hint: libraryHint, isInMessage: true });

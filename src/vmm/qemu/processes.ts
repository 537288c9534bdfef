/**
 * QEMU's processes, as others see them: by their command lines. Small, for `ls` reads it: the driver itself is not loaded.
 */

import { variable } from "../../core/environment.ts";
import { host } from "../../system/os.ts";

/**
 * For a process with these arguments: whether it is the QEMU that has a control socket; undefined: it is no QEMU of ours.
 * macOS gives all arguments in one text.
 */
export function controlSocketTest(args: readonly string[]): ((socket: string) => boolean) | undefined {
  if (!args.some((arg) => /(^| )guest=/.test(arg))) return undefined;
  return (socket) => {
    const written = socket.replaceAll(",", ",,"); // QEMU's options escape a comma so
    return args.some((arg) => arg.includes(`${written},`));
  };
}

/** Whether a QEMU was started to be restored. */
export function wasStartedIncoming(pid: number): boolean {
  for (const process of host().commandLines()) if (process.pid === pid) return process.args.includes("-incoming");
  return false;
}

/** The programs without which no machine of the host's own kind runs. */
export function requiredPrograms(): { program: string; install: string }[] {
  const arch = Deno.build.arch;
  const qemu = variable("FLEETBOX_QEMU") ?? `qemu-system-${arch}`;
  return [
    { program: qemu, install: host().install(arch === "aarch64" ? "qemu-system-arm" : "qemu-system-x86", "qemu") },
    { program: "qemu-img", install: host().install("qemu-utils", "qemu") },
  ];
}

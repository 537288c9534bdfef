/**
 * What a guest says on its serial console: the stages of its boot, and the last lines for an error.
 *
 * The hypervisor appends everything to `serial.log`, whoever listens; the holder also reads the console socket, because
 * a line there is an event and a file is not. `micro` says `fleetbox-micro: <stage>`; any other guest's first line that is
 * not its firmware's means that its kernel runs.
 */

import { connectUnix, readLines } from "../unix.ts";
import type { Stage } from "../wire.ts";

/** Lines before the kernel's: SeaBIOS's, UEFI's and the boot loader's, and empty ones. */
const FIRMWARE = /^\s*$|SeaBIOS|iPXE|^Booting|^BdsDxe|GNU GRUB|SYSLINUX/;
/** cloud-init's first line of a stage, and its last of all, unless somebody has set another (`final_message`). */
const CLOUD_INIT = /Cloud-init v\. \S+ (running|finished) /;
/** What is looked at of one line: a guest may write for ever without ending it. */
const MAX_LINE = 4096;
const MARK = /fleetbox-micro: (kernel|network|ssh|down|error: .*)/;

/**
 * Reads a console until it ends.
 * @param onStage is called for each stage that the guest enters, in its order.
 * @param onCloudInit is called when cloud-init says that it runs, or that it has finished.
 * @returns a function that lets go of the console.
 */
export async function followConsole(
  socket: string,
  onStage: (stage: Stage) => void,
  onCloudInit: (what: "running" | "finished") => void = () => {},
): Promise<() => void> {
  const connection = await connectUnix(socket);
  if (!connection) return () => {};
  void (async () => {
    try {
      let isFirmware = true;
      for await (const line of readLines(connection, { max: MAX_LINE, overlong: "cut" })) {
        const said = MARK.exec(line)?.[1];
        if (isFirmware && (said || !FIRMWARE.test(printable(line)))) {
          isFirmware = false;
          onStage("kernel");
        }
        if (said === "network" || said === "ssh") onStage(said);
        const cloudInit = CLOUD_INIT.exec(line)?.[1];
        if (cloudInit) onCloudInit(cloudInit as "running" | "finished");
      }
    } catch { /* the machine is gone: its exit tells */ }
    connection.close();
  })();
  return () => connection.close();
}

const TAIL_BYTES = 16 * 1024;

/** The size of a console log now: where the next boot's lines begin. */
export function consoleSize(path: string): number {
  try {
    return Deno.statSync(path).size;
  } catch {
    return 0;
  }
}

/** The last lines of a console log from an offset on, printable, without empty ones. */
export function consoleTail(path: string, from: number, count = 12): string[] {
  let text: string;
  try {
    using file = Deno.openSync(path);
    const { size } = file.statSync();
    const start = Math.max(Math.min(from, size), size - TAIL_BYTES);
    file.seekSync(start, Deno.SeekMode.Start);
    const bytes = new Uint8Array(size - start);
    text = new TextDecoder().decode(bytes.subarray(0, file.readSync(bytes) ?? 0));
  } catch {
    return [];
  }
  return printable(text).split("\n").map((line) => line.trim()).filter((line) => line !== "").slice(-count)
    .map((line) => line.length > 300 ? line.slice(0, 299) + "…" : line);
}

/** Text without escape sequences and control characters (ECMA-48), lines kept. */
export function printable(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_c])/g, "")
    .replace(/\r\n?/g, "\n")
    // deno-lint-ignore no-control-regex
    .replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, "");
}

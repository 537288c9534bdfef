/**
 * Reads a guest's serial console: the stages of its boot, and the last lines for an error.
 *
 * The hypervisor appends all output to `serial.log`; the holder also reads the console socket (`shared_console.ts`),
 * because a line there is an event, unlike a line in a file. `micro` prints `fleetbox-micro: <stage>`; in other guests
 * the first line after the firmware's means that the kernel runs.
 */

import { printable } from "../../core/printable.ts";
import { readEnd, sizeOf } from "../../system/files.ts";
import { LineSplitter } from "../../core/lines.ts";
import type { Stage } from "../../wire.ts";

/** Lines before the kernel's: SeaBIOS's, UEFI's and the boot loader's, and empty ones. */
const FIRMWARE = /^\s*$|SeaBIOS|iPXE|^Booting|^Boot failed|^No bootable device|^BdsDxe|GNU GRUB|SYSLINUX/;
/** cloud-init's first line of a stage, and its very last line, unless a user has changed it (`final_message`). */
const CLOUD_INIT = /Cloud-init v\. \S+ (running|finished) /;
/** The examined part of a line, because a guest may never end one. */
const MAX_LINE = 4096;
const MARK = /fleetbox-micro: (kernel|network|ssh|down|error: .*)/;

export interface BootListener {
  /** A stage that the guest has entered; in its order. */
  onStage(stage: Stage): void;
  /** cloud-init prints that it runs, or that it has finished. */
  onCloudInit(what: "running" | "finished"): void;
  /** Each line of the firmware, before the guest's kernel prints one. */
  onFirmware?(line: string): void;
}

/** Interprets the lines of one boot's console. Feed it the output in pieces of any size. */
export class BootLines {
  readonly #decoder = new TextDecoder();
  readonly #lines = new LineSplitter({ max: MAX_LINE, overlong: "cut" });
  #isFirmware = true;

  constructor(private readonly listener: BootListener) {}

  push(bytes: Uint8Array): void {
    for (const line of this.#lines.push(this.#decoder.decode(bytes, { stream: true }))) this.#hear(line);
  }

  #hear(line: string): void {
    const said = MARK.exec(line)?.[1];
    if (this.#isFirmware && (said || !FIRMWARE.test(printable(line)))) {
      this.#isFirmware = false;
      this.listener.onStage("kernel");
    }
    if (this.#isFirmware) this.listener.onFirmware?.(printable(line));
    if (said === "network" || said === "ssh") this.listener.onStage(said);
    const cloudInit = CLOUD_INIT.exec(line)?.[1];
    if (cloudInit) this.listener.onCloudInit(cloudInit as "running" | "finished");
  }
}

const TAIL_BYTES = 16 * 1024;

/** The last lines of a console log from an offset on, printable, without empty ones. */
export function consoleTail(path: string, from: number, count = 12): string[] {
  const text = new TextDecoder().decode(readEnd(path, from, TAIL_BYTES));
  return printable(text).split("\n").map((line) => line.trim()).filter((line) => line !== "").slice(-count)
    .map((line) => line.length > 300 ? line.slice(0, 299) + "…" : line);
}

/** The largest size of a console's log, and how much of it is kept then. */
const LOG_LIMIT = { maxBytes: 64 * 1024 * 1024, keptBytes: 1024 * 1024 };

/**
 * Cuts a console's log that is too large to its end, because endless output must not fill the host's disk. The
 * hypervisor appends (O_APPEND), so it continues after the rest; output in this very moment may be lost.
 * @returns whether it was too large.
 */
export function cutLog(path: string, { maxBytes, keptBytes } = LOG_LIMIT): boolean {
  const size = sizeOf(path);
  if (size <= maxBytes) return false;
  const end = readEnd(path, 0, keptBytes);
  using file = Deno.openSync(path, { append: true });
  file.truncateSync(0);
  const note = new TextEncoder().encode(`[fleetbox: ${size - end.length} bytes of this console were cut off here]\r\n`);
  for (const bytes of [note, end]) for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
  return true;
}

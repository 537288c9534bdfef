/**
 * Builds the disk that a power cut leaves: a new overlay on the disk as it was when the log began, and on it the writes of the log
 * that survive, in their order.
 *
 * `qemu-io` writes them: no code of ours writes into a qcow2 file. It takes data from files alone, and from their beginning, so
 * each write is a file for a moment; some MiB of them at a time.
 */

import { pause } from "../../../core/deadline.ts";
import { FleetboxError, messageOf } from "../../../core/errors.ts";
import { withDirectoryBeside } from "../../../system/files.ts";
import { run } from "../../../system/process.ts";
import { join } from "../../../core/paths.ts";
import type { Loss, LostWrites } from "../../../core/power_cut.ts";
import { installCommand } from "../packages.ts";
import { fatesOf } from "./lost_writes.ts";
import { type LogBytes, logEntries, type LogEntry, SECTOR } from "./write_log.ts";

/** How much data, and how many writes, one run of `qemu-io` gets. */
const BATCH_BYTES = 32 * 1024 * 1024;
const BATCH_WRITES = 2_000;
/** The most of one write: `qemu-io` holds it in memory. */
const PIECE_SECTORS = 8 * 1024 * 1024 / SECTOR;

/**
 * Writes what survives of a log into an overlay, which is empty and not synced afterwards.
 * @throws {FleetboxError} `damaged`: the log is not whole; `unavailable`, `no-space`, `failed`
 */
export async function replayLog(disk: string, logPath: string, diskMiB: number, loss: Loss): Promise<LostWrites> {
  using file = Deno.openSync(logPath);
  const log = bytesOf(file);
  const diskSectors = diskMiB * 1024 * 1024 / SECTOR;
  const { flushed, unflushed } = await survey(log, logPath, diskSectors);
  const { survive, lost } = fatesOf(unflushed, loss);
  await withDirectoryBeside(disk, async (directory) => {
    const batch = new Batch(disk, directory, log);
    let index = 0;
    for (const entry of logEntries(log, diskSectors)) {
      if (entry.kind === "flush") continue;
      const isFlushed = index < flushed;
      const sectors = isFlushed ? entry.sectors : survive[index - flushed];
      index++;
      if (sectors > 0) await batch.add({ ...entry, sectors });
    }
    await batch.run();
  });
  return lost;
}

/** How many requests come before the last flush, and those that come after it. */
async function survey(
  log: LogBytes,
  path: string,
  diskSectors: number,
): Promise<{ flushed: number; unflushed: LogEntry[] }> {
  let flushed = 0;
  let unflushed: LogEntry[] = [];
  let entries: ReturnType<typeof logEntries>;
  try {
    entries = logEntries(log, diskSectors);
    for (let count = 0;; count++) {
      if (count % 1000 === 999) await pause(0); // others have their turn
      const next = entries.next();
      if (next.done) {
        if (next.value.kind === "hole") throw new TypeError(`an entry is missing at byte ${next.value.at}`);
        return { flushed, unflushed };
      }
      if (next.value.kind !== "flush") unflushed.push(next.value);
      else [flushed, unflushed] = [flushed + unflushed.length, []];
    }
  } catch (cause) {
    throw new FleetboxError("damaged", `The log of writes ${path} is not whole: ${messageOf(cause)}`, { cause });
  }
}

function bytesOf(file: Deno.FsFile): LogBytes {
  return {
    size: file.statSync().size,
    read(at, into) {
      file.seekSync(at, Deno.SeekMode.Start);
      for (let length = 0; length < into.length;) {
        const count = file.readSync(into.subarray(length));
        if (count === null) throw new TypeError(`it ends before byte ${at + into.length}`);
        length += count;
      }
    },
  };
}

/** Writes for one run of `qemu-io`. */
class Batch {
  #commands: string[] = [];
  #bytes = 0;

  constructor(private readonly disk: string, private readonly directory: string, private readonly log: LogBytes) {}

  async add({ kind, sector, sectors, at }: LogEntry): Promise<void> {
    if (kind === "discard") return await this.#push(`discard -q ${sector * SECTOR} ${sectors * SECTOR}`, 0);
    for (let from = 0; from < sectors; from += PIECE_SECTORS) {
      const data = new Uint8Array(Math.min(PIECE_SECTORS, sectors - from) * SECTOR);
      this.log.read(at + from * SECTOR, data);
      const place = (sector + from) * SECTOR;
      if (data.every((byte) => byte === 0)) {
        await this.#push(`write -q -z ${place} ${data.length}`, 0);
        continue;
      }
      const name = String(this.#commands.length); // a name without spaces, which would end a word
      await Deno.writeFile(join(this.directory, name), data, { mode: 0o600 });
      await this.#push(`write -q -s ${name} ${place} ${data.length}`, data.length);
    }
  }

  async #push(command: string, bytes: number): Promise<void> {
    this.#commands.push(command);
    this.#bytes += bytes;
    if (this.#commands.length >= BATCH_WRITES || this.#bytes >= BATCH_BYTES) await this.run();
  }

  async run(): Promise<void> {
    const commands = this.#commands;
    if (commands.length === 0) return;
    [this.#commands, this.#bytes] = [[], 0];
    // Without syncs of its own: the caller makes the whole file last.
    const output = await run("qemu-io", ["-f", "qcow2", "-t", "unsafe", "-d", "unmap", this.disk], {
      cwd: this.directory,
      input: `${commands.join("\n")}\n`,
      hint: `Install QEMU's tools: ${installCommand("qemu-utils")}`,
    });
    // It says nothing of a write that succeeded, and may end with 0 after one that failed.
    const said = output.replaceAll("qemu-io> ", "").trim();
    if (said !== "") throw new FleetboxError("failed", `qemu-io failed: ${said.slice(-500)}`);
  }
}

/**
 * Files that are only ever appended to, at once: whoever is killed leaves what was written. A write that fails, on a full disk for
 * one, is the end of writing; what was written stays, and may end with half a line. Nothing is synced, as that would
 * wait for the host's disk: a kill loses nothing, a power cut of the host may.
 */

import { isNoSpace } from "../../core/errors.ts";
import { isFile, makeDirectory, storeError, writeDurably } from "../../system/files.ts";
import { ownIdentity } from "../../system/process.ts";
import { DISK_LIMITS, type TraceFiles } from "./trace_files.ts";

/** Space that is given up when the disk is full, so that `meta.json` can say so. */
const RESERVE = "reserve";
const RESERVE_BYTES = 32 * 1024;

/** The files of one trace in its directory: one failure ends all of them. */
export class Appender implements TraceFiles {
  readonly limits = DISK_LIMITS;
  readonly #files = new Map<string, Deno.FsFile>();
  /** Why nothing is written any more. */
  failure: unknown;
  onFailure: (failure: unknown) => void = () => {};
  #isEnded = false;

  constructor(private readonly directory: string) {}

  /**
   * A new directory, in which it is told who records.
   * @throws {FleetboxError} `no-space`, …: then there is none
   */
  static async make(directory: string): Promise<Appender> {
    makeDirectory(directory);
    const made = new Appender(directory);
    try {
      const its = ownIdentity();
      if (its) await writeDurably(`${directory}/recorder.json`, JSON.stringify(its) + "\n", { sync: false });
      made.append(RESERVE, new Uint8Array(RESERVE_BYTES));
      made.close(RESERVE);
      if (made.failure !== undefined) throw storeError(`Cannot write ${directory}/${RESERVE}`, made.failure);
      return made;
    } catch (thrown) {
      await made.discard();
      throw thrown;
    }
  }

  /** Removes all of it. */
  async discard(): Promise<void> {
    this[Symbol.dispose]();
    await Deno.remove(this.directory, { recursive: true }).catch(() => {}); // what begins it has a failure to tell
  }

  append(name: string, bytes: Uint8Array): void {
    if (this.#isEnded || this.failure !== undefined) return;
    try {
      const file = this.#files.get(name) ?? this.#open(name);
      for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
    } catch (thrown) {
      this.failure = thrown;
      this.onFailure(thrown);
    }
  }

  close(name: string): void {
    this.#files.get(name)?.close();
    this.#files.delete(name);
  }

  remove(name: string): number | undefined {
    this.close(name);
    try {
      const { size } = Deno.statSync(`${this.directory}/${name}`);
      Deno.removeSync(`${this.directory}/${name}`);
      return size;
    } catch {
      return undefined;
    }
  }

  rename(from: string, to: string): boolean {
    this.close(from);
    try {
      const isReplaced = isFile(`${this.directory}/${to}`);
      Deno.renameSync(`${this.directory}/${from}`, `${this.directory}/${to}`);
      return isReplaced;
    } catch {
      return false; // it goes on in the same file
    }
  }

  async writeMeta(text: string): Promise<void> {
    const write = () => writeDurably(`${this.directory}/meta.json`, text, { sync: false });
    await write().catch(async (thrown) => {
      if (!isNoSpace(thrown) || this.remove(RESERVE) === undefined) throw thrown;
      await write();
    });
  }

  [Symbol.dispose](): void {
    this.#isEnded = true;
    if (!isNoSpace(this.failure)) this.remove(RESERVE); // else it may be needed for the last words
    for (const name of [...this.#files.keys()]) this.close(name);
  }

  #open(name: string): Deno.FsFile {
    const file = Deno.openSync(`${this.directory}/${name}`, { append: true, create: true, mode: 0o600 });
    this.#files.set(name, file);
    return file;
  }
}

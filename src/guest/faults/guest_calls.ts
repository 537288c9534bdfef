/** What the faults of a guest need of its kernel: files read and written by name, in one conversation with a program there. */

import { FleetboxError } from "../../core/errors.ts";
import { AT_FDCWD, type Call, errorWords, path, type Results } from "../call_table.ts";
import type { GuestKernel } from "../renewal.ts";

/** `fcntl.h` */
const O_WRONLY = 1, O_CREAT = 0o100, O_TRUNC = 0o1000, O_CLOEXEC = 0o2000000;
/** The longest file that is read. */
const MAX_FILE_BYTES = 32 * 1024;

/** A file that is read together with other calls. */
export interface FileRead {
  calls: Call[];
  back: Uint8Array;
  /** Its content, or the negative result of what failed. */
  content(results: Results): string | number;
}

export class GuestCalls {
  #free: number | undefined;

  constructor(private readonly kernel: GuestKernel) {}

  /** Makes calls, one after the other. @param back the pieces that come back */
  async call(calls: readonly Call[], back: Uint8Array[] = []): Promise<Results> {
    return await this.kernel.call(calls, back);
  }

  /**
   * The number that the next file gets that the program opens. Nobody else opens files there, so that calls which close a
   * file can name it.
   */
  async #nextNumber(): Promise<number> {
    if (this.#free !== undefined) return this.#free;
    await this.kernel.ready();
    const open: Call = { name: "openat", args: [AT_FDCWD, path("/"), O_CLOEXEC] };
    const number = (await this.call([open])).of(open);
    if (number < 0) throw new FleetboxError("failed", `Cannot open / in the guest: ${errorWords(number)}`);
    await this.call([{ name: "close", args: [number] }]);
    return this.#free = number;
  }

  /** The calls that read a file. */
  async reading(file: string, length = MAX_FILE_BYTES): Promise<FileRead> {
    const number = await this.#nextNumber();
    const back = new Uint8Array(length);
    const open: Call = { name: "openat", args: [AT_FDCWD, path(file), O_CLOEXEC] };
    const read: Call = { name: "read", args: [number, back, length] };
    return {
      calls: [open, read, { name: "close", args: [number] }],
      back,
      content(results) {
        const failed = [open, read].map(results.of).find((result) => result < 0);
        return failed ?? new TextDecoder().decode(results.back(back).subarray(0, results.of(read)));
      },
    };
  }

  /** A file's content. @throws {FleetboxError} `failed`: it cannot be read */
  async read(file: string): Promise<string> {
    const { calls, back, content } = await this.reading(file);
    const text = content(await this.call(calls, [back]));
    if (typeof text === "number") throw new FleetboxError("failed", `Cannot read ${file}: ${errorWords(text)}`);
    return text;
  }

  /** The calls that write a file, made for root alone when it is not there; the first two results tell whether they did. */
  async writing(file: string, text: string): Promise<Call[]> {
    const number = await this.#nextNumber();
    const bytes = new TextEncoder().encode(text);
    return [
      { name: "openat", args: [AT_FDCWD, path(file), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600] },
      { name: "write", args: [number, bytes, bytes.length] },
      { name: "close", args: [number] },
    ];
  }

  /** @throws {FleetboxError} `failed`: it cannot be written */
  async write(file: string, text: string): Promise<void> {
    const calls = await this.writing(file, text);
    const results = await this.call(calls);
    const failed = calls.slice(0, 2).map(results.of).find((result) => result < 0);
    if (failed !== undefined) throw new FleetboxError("failed", `Cannot write ${file}: ${errorWords(failed)}`);
  }
}

/** What the faults of a guest need of its kernel: files read and written by name, in one conversation with a program there. */

import { FleetboxError } from "../../core/errors.ts";
import { AT_FDCWD, type Call, errorWords, path, type Results } from "../call_table.ts";
import type { GuestKernel } from "../renewal.ts";

/** `fcntl.h` */
const O_WRONLY = 1, O_CREAT = 0o100, O_TRUNC = 0o1000, O_CLOEXEC = 0o2000000;

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
  async nextNumber(): Promise<number> {
    if (this.#free !== undefined) return this.#free;
    await this.kernel.ready();
    const open: Call = { name: "openat", args: [AT_FDCWD, path("/"), O_CLOEXEC] };
    const number = (await this.call([open])).of(open);
    if (number < 0) throw new FleetboxError("failed", `Cannot open / in the guest: ${errorWords(number)}`);
    await this.call([{ name: "close", args: [number] }]);
    return this.#free = number;
  }

  /** The calls that read the first bytes of a file: few, for an agent's port is a serial line that takes each byte both ways. */
  async reading(file: string, length: number): Promise<FileRead> {
    const number = await this.nextNumber();
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

  /** The first bytes of files. @throws {FleetboxError} `failed`: one cannot be read */
  async read(files: Record<string, number>): Promise<string[]> {
    const reads: FileRead[] = [];
    for (const [file, length] of Object.entries(files)) reads.push(await this.reading(file, length));
    const results = await this.call(reads.flatMap(({ calls }) => calls), reads.map(({ back }) => back));
    return reads.map(({ content }, index) => {
      const text = content(results);
      if (typeof text === "string") return text;
      throw new FleetboxError("failed", `Cannot read ${Object.keys(files)[index]}: ${errorWords(text)}`);
    });
  }

  /** The calls that write a file, made for root alone when it is not there; the first two results tell whether they did. */
  async writing(file: string, text: string): Promise<Call[]> {
    const number = await this.nextNumber();
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

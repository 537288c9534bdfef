/** `Deno.FsFile` over Node: an open file, with a place in it, and a lock that holds against programs that run on Deno. */

import * as fs from "node:fs";
import { promisify } from "node:util";
import { asDeno, asDenoLater } from "./errors.ts";
import { lockDescriptor } from "./file_lock.ts";
import { fileInfo } from "./file_info.ts";

const { O_RDONLY, O_WRONLY, O_RDWR, O_APPEND, O_TRUNC, O_CREAT, O_EXCL } = fs.constants;

export const SeekMode = { Start: 0, Current: 1, End: 2 } as const;

const read = promisify(fs.read);
const write = promisify(fs.write);

function flagsOf(options: Deno.OpenOptions): number {
  const { read, write, append, truncate, create, createNew } = options;
  const writes = write || append;
  const access = writes ? read ? O_RDWR : O_WRONLY : O_RDONLY;
  return access | (append ? O_APPEND : 0) | (truncate ? O_TRUNC : 0) | (create || createNew ? O_CREAT : 0) |
    (createNew ? O_EXCL : 0);
}

export async function open(path: string | URL, options: Deno.OpenOptions = { read: true }): Promise<OpenFile> {
  const opened = await asDenoLater(() => promisify(fs.open)(path, flagsOf(options), options.mode ?? 0o666));
  return new OpenFile(opened, options.append ?? false);
}

export function openSync(path: string | URL, options: Deno.OpenOptions = { read: true }): OpenFile {
  return asDeno(() =>
    new OpenFile(fs.openSync(path, flagsOf(options), options.mode ?? 0o666), options.append ?? false)
  );
}

/** What our source uses of `Deno.FsFile`. Node tells and sets no place in a file, so the place is counted here. */
export class OpenFile implements Disposable {
  #at = 0;
  #isOpen = true;

  constructor(private readonly descriptor: number, private readonly appends: boolean) {}

  async read(into: Uint8Array): Promise<number | null> {
    const { bytesRead } = await asDenoLater(() => read(this.descriptor, into, 0, into.length, this.#at));
    return this.#moved(bytesRead, into);
  }

  readSync(into: Uint8Array): number | null {
    return this.#moved(asDeno(() => fs.readSync(this.descriptor, into, 0, into.length, this.#at)), into);
  }

  /** From its place on; the file stays open. */
  get readable(): ReadableStream<Uint8Array> {
    return new ReadableStream({
      pull: async (controller) => {
        const buffer = new Uint8Array(64 * 1024);
        const count = await this.read(buffer);
        if (count === null) controller.close();
        else controller.enqueue(buffer.subarray(0, count));
      },
    });
  }

  async write(bytes: Uint8Array): Promise<number> {
    const at = this.appends ? null : this.#at;
    const { bytesWritten } = await asDenoLater(() => write(this.descriptor, bytes, 0, bytes.length, at));
    this.#at += bytesWritten;
    return bytesWritten;
  }

  writeSync(bytes: Uint8Array): number {
    const at = this.appends ? null : this.#at;
    const written = asDeno(() => fs.writeSync(this.descriptor, bytes, 0, bytes.length, at));
    this.#at += written;
    return written;
  }

  seekSync(offset: number, whence: number): number {
    const from = whence === SeekMode.Start ? 0 : whence === SeekMode.Current ? this.#at : this.statSync().size;
    return this.#at = from + offset;
  }

  async stat(): Promise<Deno.FileInfo> {
    return fileInfo(await asDenoLater(() => promisify(fs.fstat)(this.descriptor)));
  }

  statSync(): Deno.FileInfo {
    return fileInfo(asDeno(() => fs.fstatSync(this.descriptor)));
  }

  async sync(): Promise<void> {
    await asDenoLater(() => promisify(fs.fsync)(this.descriptor));
  }

  async syncData(): Promise<void> {
    await asDenoLater(() => promisify(fs.fdatasync)(this.descriptor));
  }

  /** Waits until no other process, nor another opening of the file in this one, has it locked. */
  async lock(exclusive = false): Promise<void> {
    await lockDescriptor(this.descriptor, exclusive);
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    asDeno(() => fs.closeSync(this.descriptor));
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #moved(count: number, into: Uint8Array): number | null {
    this.#at += count;
    return count === 0 && into.length > 0 ? null : count;
  }
}

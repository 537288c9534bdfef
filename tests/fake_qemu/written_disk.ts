/**
 * Whether a machine's memory fits its disk, which a fake machine writes nothing to: each time it begins to run or stops running, it
 * has written something that is in its memory and on its disk. A memory that is loaded beside a disk that has another was saved
 * at another moment, or the disk has changed since.
 *
 * What is on a disk is in `written/` beside the file of behaviours, by the disk's file; an overlay without anything reads as
 * what is below it. What does not fit is a line in `torn` there.
 */

import { join } from "../../src/system/path.ts";
import type { FakeMemory } from "./snapshots.ts";

export class WrittenDisk {
  /** @param dir undefined: nothing is written down */
  constructor(private readonly dir: string | undefined, private readonly memory: FakeMemory, public path: string) {
    if (dir !== undefined) Deno.mkdirSync(join(dir, "written"), { recursive: true });
  }

  write(): void {
    if (this.dir === undefined) return;
    this.memory.written = crypto.randomUUID();
    try {
      const place = this.#placeOf(this.path);
      Deno.writeTextFileSync(`${place}.new`, this.memory.written);
      Deno.renameSync(`${place}.new`, place); // it may be killed here
    } catch { /* the disk was deleted */ }
  }

  /** Whether what its memory has written is what its disk reads. */
  check(): void {
    if (this.dir === undefined) return;
    const files: string[] = [];
    for (let at: string | undefined = this.path; at !== undefined; at = backingOf(at)) {
      files.push(at);
      const found = textOf(this.#placeOf(at));
      if (found === undefined) continue;
      if (found === this.memory.written) return;
      return this.#torn(`its disk has ${found}, in ${at}`);
    }
    this.#torn(`nothing is written on its disk: ${files.join(", ")}`);
  }

  #torn(what: string): void {
    const line = `its memory has written ${this.memory.written}, and ${what} (${this.path})\n`;
    Deno.writeTextFileSync(join(this.dir!, "torn"), line, { append: true });
  }

  /** A file's number may be another one's later; its time is not. */
  #placeOf(path: string): string {
    const { ino, birthtime } = Deno.statSync(path);
    return join(this.dir!, "written", `${ino}-${birthtime?.getTime()}`);
  }
}

function textOf(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return undefined;
  }
}

/** The file below an overlay, from its header: where its name begins, and how long it is. */
function backingOf(path: string): string | undefined {
  const header = new Uint8Array(4096);
  {
    using file = Deno.openSync(path);
    file.readSync(header);
  }
  const view = new DataView(header.buffer);
  const [start, length] = [Number(view.getBigUint64(8)), view.getUint32(16)];
  const isQcow2 = view.getUint32(0) === 0x514649fb;
  return isQcow2 && start > 0 ? new TextDecoder().decode(header.subarray(start, start + length)) : undefined;
}

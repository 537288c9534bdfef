/**
 * What came from a guest, put into a directory of this host: each file is written in a directory of its own there, and renamed into place.
 * No link is followed: the plan has looked at each part of each path, and removes a link where the guest has a directory.
 */

import { join } from "../../system/path.ts";
import { FleetboxError, messageOf } from "../../core/errors.ts";
import { namesIn } from "../../system/files.ts";
import { identify } from "../../system/process.ts";
import { byteText, fromByteText } from "./byte_text.ts";
import { type HostEntry, type Problem, reason, STAGE } from "./host_tree.ts";
import { MADE_MODE, type SyncPlan } from "./plan.ts";
import type { ReceivedEntry } from "./untar.ts";

/** How much is looked at together, in bytes, and how long a hole is at least: shorter ones are written. */
const [PART, HOLE] = [64 * 1024, 4 * 1024];

/** A path of the guest as one of this host. Undefined: it is not UTF-8. */
export function pathOnHost(path: string): string | undefined {
  const text = fromByteText(path);
  return byteText(text) === path ? text : undefined;
}

export class Placing implements AsyncDisposable {
  readonly problems: Problem[] = [];
  /** Of files that are complete. */
  bytes = 0;
  readonly #stage: string;
  readonly #staged = new Map<string, string>();
  #count = 0;

  /** @throws {FleetboxError} `denied`: the directory cannot be made, or nothing may be made in it */
  constructor(private readonly root: string) {
    this.#stage = join(root, `${STAGE}${Deno.pid}`);
    try {
      Deno.mkdirSync(root, { recursive: true });
      for (const name of namesIn(root)) {
        const pid = name.startsWith(STAGE) ? Number(name.slice(STAGE.length)) : NaN;
        if (pid === Deno.pid || (pid > 0 && !identify(pid))) Deno.removeSync(join(root, name), { recursive: true });
      }
      Deno.mkdirSync(this.#stage, { mode: 0o700 });
    } catch (cause) {
      throw new FleetboxError("denied", `Cannot write in the directory ${root}: ${messageOf(cause)}`, { cause });
    }
  }

  /** Writes a file or a link beside its place. False: it is not what the plan wants, or could not be written. */
  async receive(path: string, entry: ReceivedEntry, wanted: HostEntry): Promise<boolean> {
    const staged = join(this.#stage, `${this.#count++}`);
    try {
      if (wanted.kind === "link") {
        if (entry.kind !== "link") return false;
        Deno.symlinkSync(fromByteText(entry.target), staged);
      } else if (entry.kind === "file") {
        await write(staged, entry);
      } else if (entry.kind === "hard-link") {
        const other = this.#staged.get(entry.target.replace(/^\.\//, ""));
        if (other === undefined || !Deno.lstatSync(other).isFile) return false;
        Deno.copyFileSync(other, staged);
      } else return false;
      if (wanted.kind === "file") {
        Deno.utimeSync(staged, entry.mtime, entry.mtime);
        Deno.chmodSync(staged, wanted.mode);
        this.bytes += Deno.lstatSync(staged).size;
      }
      this.#staged.set(path, staged);
      return true;
    } catch (thrown) {
      if (thrown instanceof FleetboxError) throw thrown;
      if (!isOfOne(thrown)) {
        const why = `${reason(thrown)}; nothing was changed`;
        throw new FleetboxError("no-space", `Cannot write in the directory ${this.root}: ${why}`, { cause: thrown });
      }
      this.problems.push({ path, why: reason(thrown) });
      return false;
    }
  }

  hasFailed(path: string): boolean {
    return this.problems.some((problem) => problem.path === path);
  }

  /** Puts everything into place. What cannot be is a problem; the rest is done. */
  apply(plan: SyncPlan, isComplete: (path: string) => boolean): void {
    const each = (paths: Iterable<string>, work: (place: string, path: string) => void) => {
      for (const path of paths) {
        try {
          work(join(this.root, fromByteText(path)), path);
        } catch (thrown) {
          this.problems.push({ path, why: reason(thrown) });
        }
      }
    };
    each(plan.closed.keys(), (place) => Deno.chmodSync(place, 0o700));
    each(plan.clear, (place) => Deno.removeSync(place, { recursive: true }));
    each(plan.make, (place) => {
      Deno.mkdirSync(place);
      Deno.chmodSync(place, MADE_MODE);
    });
    each(plan.send.filter(isComplete), (place, path) => Deno.renameSync(this.#staged.get(path)!, place));
    each(plan.remove, (place) => Deno.removeSync(place, { recursive: true }));
    const modes = new Map([...plan.closed, ...plan.modes]);
    // What is deeper first: a directory may lose the right to look into it.
    const deepFirst = [...modes.keys()].toSorted((a, b) => b.split("/").length - a.split("/").length);
    each(deepFirst, (place, path) => Deno.chmodSync(place, modes.get(path)!));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.#stage, { recursive: true }).catch(() => {});
  }
}

/** Whether an error is of one file, such as a name that this host's file system cannot have. */
function isOfOne(thrown: unknown): boolean {
  return !/os error (28|30|69|122)\b/.test(messageOf(thrown)); // no space, read-only, quota
}

async function write(path: string, { size, content }: ReceivedEntry): Promise<void> {
  using file = Deno.openSync(path, { write: true, createNew: true, mode: 0o600 });
  let at = 0;
  let isHole = false;
  for await (const piece of content) {
    for (let from = 0; from < piece.length; from += PART) {
      const part = piece.subarray(from, from + PART);
      isHole = part.length >= HOLE && part.every((byte) => byte === 0);
      if (isHole) file.seekSync(part.length, Deno.SeekMode.Current);
      else for (let done = 0; done < part.length;) done += file.writeSync(part.subarray(done));
    }
    at += piece.length;
  }
  if (isHole || at !== size) file.truncateSync(size);
}

/** The disks of members that do not run, and layers: whether qcow2 and file system are whole, and what a member counted there. */

import { messageOf } from "../../src/core/errors.ts";
import { join } from "../../src/core/paths.ts";
import { run } from "../../src/system/process.ts";
import { parseRecords, type Records } from "./look.ts";

/** Says what is wrong with a qcow2 by itself, without what is below it. */
export async function problemsOfImage(path: string): Promise<string[]> {
  try {
    await run("qemu-img", ["check", "-q", path]);
    return [];
  } catch (thrown) {
    return [`${path}: ${messageOf(thrown)}`];
  }
}

/**
 * The file system on a disk as after a power cut: the journal is replayed, and then all of it must be right.
 * @param scratch a directory for a copy
 */
export async function readFileSystem(path: string, scratch: string): Promise<{ problems: string[]; count: Records }> {
  const raw = join(scratch, `${crypto.randomUUID()}.raw`);
  try {
    await run("qemu-img", ["convert", "-O", "raw", path, raw]);
    // 1: it has corrected something, which is the replay.
    const replay = await output("e2fsck", ["-p", "-E", "journal_only", raw]);
    const check = await output("e2fsck", ["-f", "-n", raw]);
    const count = await output("debugfs", ["-R", "cat /var/load/count", raw]);
    return {
      problems: [
        ...replay.code <= 1 ? [] : [`${path}: its journal: ${replay.text}`],
        ...check.code === 0 ? [] : [`${path}: its file system: ${check.text}`],
      ],
      count: parseRecords(count.text.split("\n")),
    };
  } finally {
    await Deno.remove(raw).catch(() => {});
  }
}

async function output(program: string, args: string[]): Promise<{ code: number; text: string }> {
  const { code, stdout, stderr } = await new Deno.Command(program, { args, stdin: "null" }).output();
  const text = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)).join("");
  return { code, text };
}

/** What tests of power cuts do with the guest of a sandbox, and what they look for. */

import * as assert from "#assert";
import { guestOk } from "../support/guest.ts";
import type { Sandbox } from "../support/sandbox.ts";
import { fileWriter } from "./file_writer.ts";
import { acknowledged, complaints, startWriter } from "./writer.ts";

const MARK = "7".padStart(4096);

/**
 * Writes a mark to the guest's disk, which is not flushed, while nothing else is being written. Nor does the file system commit by
 * itself, as it does every five seconds, nor set up its tables: on a slow host the cut would come later than that.
 */
export async function writeMark(box: Sandbox): Promise<void> {
  await guestOk(
    box,
    "a",
    "sudo mount -o remount,commit=600,noinit_itable /; sync; printf '%4096d' 7 | dd of=blocks bs=4k conv=notrunc oflag=direct 2>/dev/null",
  );
}

export const hasMark = async (box: Sandbox) => (await guestOk(box, "a", "head -c 4096 blocks")) === MARK;

export async function cut(box: Sandbox, ...flags: string[]) {
  const { stdout } = await box.ok("stop", "a", "--force", "--lose-unflushed", ...flags, "--json");
  return JSON.parse(stdout.trim().split("\n").at(-1)!).power_cuts[0];
}

/** Cuts the power of a machine that writes records: each that was acknowledged is there, and disk and file system are whole. */
export async function cutsWhileWriting(box: Sandbox, ...cuts: string[][]): Promise<void> {
  let last = 0;
  for (const flags of cuts) {
    const writer = startWriter(box, "a", fileWriter, last);
    await writer.printed(/^(\d+\n){3}/);
    const { lost } = await cut(box, ...flags);
    await writer.done.catch(() => {});
    const acked = acknowledged(writer, last);
    await box.up("a");
    const found = await fileWriter.count(box, "a");
    assert.ok(acked >= last + 3 && found >= acked, `${flags}: ${acked} acknowledged, ${found} there, ${lost} lost`);
    assert.deepEqual(await complaints(box, "a"), []);
    await guestOk(box, "a", `head -n ${acked} records > kept; mv kept records; sync`);
    last = acked;
  }
}

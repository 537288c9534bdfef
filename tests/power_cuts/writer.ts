/**
 * A guest that writes, and what must be on its disk after its power was cut.
 *
 * It appends numbered records to a file on ext4, syncs each, and then prints its number: that record is acknowledged. Beside that it
 * writes blocks of another file straight to the disk, which nobody syncs: what a disk may lose.
 */

import type { Sandbox } from "../support/sandbox.ts";
import { guestOk } from "../support/guest.ts";
import type { Running } from "../support/command.ts";

/** How many blocks of 4 KiB the file has that is written without a sync. */
const BLOCKS = 64;

/** Makes the files. */
export async function prepareWriter(box: Sandbox, name: string): Promise<void> {
  const blocks = `dd if=/dev/zero of=blocks bs=4k count=${BLOCKS} 2>/dev/null`;
  await guestOk(box, name, `: > records; ${blocks}; sync`);
}

/** Starts it after this record; it ends with the machine. */
export function startWriter(box: Sandbox, name: string, last: number): Running {
  const blocks = `dd if=/dev/shm/noise of=blocks bs=4k count=${BLOCKS} conv=notrunc oflag=direct 2>/dev/null`;
  const record = `echo "record $n of the guest" >> records; sync records && echo $n`;
  const line = [
    `head -c ${BLOCKS * 4096} /dev/urandom > /dev/shm/noise; (while :; do ${blocks}; done) & `,
    // Between two syncs there is time for the other's writes.
    `n=${last}; while :; do n=$((n + 1)); ${record}; sleep 0.05; done`,
  ].join("");
  return box.start(["ssh", name, "--", line]);
}

/** The last record that it has acknowledged. */
export function acknowledged({ stdout }: Running, last: number): number {
  const lines = stdout.split("\n").slice(0, -1);
  return lines.length === 0 ? last : Number(lines.at(-1));
}

/** Which records are there: those that follow each other from the first one on. */
export async function recordsOf(box: Sandbox, name: string): Promise<number> {
  const lines = (await guestOk(box, name, "cat records")).split("\n");
  const wrong = lines.findIndex((line, index) => line !== `record ${index + 1} of the guest`);
  return wrong < 0 ? lines.length : wrong;
}

/** Removes what comes after a record, which a power cut may have left in any state. */
export async function forgetLater(box: Sandbox, name: string, last: number): Promise<void> {
  await guestOk(box, name, `head -n ${last} records > kept; sync; mv kept records; sync`);
}

/** What its kernel has against its disk. */
export async function complaints(box: Sandbox, name: string): Promise<string[]> {
  const lines = (await guestOk(box, name, "sudo dmesg")).split("\n");
  return lines.filter((line) => /EXT4-fs (error|warning)|I\/O error|corrupt|remount|bad block/i.test(line));
}

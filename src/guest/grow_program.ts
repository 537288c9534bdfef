/**
 * The program by which an image of ours grows its root file system ({@link ./program_file.ts}): ext4's own call, without e2fsprogs, which
 * takes an emulated processor 0.1 s to load. Its standard input is the number of blocks, 8 bytes, little-endian. The image has
 * it as a file; `images/micro/lib/grow.hex` is what this makes. Exit code 1: it could not; 0: it has that size.
 */

import type { Architecture } from "../vmm/contract.ts";
import { AT_FDCWD, type Call, path } from "./call_table.ts";
import { programFile } from "./program_file.ts";

/** `fs/ext4/ext4.h`: the file system that the file is in, while it is mounted. */
const EXT4_IOC_RESIZE_FS = 0x40086610;

/** The program. Always the same. */
export function growProgram(arch: Architecture): Uint8Array<ArrayBuffer> {
  const blocks = new Uint8Array(8);
  const failed: Call = { name: "exit_group", args: [1] };
  const grow: Call = { name: "ioctl", args: [0, EXT4_IOC_RESIZE_FS, blocks], atLeast: 0, otherwise: failed };
  return programFile(arch, [
    { name: "read", args: [0, blocks, 8], whole: true, otherwise: failed },
    { name: "openat", args: [AT_FDCWD, path("/"), 0], to: { call: grow, index: 0 }, atLeast: 0, otherwise: failed },
    grow,
    { name: "exit_group", args: [0] },
    failed,
  ]).file;
}

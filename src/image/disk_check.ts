/**
 * Whether a foreign file is a disk image that may be used: qcow2 or raw, and without references to other files.
 *
 * A qcow2 can name further files: a backing file, or a file with its data. QEMU would open these paths on this host.
 * The header: QEMU's docs/interop/qcow2.txt.
 */

import { FleetboxError } from "../core/errors.ts";

/** Signatures of files that people mistake for a disk image, by offset. */
const OTHERS: [at: number, text: string, what: string][] = [
  [0, "KDMV", "a VMDK disk"],
  [0, "COWD", "a VMDK disk"],
  [0, "conectix", "a VHD disk"],
  [0, "vhdxfile", "a VHDX disk"],
  [0, "<<< ", "a VDI disk"],
  [0, "PK\x03\x04", "a ZIP archive"],
  [0, "BZh", "compressed with bzip2"],
  [0, "\x28\xb5\x2f\xfd", "compressed with zstd"],
  [0, "<!", "a web page"],
  [0, "<html", "a web page"],
  [0x7fff, "\x01CD001", "a CD image"],
  [257, "ustar", "a tar archive"],
];

/** @throws {FleetboxError} `damaged`: it is something else, or cut off; `denied`: it refers to other files. */
export function checkDisk(path: string, from: string): void {
  const head = new Uint8Array(0x8010);
  const { size } = Deno.statSync(path);
  using file = Deno.openSync(path);
  for (let at = 0; at < head.length;) {
    const count = file.readSync(head.subarray(at));
    if (count === null) break;
    at += count;
  }
  const view = new DataView(head.buffer);
  const refuse = (found: string): never => {
    throw new FleetboxError("damaged", `${from} is not a disk image: found ${found}, expected qcow2 or raw`, {
      hint: "Plain, or compressed with gzip or xz. Others: qemu-img convert -O qcow2 FILE disk.qcow2",
    });
  };
  if (view.getUint32(0) === 0x514649fb) {
    const version = view.getUint32(4);
    if (version < 2 || version > 3) refuse(`qcow2 of version ${version}`);
    const isElsewhere = version === 3 && (view.getBigUint64(72) & 4n) !== 0n;
    if (view.getBigUint64(8) === 0n && !isElsewhere) return;
    throw new FleetboxError("denied", `The disk image ${from} refers to another file, expected a single file`, {
      hint: "Make it a single file where it was made: qemu-img convert -O qcow2 FILE disk.qcow2",
    });
  }
  for (const [at, text, what] of OTHERS) {
    if ([...text].every((letter, index) => head[at + index] === letter.charCodeAt(0))) refuse(what);
  }
  if (size < 512 || size % 512 !== 0) refuse(`${size} bytes, which is not a multiple of 512`);
}

/**
 * Whether a disk image has anything that firmware could boot: a boot sector, a partition table or a file system.
 *
 * Checked before a machine is made, because firmware that finds nothing to boot waits for ever. Raw images are read as
 * they are; a qcow2's first clusters through its tables (QEMU's docs/interop/qcow2.txt). Images that cannot be judged
 * this way (a compressed or encrypted cluster, a backing file, newer features) count as bootable: the firmware decides.
 */

import { FleetboxError } from "../core/errors.ts";
import type { DiskFormat } from "./image.ts";

/** Signs of something bootable, by offset on the disk. Text is Latin-1. */
const SIGNS: [at: number, sign: string][] = [
  [510, "\x55\xaa"], // boot sector: MBR, the protective one of GPT, FAT, NTFS
  [512, "EFI PART"], // GPT, 512-byte sectors
  [4096, "EFI PART"], // GPT, 4-KiB sectors
  [1080, "\x53\xef"], // ext2, ext3, ext4
  [0, "XFSB"],
  [0x10040, "_BHRfS_M"], // btrfs
  [0x8001, "CD001"], // ISO 9660
  [0, "hsqs"], // SquashFS
  [1024, "\x10\x20\xf5\xf2"], // F2FS
  [1024, "\xe2\xe1\xf5\xe0"], // EROFS
];

/** @throws {FleetboxError} `damaged`: it has nothing to boot */
export function checkBootable(path: string, format: DiskFormat, name = path): void {
  using file = Deno.openSync(path);
  const read = format === "raw" ? (at: number, length: number) => readAt(file, at, length) : qcow2Reader(file);
  if (!read) return;
  for (const [at, sign] of SIGNS) {
    const found = read(at, sign.length);
    if (found === undefined || sign === String.fromCharCode(...found)) return;
  }
  throw new FleetboxError(
    "damaged",
    `The image ${name} cannot boot: found no boot sector, no partition table and no file system in it`,
    {
      hint: "Expected a bootable disk, qcow2 or raw; a kernel and its initrd go into a directory with an image.json.",
    },
  );
}

/** Bytes of a file; fewer where it ends. */
function readAt(file: Deno.FsFile, at: number, length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  file.seekSync(at, Deno.SeekMode.Start);
  return bytes.subarray(0, file.readSync(bytes) ?? 0);
}

/** In the header's incompatible features: more than "dirty" and "corrupt" changes how clusters are found. */
const PLAIN_FEATURES = 3n;
const OFFSET = 0x00ff_ffff_ffff_fe00n;
const COMPRESSED = 1n << 62n;
const READS_AS_ZERO = 1n;

/** Reads a qcow2 as a guest sees it; undefined, for the image or an offset: unknown. */
function qcow2Reader(file: Deno.FsFile): ((at: number, length: number) => Uint8Array | undefined) | undefined {
  const head = view(readAt(file, 0, 104));
  if (head.byteLength < 72) return undefined;
  const version = head.getUint32(4);
  const hasBacking = head.getBigUint64(8) !== 0n;
  const isEncrypted = head.getUint32(32) !== 0;
  const features = version >= 3 && head.byteLength >= 80 ? head.getBigUint64(72) : 0n;
  if (version < 2 || version > 3 || hasBacking || isEncrypted || (features & ~PLAIN_FEATURES) !== 0n) return undefined;
  const clusterBits = head.getUint32(20);
  if (clusterBits < 9 || clusterBits > 21) return undefined;
  const cluster = 2 ** clusterBits;
  const [l1Size, l1Offset] = [head.getUint32(36), Number(head.getBigUint64(40))];
  const entry = (at: number) => {
    const bytes = readAt(file, at, 8);
    return bytes.length === 8 ? view(bytes).getBigUint64(0) : undefined;
  };
  return (at, length) => {
    const index = Math.floor(at / cluster);
    const perTable = cluster / 8;
    const l1Index = Math.floor(index / perTable);
    if (l1Index >= l1Size) return new Uint8Array(length); // beyond the disk's end
    const l1 = entry(l1Offset + l1Index * 8);
    if (l1 === undefined) return undefined;
    const table = Number(l1 & OFFSET);
    if (table === 0) return new Uint8Array(length);
    const l2 = entry(table + (index % perTable) * 8);
    if (l2 === undefined || (l2 & COMPRESSED) !== 0n) return undefined;
    const place = Number(l2 & OFFSET);
    if (place === 0 || (l2 & READS_AS_ZERO) !== 0n) return new Uint8Array(length);
    return readAt(file, place + at % cluster, length);
  };
}

function view(bytes: Uint8Array<ArrayBuffer>): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

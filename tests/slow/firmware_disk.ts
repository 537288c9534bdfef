/**
 * A disk as distributions make them: a partition table, a boot loader, a root file system; here micro's.
 *
 * Built from Debian's packages (downloaded by apt, unpacked, never installed) without root and without loop devices:
 * partition 1 is FAT with syslinux for BIOS and systemd-boot for UEFI, partition 2 is micro's root. The kernel is that of
 * the package that micro was made of, and micro's initial RAM disk is changed to mount `/dev/vda2` as the root: what comes later
 * in an archive overrides what came earlier.
 */

import { join } from "../../src/system/path.ts";
import { fileURLToPath } from "node:url";

const MICRO = fileURLToPath(new URL("../../build/micro", import.meta.url));
const PACKAGES = ["syslinux", "syslinux-common", "mtools", "systemd-boot-efi", "ovmf"];
const SECTOR = 512;
const MIB = 1024 * 1024;
/** Where the partitions are, in MiB. */
const FAT = { at: 1, size: 64 };
const ROOT = { at: FAT.at + FAT.size, size: 1024 };

export interface FirmwareParts {
  /** The raw disk. */
  disk: string;
  /** A directory for FLEETBOX_FIRMWARE, with OVMF in it. */
  firmware: string;
}

/** Builds it below a directory. */
export async function firmwareDisk(dir: string): Promise<FirmwareParts> {
  const packages = await unpackedPackages(dir);
  const disk = join(dir, "disk.raw");
  const manifest = JSON.parse(Deno.readTextFileSync(join(MICRO, "image.json")));
  const cmdline = manifest.cmdline.replace("root=/dev/vda ", "root=/dev/vda2 ");
  const files: Record<string, string | Uint8Array> = {
    "vmlinuz": await kernelOf(join(MICRO, "initrd"), dir),
    "initrd": withRootOnPartition(Deno.readFileSync(join(MICRO, "initrd"))),
    "syslinux.cfg": `DEFAULT linux\nLABEL linux\n  LINUX /vmlinuz\n  INITRD /initrd\n  APPEND ${cmdline}\n`,
    "loader.conf": "timeout 0\ndefault micro.conf\n",
    "micro.conf": `title micro\nlinux /vmlinuz\ninitrd /initrd\noptions ${cmdline}\n`,
    "BOOTX64.EFI": Deno.readFileSync(join(packages, "usr/lib/systemd/boot/efi/systemd-bootx64.efi")),
  };
  const places: [string, string][] = [
    ["vmlinuz", "::/vmlinuz"],
    ["initrd", "::/initrd"],
    ["syslinux.cfg", "::/syslinux.cfg"],
    ["loader.conf", "::/loader/loader.conf"],
    ["micro.conf", "::/loader/entries/micro.conf"],
    ["BOOTX64.EFI", "::/EFI/BOOT/BOOTX64.EFI"],
  ];

  Deno.writeFileSync(disk, new Uint8Array());
  Deno.truncateSync(disk, (ROOT.at + ROOT.size) * MIB);
  const bin = join(packages, "usr/bin");
  const env = { PATH: `${bin}:${Deno.env.get("PATH")}`, MTOOLS_SKIP_CHECK: "1", TMPDIR: dir };
  const fat = `${disk}@@${FAT.at}M`;
  await tool("mformat", ["-i", fat, "-T", String(FAT.size * MIB / SECTOR), "-v", "BOOT", "::"], env);
  for (const at of ["::/loader", "::/loader/entries", "::/EFI", "::/EFI/BOOT"]) await tool("mmd", ["-i", fat, at], env);
  for (const [name, place] of places) {
    const path = join(dir, name);
    if (typeof files[name] === "string") Deno.writeTextFileSync(path, files[name]);
    else Deno.writeFileSync(path, files[name]);
    await tool("mcopy", ["-i", fat, path, place], env);
    Deno.removeSync(path);
  }
  await tool("syslinux", ["--offset", String(FAT.at * MIB), "--install", disk], env);
  const root = join(dir, "root.raw");
  await tool("qemu-img", ["convert", "-O", "raw", join(MICRO, "root.qcow2"), root]);
  await tool("dd", [`if=${root}`, `of=${disk}`, "bs=1M", `seek=${ROOT.at}`, "conv=notrunc,sparse", "status=none"]);
  Deno.removeSync(root);
  writeTable(disk, Deno.readFileSync(join(packages, "usr/lib/syslinux/mbr/mbr.bin")));
  return { disk, firmware: join(packages, "usr/share") };
}

/** The master boot record: syslinux's code, and two partitions, the first of them active and of the EFI system's type. */
function writeTable(disk: string, code: Uint8Array): void {
  const record = new Uint8Array(SECTOR);
  record.set(code.subarray(0, 440));
  const view = new DataView(record.buffer);
  const entry = (index: number, flag: number, type: number, { at, size }: { at: number; size: number }) => {
    const from = 446 + index * 16;
    record.set([flag, 0xfe, 0xff, 0xff, type, 0xfe, 0xff, 0xff], from);
    view.setUint32(from + 8, at * MIB / SECTOR, true);
    view.setUint32(from + 12, size * MIB / SECTOR, true);
  };
  entry(0, 0x80, 0xef, FAT);
  entry(1, 0, 0x83, ROOT);
  view.setUint16(510, 0xaa55, false);
  record.set([0x55, 0xaa], 510);
  using file = Deno.openSync(disk, { write: true });
  file.writeSync(record);
}

/** Downloads packages by the host's own apt, and unpacks them into one directory. */
async function unpackedPackages(dir: string): Promise<string> {
  const into = join(dir, "packages");
  Deno.mkdirSync(into);
  const root = Deno.uid() === 0 ? ["-o", "APT::Sandbox::User=root"] : [];
  await tool("apt-get", ["-qq", ...root, "download", ...PACKAGES], {}, into);
  for (const { name } of [...Deno.readDirSync(into)]) {
    await tool("dpkg-deb", ["-x", join(into, name), into]);
    Deno.removeSync(join(into, name));
  }
  return into;
}

/** The vmlinuz of the kernel whose modules are in an initial RAM disk, out of the package that micro's build keeps. */
async function kernelOf(initrd: string, dir: string): Promise<Uint8Array> {
  const text = new TextDecoder("latin1").decode(Deno.readFileSync(initrd));
  const release = /lib\/modules\/([^/\0]+)/.exec(text)![1];
  const cache = join(Deno.env.get("XDG_CACHE_HOME") || join(Deno.env.get("HOME")!, ".cache"), "fleetbox-build/debs");
  const deb = [...Deno.readDirSync(cache)].find(({ name }) => name.startsWith(`linux-image-${release}_`))!.name;
  await tool("sh", [
    "-c",
    `dpkg-deb --fsys-tarfile '${join(cache, deb)}' | tar -x -C '${dir}' ./boot/vmlinuz-${release}`,
  ]);
  const kernel = Deno.readFileSync(join(dir, "boot", `vmlinuz-${release}`));
  Deno.removeSync(join(dir, "boot"), { recursive: true });
  return kernel;
}

/** Micro's initial RAM disk (cpio, "newc", not packed) with another /init behind it. */
function withRootOnPartition(initrd: Uint8Array): Uint8Array {
  const init = new TextDecoder().decode(fileIn(initrd, "init")).replaceAll("/dev/vda", "/dev/vda2");
  const archive = newc([["init", new TextEncoder().encode(init)], ["TRAILER!!!", new Uint8Array()]]);
  const both = new Uint8Array(Math.ceil(initrd.length / 4) * 4 + archive.length);
  both.set(initrd);
  both.set(archive, both.length - archive.length);
  return both;
}

function fileIn(archive: Uint8Array, wanted: string): Uint8Array {
  const text = (from: number, length: number) => new TextDecoder().decode(archive.subarray(from, from + length));
  for (let at = 0; text(at, 6) === "070701";) {
    const field = (index: number) => parseInt(text(at + 6 + index * 8, 8), 16);
    const name = text(at + 110, field(11) - 1);
    const data = Math.ceil((at + 110 + field(11)) / 4) * 4;
    if (name.replace(/^\.?\//, "") === wanted) return archive.subarray(data, data + field(6));
    at = Math.ceil((data + field(6)) / 4) * 4;
  }
  throw new Error(`no ${wanted} in the archive`);
}

function newc(files: [string, Uint8Array][]): Uint8Array {
  const parts = files.map(([name, data], index) => {
    const head = [index + 1, 0o100755, 0, 0, 1, 0, data.length, 0, 0, 0, 0, name.length + 1, 0];
    const text = "070701" + head.map((value) => value.toString(16).padStart(8, "0")).join("") + name + "\0";
    const start = Math.ceil(text.length / 4) * 4;
    const part = new Uint8Array(Math.ceil((start + data.length) / 4) * 4);
    part.set(new TextEncoder().encode(text));
    part.set(data, start);
    return part;
  });
  return new Uint8Array(parts.flatMap((part) => [...part]));
}

async function tool(program: string, args: string[], env: Record<string, string> = {}, cwd?: string): Promise<void> {
  const { PATH = Deno.env.get("PATH")! } = env;
  const places = PATH.split(":").map((dir) => join(dir, program));
  const path = places.find((place) => {
    try {
      return Deno.statSync(place).isFile;
    } catch {
      return false;
    }
  }) ?? program;
  const { code, stderr, stdout } = await new Deno.Command(path, { args, env, cwd }).output();
  if (code === 0) return;
  const said = [stderr, stdout].map((bytes) => new TextDecoder().decode(bytes)).join("");
  throw new Error(`${program} ${args.join(" ")}: code ${code}: ${said}`);
}

/** Disks, made by `qemu-img`: no code of ours knows the inside of a qcow2 file that it writes, nor of a FAT volume. */

import { run } from "../../system/process.ts";
import type { DiskTools } from "../contract.ts";
import { installCommand } from "./packages.ts";

async function qemuImg(args: string[], signal?: AbortSignal): Promise<void> {
  await run("qemu-img", args, { signal, hint: `Install QEMU's tools: ${installCommand("qemu-utils")}` });
}

export const disks: DiskTools = {
  get programs() {
    return [{ program: "qemu-img", install: installCommand("qemu-utils") }];
  },
  async overlay(path, { disk, format }, sizeMiB) {
    await qemuImg(["create", "-q", "-f", "qcow2", "-b", disk, "-F", format, path, `${sizeMiB}M`]);
  },
  async grow(path, sizeMiB) {
    await qemuImg(["resize", "-q", "-f", "qcow2", path, `${sizeMiB}M`]);
  },
  async rebuild(path, base, sizeMiB, { log, loss }) {
    await disks.overlay(path, base, sizeMiB);
    return await (await import("./power_cut/rebuild.ts")).replayLog(path, log, sizeMiB, loss);
  },
  async merge(path, { disk, format }) {
    await qemuImg(["rebase", "-q", "-f", "qcow2", "-b", disk, "-F", format, path]);
  },
  async convert({ disk, format }, path, signal) {
    await qemuImg(["convert", "-q", "-f", format, "-O", "qcow2", disk, path], signal);
  },
  /** By the vvfat driver. */
  async fatVolume(directory, label, path) {
    const source = `driver=vvfat,dir=${directory.replaceAll(",", ",,")},label=${label},floppy=on`;
    await qemuImg(["convert", "--image-opts", source, "-O", "raw", path]);
  },
};

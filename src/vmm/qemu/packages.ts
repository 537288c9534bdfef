/** QEMU's packages by their Debian names. Homebrew has all of it in one. */

import { host } from "../../system/os.ts";

export type QemuPackage = "qemu-system-x86" | "qemu-system-arm" | "qemu-utils" | "ovmf" | "qemu-efi-aarch64";

/** The command that installs it. */
export function installCommand(name: QemuPackage): string {
  return host().install(name, "qemu");
}

/**
 * UEFI firmware for QEMU: two flash images, the code and a template for a machine's variables, in the places where
 * distributions and QEMU itself put them. These are the builds without Secure Boot, because users' own disks are not
 * signed.
 */

import { variable } from "../../core/environment.ts";
import { FleetboxError } from "../../core/errors.ts";
import { host } from "../../system/os.ts";
import type { UefiFirmware } from "../contract.ts";
import { isFile } from "../../system/files.ts";
import { installCommand, type QemuPackage } from "./packages.ts";

/** Below a `share` directory: code, variables. Debian and Ubuntu first, then Fedora, Arch, and QEMU's own. */
const FILES: Record<string, [code: string, vars: string][]> = {
  x86_64: [
    ["OVMF/OVMF_CODE_4M.fd", "OVMF/OVMF_VARS_4M.fd"],
    ["OVMF/OVMF_CODE.fd", "OVMF/OVMF_VARS.fd"],
    ["edk2/ovmf/OVMF_CODE.fd", "edk2/ovmf/OVMF_VARS.fd"],
    ["edk2/x64/OVMF_CODE.4m.fd", "edk2/x64/OVMF_VARS.4m.fd"],
    ["qemu/edk2-x86_64-code.fd", "qemu/edk2-i386-vars.fd"],
  ],
  aarch64: [
    ["AAVMF/AAVMF_CODE.fd", "AAVMF/AAVMF_VARS.fd"],
    ["edk2/aarch64/QEMU_EFI-pflash.raw", "edk2/aarch64/vars-template-pflash.raw"],
    ["qemu/edk2-aarch64-code.fd", "qemu/edk2-arm-vars.fd"],
  ],
};

const PACKAGES: Record<string, QemuPackage> = { x86_64: "ovmf", aarch64: "qemu-efi-aarch64" };

/** The environment variable with a `share` directory that comes before the system's. */
const FIRMWARE_VARIABLE = "FLEETBOX_FIRMWARE";

/**
 * The firmware's code, and the template of the variables, for an architecture.
 * @throws {FleetboxError} `unavailable`, with what to install.
 */
export function findUefi(arch: "x86_64" | "aarch64", shares = host().shares): UefiFirmware {
  const own = variable(FIRMWARE_VARIABLE);
  for (const share of own ? [own, ...shares] : shares) {
    for (const [code, vars] of FILES[arch]) {
      const found = { code: `${share}/${code}`, vars: `${share}/${vars}` };
      if (isFile(found.code) && isFile(found.vars)) return found;
    }
  }
  throw new FleetboxError("unavailable", `There is no UEFI firmware for ${arch} machines on this host`, {
    hint: `Install it: ${installCommand(PACKAGES[arch])}`,
  });
}

/** The messages of SeaBIOS (src/boot.c, `do_boot`) and EDK II (BdsDxe, `BdsEntry`) when no boot device is left. */
const NOTHING_TO_BOOT = /^(No bootable device\.|BdsDxe: No bootable option or device was found)/;

/** @see Driver.saysNothingToBoot */
export function saysNothingToBoot(line: string): boolean {
  return NOTHING_TO_BOOT.test(line.trim());
}

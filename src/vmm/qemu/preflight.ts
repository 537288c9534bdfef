/** What QEMU needs of the host, for `doctor`. */

import { FleetboxError } from "../../core/errors.ts";
import { which } from "../../system/process.ts";
import type { Requirement } from "../contract.ts";
import { chooseAccelerator } from "./accelerator.ts";
import { disks } from "./disks.ts";
import { installCommand } from "./packages.ts";
import { findQemu, MIN_QEMU_VERSION, qemuVersion } from "./program.ts";
import { shareRequirements } from "./shares.ts";

/** @see Driver.preflight */
export function preflight(cacheFile: () => string | undefined): Requirement[] {
  return [
    {
      what: "qemu",
      async check() {
        const binary = findQemu();
        return `QEMU ${await qemuVersion(binary)} (${binary})`;
      },
      hint: `Install QEMU ${MIN_QEMU_VERSION} or newer: ${installCommand("qemu-system-x86")}`,
      fatal: true,
    },
    {
      what: "accelerator",
      async check() {
        const choice = await chooseAccelerator({ binary: findQemu(), cacheFile: cacheFile() });
        const { accelerator, reason, isFallback } = choice;
        if (!isFallback) return `${accelerator}: ${reason}`;
        throw new FleetboxError("unavailable", reason, {
          hint: /cannot be opened/.test(reason) ? "sudo adduser $USER kvm, then log in again" : undefined,
        });
      },
      hint: "Machines still run. For speed, use a host with KVM (in a virtual machine: nested virtualisation)",
      fatal: false,
    },
    ...disks.programs.map(({ program, install }): Requirement => ({
      what: program,
      check() {
        const path = which(program);
        if (path) return path;
        throw new FleetboxError("unavailable", `The program ${program} is not installed, or not on PATH`);
      },
      hint: `Install it: ${install}`,
      fatal: true,
    })),
    ...shareRequirements(),
  ];
}

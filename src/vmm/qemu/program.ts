/**
 * The QEMU program: where it is, and whether it is new enough.
 *
 * The version matters for one thing: the network backend `stream` came with 7.2. `up` does not check it, because a QEMU
 * that is too old fails with a message that `exits.ts` knows. `doctor` checks it.
 */

import { variable } from "../../core/environment.ts";
import { FleetboxError } from "../../core/errors.ts";
import { run, which } from "../../system/process.ts";
import { installCommand, type QemuPackage } from "./packages.ts";

export const MIN_QEMU_VERSION = "7.2";

/** What to install, by architecture (Debian's and Ubuntu's names). */
const PACKAGES: Record<string, QemuPackage> = { x86_64: "qemu-system-x86", aarch64: "qemu-system-arm" };

/**
 * The path of the QEMU that runs machines of an architecture: `FLEETBOX_QEMU`, else `qemu-system-<arch>` on `PATH`.
 * @param path replaces `PATH`
 * @throws {FleetboxError} `unavailable`, with what to install.
 */
export function findQemu(arch: string = Deno.build.arch, path?: string): string {
  const forced = variable("FLEETBOX_QEMU");
  if (forced) {
    const found = which(forced);
    // A QEMU for another architecture is not meant for this machine.
    const kind = /qemu-system-(x86_64|aarch64)$/.exec(found ?? "")?.[1] ?? arch;
    if (found && kind === arch) return found;
    if (!found) {
      throw new FleetboxError("unavailable", `FLEETBOX_QEMU is ${JSON.stringify(forced)}, which is not a program`, {
        hint: "Correct it, or unset it to use the QEMU on PATH",
      });
    }
  }
  const program = `qemu-system-${arch}`;
  const found = which(program, path);
  if (found) return found;
  throw new FleetboxError("unavailable", `The program ${program} is not installed, or not on PATH`, {
    hint: `Install it: ${installCommand(PACKAGES[arch])}`,
  });
}

/**
 * A QEMU program's version, `7.2.22`.
 * @throws {FleetboxError} `unavailable`: older than {@link MIN_QEMU_VERSION}, or not QEMU at all.
 */
export async function qemuVersion(binary: string): Promise<string> {
  return parseQemuVersion(await run(binary, ["--version"]), binary);
}

/** @see qemuVersion */
export function parseQemuVersion(output: string, binary: string): string {
  const match = /version (\d+)\.(\d+)(\.\d+)?/.exec(output);
  if (!match) throw new FleetboxError("unavailable", `${binary} is not QEMU: it does not print a version`);
  const [version, major, minor] = [match[0].slice("version ".length), Number(match[1]), Number(match[2])];
  if (major > 7 || (major === 7 && minor >= 2)) return version;
  throw new FleetboxError("unavailable", `QEMU is too old: found ${version}, expected ${MIN_QEMU_VERSION} or newer`, {
    hint: "Install a newer QEMU, and name it in FLEETBOX_QEMU",
  });
}

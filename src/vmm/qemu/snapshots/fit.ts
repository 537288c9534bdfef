/**
 * What a saved machine fits: the QEMU and the host that may load its state, and the machine's hardware. As texts of parts
 * that must be equal, for QEMU promises nothing else between two builds of it.
 *
 * An emulated CPU is QEMU's own. With KVM it is the host's, with what the host's kernel makes of it.
 */

import { FleetboxError } from "../../../core/errors.ts";
import { sha256 } from "../../../core/sha256.ts";
import { host } from "../../../system/os.ts";
import { run } from "../../../system/process.ts";
import type { MachineSpec, SnapshotSupport } from "../../contract.ts";
import { architectureOf, HARDWARE, memoryIsFile } from "../arguments.ts";
import { PART_SEPARATOR } from "./saved_state.ts";
import { parseQemuVersion } from "../program.ts";

/** @see Driver.snapshotSupport */
export async function snapshotSupport(
  binary: string,
  accelerator: string | Promise<string>,
): Promise<SnapshotSupport> {
  const build = buildOf(binary); // meanwhile
  const chosen = await accelerator;
  const reason = refusal(chosen);
  if (reason !== undefined) return { kind: "unavailable", reason };
  return { kind: "available", facts: hostFit(await build, binary, chosen) };
}

/** Why no machine can be saved here; undefined: it can. */
export function refusal(accelerator: string): string | undefined {
  const { name } = host();
  if (!memoryIsFile()) {
    return `Machines cannot be saved on ${
      name === "darwin" ? "macOS" : name
    }: their memory cannot be kept as a file there`;
  }
  if (accelerator !== "tcg" && host().processor() === undefined) {
    return "Machines cannot be saved on this host: it does not say which processor it has";
  }
  return undefined;
}

/**
 * A QEMU program's version and build, in the words of {@link qmpBuild}. Asked once for a program that stays the same, also by
 * members that begin together.
 */
function buildOf(binary: string): Promise<string> {
  const { size, mtime, ino } = Deno.statSync(binary);
  const key = JSON.stringify([binary, size, mtime?.getTime(), ino]);
  const known = builds.get(key);
  if (known !== undefined) return known;
  const build = (async () => {
    const output = await run(binary, ["--version"]);
    parseQemuVersion(output, binary); // refuses what is no QEMU, or too old
    return parseBuild(output);
  })();
  builds.set(key, build);
  build.catch(() => builds.delete(key));
  return build;
}

const builds = new Map<string, Promise<string>>();

/** `7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)` from the output of `--version`. Pure. */
export function parseBuild(output: string): string {
  const [, build] = /version (\d.*?)\s*$/m.exec(output) ?? [];
  if (build === undefined) throw new FleetboxError("unavailable", "QEMU does not print its version");
  return build;
}

/** The same from its greeting. Pure. */
export function qmpBuild({ version, build }: { version: readonly number[]; build: string }): string {
  return version.join(".") + (build === "" ? "" : ` (${build})`);
}

/** What a restore must find equal of hypervisor and host. */
export function hostFit(build: string, binary: string, accelerator: string): string {
  const { machine, cpu } = HARDWARE[architectureOf(binary)];
  const own = accelerator === "tcg" ? [] : [`host CPU ${shortDigest(host().processor() ?? "unknown")}`];
  return parts([`QEMU ${build}`, architectureOf(binary), machine, `CPU ${cpu}`, accelerator, ...own]);
}

/** What a restore must find equal of the machine. Pure. */
export function hardwareFit(spec: MachineSpec): string {
  const { cpus, memoryMiB, mac, seed, extraDisks = [], boot, agentSocket } = spec;
  const disks = [
    ...(seed === undefined ? [] : ["seed"]),
    ...extraDisks.map(({ readOnly, format }) => `${format} ${readOnly ? "read-only" : "writable"}`),
  ];
  return parts([
    `${cpus} CPUs`,
    `${memoryMiB} MiB of memory`,
    `network card ${mac.toLowerCase()}`,
    `disks: ${["own", ...disks].join(", ")}`,
    ...(agentSocket === undefined ? [] : ["a port for an agent"]),
    `boot by ${boot.kind === "kernel" ? "kernel" : boot.uefi ? "UEFI" : "BIOS"}`,
  ]);
}

function parts(all: string[]): string {
  return all.map((part) => part.replaceAll(";", ",")).join(PART_SEPARATOR);
}

function shortDigest(text: string): string {
  return sha256(text).toHex().slice(0, 16);
}

/**
 * Which accelerator machines run with, and why: found by a dry run, remembered per boot of the host.
 *
 * `FLEETBOX_ACCEL` forces one, untested. Otherwise KVM is taken where `/dev/kvm` opens and a small guest really runs
 * (`qemu/dry_run.ts`); everything else is emulation, with a sentence for the user. The verdict is kept in a file that
 * the caller names, under a key of everything that could change it: the host's boot id, QEMU's path, size and time, and
 * the state of `/dev/kvm`. A file that cannot be read, or written, only costs another dry run.
 *
 * {@link decide} is the pure part: plain facts in, a verdict out.
 */

import { variable } from "../../core/environment.ts";
import { FleetboxError } from "../../core/errors.ts";
import { host } from "../../system/os.ts";
import type { AcceleratorChoice } from "../contract.ts";
import { writeDurably } from "../../system/files.ts";
import { architectureOf } from "./arguments.ts";
import { type DryRun, dryRun } from "./dry_run.ts";

/** What executes the guest's instructions. `tcg` is emulation: always there, ten times slower. */
type Accelerator = "kvm" | "hvf" | "tcg";

/** The state of `/dev/kvm`. */
export type KvmDevice = "absent" | "denied" | "opens";

/** What the verdict depends on. */
export interface Facts {
  /** `FLEETBOX_ACCEL`; empty is as absent. */
  forced?: string;
  os: string;
  /** Whether QEMU emulates the host's own architecture; accelerators can do no other. */
  native: boolean;
  kvm: KvmDevice;
  /** Whether macOS's own hypervisor can be used. */
  hvf: boolean;
  /** Undefined: not done. */
  dryRun?: DryRun;
}

/**
 * The verdict, or `dry run` when the facts do not suffice for one.
 * @throws {FleetboxError} `misuse`: `forced` is nonsense.
 */
export function decide({ forced, os, native, kvm, hvf, dryRun }: Facts): AcceleratorChoice | "dry run" {
  if (forced) {
    if (forced === "kvm" || forced === "hvf" || forced === "tcg") {
      return choice(forced, `FLEETBOX_ACCEL=${forced} forces it`);
    }
    throw new FleetboxError("misuse", `FLEETBOX_ACCEL is ${JSON.stringify(forced)}, expected kvm, hvf or tcg`);
  }
  const emulate = (because: string): AcceleratorChoice => ({
    accelerator: "tcg",
    reason: `Machines are emulated, and slower: ${because}`,
    isFallback: true,
  });
  if (!native) return emulate("QEMU is for another architecture than the host's");
  if (os === "darwin" && hvf) return choice("hvf", "macOS has its own hypervisor");
  if (os === "darwin") return emulate("this macOS does not let its hypervisor be used (kern.hv_support is not 1)");
  if (kvm === "absent") return emulate("this host has no /dev/kvm");
  if (kvm === "denied") return emulate("/dev/kvm cannot be opened by this user (is it in the group kvm?)");
  switch (dryRun?.verdict) {
    case undefined:
      return "dry run";
    case "works":
      return choice("kvm", "KVM works: a small guest ran");
    case "crawls":
      return emulate("KVM is there, but runs 64-bit guests slower than emulation");
    case "hangs":
      return emulate("KVM is there, but a small guest did not start with it");
    case "dies":
      return emulate(`KVM is there, but QEMU fails with it (${firstComplaint(dryRun.message)})`);
  }
}

function choice(accelerator: Accelerator, reason: string): AcceleratorChoice {
  return { accelerator, reason, isFallback: false };
}

export interface ChooseOptions {
  /** The QEMU program. */
  binary: string;
  /** Where the verdict is kept; without one, it is not. */
  cacheFile?: string;
  /** How the host is looked at; for tests. @default `/dev/kvm`, and a dry run with QEMU */
  look?: { kvm(): KvmDevice; dryRun(binary: string): Promise<DryRun> };
}

/**
 * Chooses. Costs the reading of a small file; the first time in a boot, on a host whose `/dev/kvm` opens, a dry run:
 * 0.1 s where KVM works, 0.6 s where it crawls, never more than 3.5 s.
 * @throws {FleetboxError} `misuse`: `FLEETBOX_ACCEL` is nonsense. `unavailable`: QEMU cannot be started.
 */
export async function chooseAccelerator(options: ChooseOptions): Promise<AcceleratorChoice> {
  const { binary, cacheFile, look = LOOK } = options;
  const forced = variable("FLEETBOX_ACCEL");
  const facts: Facts = {
    forced,
    os: host().name,
    native: architectureOf(binary) === Deno.build.arch,
    kvm: forced ? "absent" : look.kvm(),
    hvf: !forced && host().hasHypervisor(),
  };
  const verdict = decide(facts);
  if (verdict !== "dry run") return verdict;
  const key = cacheFile === undefined ? undefined : cacheKey(binary);
  const remembered = key === undefined ? undefined : readCache(cacheFile!, key);
  if (remembered) return remembered;
  const found = decide({ ...facts, dryRun: await look.dryRun(binary) }) as AcceleratorChoice;
  if (key !== undefined) await keepVerdict(cacheFile!, key, found);
  return found;
}

const LOOK: NonNullable<ChooseOptions["look"]> = {
  kvm: kvmDevice,
  // The ROM is x86's; on arm64 a /dev/kvm that opens is believed.
  dryRun: (binary) =>
    Deno.build.arch === "x86_64" ? dryRun(binary, "kvm") : Promise.resolve({ verdict: "works" as const }),
};

function kvmDevice(): KvmDevice {
  try {
    Deno.openSync("/dev/kvm", { read: true, write: true }).close();
    return "opens";
  } catch (thrown) {
    return thrown instanceof Deno.errors.PermissionDenied ? "denied" : "absent";
  }
}

/** The first thing that QEMU complained of: what follows are usually consequences, such as a failed assertion. */
function firstComplaint(message: string): string {
  return message.split(/[;\n]/)[0].trim().replace(/^(?:\S*qemu\S*: )?(?:error: )?/i, "");
}

/** Everything that could change the verdict, as text; undefined where a boot of the host cannot be told. */
function cacheKey(binary: string): string | undefined {
  try {
    const boot = host().bootId();
    if (boot === undefined) return undefined;
    const { size, mtime } = Deno.statSync(binary);
    const kvm = Deno.statSync("/dev/kvm");
    return JSON.stringify({
      boot,
      qemu: [binary, size, mtime?.getTime()],
      kvm: [kvm.mode, kvm.uid, kvm.gid, Deno.uid()],
      version: CACHE_VERSION,
    });
  } catch {
    return undefined;
  }
}

/** Raise it when the dry run changes, or what is said of it. */
const CACHE_VERSION = 2;

function readCache(file: string, key: string): AcceleratorChoice | undefined {
  try {
    const kept = JSON.parse(Deno.readTextFileSync(file));
    const { accelerator, reason } = kept;
    const sound = kept.key === key && (accelerator === "kvm" || accelerator === "tcg") && typeof reason === "string";
    return sound ? { accelerator, reason, isFallback: accelerator === "tcg" } : undefined;
  } catch {
    return undefined;
  }
}

/** Keeps a verdict; one that cannot be kept is found again. */
export async function keepVerdict(
  file: string,
  key: string,
  { accelerator, reason }: AcceleratorChoice,
): Promise<void> {
  try {
    await writeDurably(file, JSON.stringify({ key, accelerator, reason }), { sync: false });
  } catch { /* no room, say */ }
}

/**
 * Chooses the accelerator, with a reason, by a dry run that is remembered for this boot of the host.
 *
 * `FLEETBOX_ACCEL` forces one, untested. Otherwise KVM is used where `/dev/kvm` opens and a small guest really runs
 * (`qemu/dry_run.ts`); everything else is emulation, with a sentence for the user. The verdict is kept in a file that
 * the caller names, under a key of all facts that could change it: the host's boot id, QEMU's path, size and time, and
 * the state of `/dev/kvm`. If the file cannot be read or written, that costs another dry run only.
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

/** What executes the guest's instructions. `tcg` is emulation: always available, ten times slower. */
type Accelerator = "kvm" | "hvf" | "tcg";

/** The state of `/dev/kvm`. */
export type KvmDevice = "absent" | "denied" | "opens";

/** The facts for the verdict. */
export interface Facts {
  /** `FLEETBOX_ACCEL`; an empty value counts as absent. */
  forced?: string;
  os: string;
  /** Whether QEMU emulates the host's own architecture, which accelerators require. */
  native: boolean;
  kvm: KvmDevice;
  /** Whether macOS's own hypervisor can be used. */
  hvf: boolean;
  /** Undefined: not done yet. */
  dryRun?: DryRun;
}

/**
 * The verdict, or `dry run` when the facts do not suffice for one.
 * @throws {FleetboxError} `misuse`: `forced` has an unknown value.
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
    reason: `Running without ${os === "darwin" ? "HVF" : "KVM"} (slower): ${because}`,
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
      return emulate("KVM runs 64-bit guests slower than emulation here");
    case "hangs":
      return emulate("/dev/kvm exists, but a small guest did not start with it");
    case "dies":
      return emulate(`/dev/kvm exists, but QEMU cannot use it (${firstComplaint(dryRun.message)})`);
  }
}

function choice(accelerator: Accelerator, reason: string): AcceleratorChoice {
  return { accelerator, reason, isFallback: false };
}

interface ChooseOptions {
  /** The QEMU program. */
  binary: string;
  /** The file for the verdict; without it, the verdict is not kept. */
  cacheFile?: string;
  /** How the host is examined; for tests. @default `/dev/kvm`, and a dry run with QEMU */
  look?: { kvm(): KvmDevice; dryRun(binary: string): Promise<DryRun> };
}

/**
 * Chooses. Costs the reading of a small file; the first time in a boot, on a host whose `/dev/kvm` opens, a dry run:
 * 0.1 s where KVM works, 0.6 s where it crawls, never more than 3.5 s.
 * @throws {FleetboxError} `misuse`: `FLEETBOX_ACCEL` has an unknown value. `unavailable`: QEMU cannot be started.
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
  // The ROM is for x86 only; on arm64 a /dev/kvm that opens is used untested.
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

/** QEMU's first complaint: later ones are usually its consequences, such as a failed assertion. */
function firstComplaint(message: string): string {
  return message.split(/[;\n]/)[0].trim().replace(/^(?:\S*qemu\S*: )?(?:error: )?/i, "");
}

/** All facts that could change the verdict, as text; undefined where the host's boot id is unknown. */
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

/** Raise it when the dry run or its messages change. */
const CACHE_VERSION = 3;

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

/** Keeps a verdict; if that fails, the next command makes another dry run. */
export async function keepVerdict(
  file: string,
  key: string,
  { accelerator, reason }: AcceleratorChoice,
): Promise<void> {
  try {
    await writeDurably(file, JSON.stringify({ key, accelerator, reason }), { sync: false });
  } catch { /* no space, say */ }
}

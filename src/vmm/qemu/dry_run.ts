/**
 * The dry run: finds out whether KVM works here by running a guest.
 *
 * That `/dev/kvm` opens proves little. Creating the virtual CPU can fail an assertion in QEMU; and where a virtual
 * machine offers KVM to its own guests in software (kvm_pvm), firmware runs, but 64-bit code that is not made for it is
 * interpreted at two million instructions a second: a kernel never comes up. So the guest is a ROM of ours that does
 * what a kernel does first: it enters 64-bit mode with paging, and loops four million times. A CPU needs 2 ms for that,
 * QEMU's own emulation 20 ms, such an interpreter 4 s.
 *
 * The ROM writes `A` to QEMU's debug console when it starts, and at its end to the isa-debug-exit device, which makes
 * QEMU end with code 33. Nothing is left behind. x86 only: arm64 has neither device.
 */

import { startLimit } from "../../core/deadline.ts";
import { FleetboxError } from "../../core/errors.ts";
import { host } from "../../system/os.ts";
import { start } from "../../system/process.ts";
import { HARDWARE } from "./arguments.ts";
import { lastWords } from "./exits.ts";

/** What a dry run found. */
export type DryRun =
  | { verdict: "works" }
  | { verdict: "dies"; message: string } // QEMU ended before the guest said so
  | { verdict: "crawls" } // the guest ran, but did not finish in time
  | { verdict: "hangs" }; // the guest did not run in time

/** From exec to the guest's first instruction: a cold disk reads 50 MB of QEMU in that time. */
const START_LIMIT_MS = 3_000;
/**
 * From the guest's first instruction to its last, of processor time: 25 times what a CPU needs. Processor time, because
 * on a busy host even a fast guest may wait.
 */
const LOOP_LIMIT_CPU_MS = 50;
const LOOK_MS = 10;
/** The limit in wall-clock time. */
const LOOP_LIMIT_MS = 2_000;
/** What ends a process from outside, and says nothing of KVM. */
const ENDED = new Set(["SIGHUP", "SIGINT", "SIGTERM", "SIGKILL"]);
/** `(0x10 << 1) | 1`: what isa-debug-exit makes of the ROM's last write. */
const DONE = 33;

/** Runs the ROM with an accelerator. Never throws for what QEMU does. @throws {FleetboxError} it cannot be started, or was ended from outside */
export async function dryRun(binary: string, accelerator: string): Promise<DryRun> {
  const rom = await Deno.makeTempFile({ prefix: "fleetbox-", suffix: ".rom" });
  try {
    await Deno.writeFile(rom, romImage());
    return await runRom(binary, accelerator, rom);
  } finally {
    await Deno.remove(rom).catch(() => {});
  }
}

async function runRom(binary: string, accelerator: string, rom: string): Promise<DryRun> {
  const { machine, cpu } = HARDWARE.x86_64;
  const began = Promise.withResolvers<void>();
  const child = start(binary, [
    ...["-no-user-config", "-nodefaults", "-display", "none", "-machine", machine, "-accel", accelerator, "-cpu", cpu],
    ...["-no-reboot", "-m", "16", "-bios", rom, "-chardev", "stdio,id=debug,signal=off"],
    ...["-device", "isa-debugcon,iobase=0x402,chardev=debug", "-device", "isa-debug-exit,iobase=0xf4,iosize=1"],
  ], { onOutput: (text) => text.startsWith("A") && began.resolve() });
  let late: "hangs" | "crawls" | undefined;
  const giveUp = (verdict: "hangs" | "crawls") => () => {
    late = verdict;
    child.kill("SIGKILL");
  };
  let endLimit = startLimit(START_LIMIT_MS, giveUp("hangs"));
  let look: ReturnType<typeof setInterval> | undefined;
  began.promise.then(() => {
    endLimit();
    endLimit = startLimit(LOOP_LIMIT_MS, giveUp("crawls"));
    const before = host().cpuTimeMs(child.pid);
    look = setInterval(() => {
      if (host().cpuTimeMs(child.pid) - before >= LOOP_LIMIT_CPU_MS) giveUp("crawls")();
    }, LOOK_MS);
  });
  const { code, signal } = await child.exited;
  endLimit();
  clearInterval(look);
  if (code === DONE) return { verdict: "works" };
  if (late) return { verdict: late };
  if (signal !== null && ENDED.has(signal)) {
    throw new FleetboxError("failed", `The dry run of ${accelerator} was ended from outside, by ${signal}`, {
      hint: "Try again",
    });
  }
  const words = lastWords(child.tail().replace(/^A/, ""));
  return { verdict: "dies", message: words || (signal ?? `code ${code}`) };
}

/** 64 KiB, mapped at the end of the first 4 GiB (where a CPU starts) and at 0xF0000. */
function romImage(): Uint8Array<ArrayBuffer> {
  const rom = new Uint8Array(64 * 1024).fill(0xf4); // hlt
  rom.set(PROGRAM);
  rom.set([0xea, 0x00, 0x00, 0x00, 0xf0], 0xfff0); // the reset vector: jmp 0xF000:0x0000
  return rom;
}

// deno-fmt-ignore
const PROGRAM = [
  // 16-bit mode
  0xfa, 0xfc,                                     // cli; cld
  0xba, 0x02, 0x04, 0xb0, 0x41, 0xee,             // mov dx, 0x402; mov al, 'A'; out dx, al
  0x31, 0xc0, 0x8e, 0xd8, 0x8e, 0xc0,             // xor ax, ax; mov ds, ax; mov es, ax
  0xbf, 0x00, 0x10, 0xb9, 0x00, 0x18, 0xf3, 0xab, // mov di, 0x1000; mov cx, 0x1800; rep stosw
  0xc7, 0x06, 0x00, 0x10, 0x03, 0x20,             // page tables: level 4 at 0x1000 → 0x2000
  0xc7, 0x06, 0x00, 0x20, 0x03, 0x30,             // level 3 at 0x2000 → 0x3000
  0xc7, 0x06, 0x00, 0x30, 0x83, 0x00,             // level 2 at 0x3000: the first 2 MiB as they are
  0x66, 0xb8, 0x20, 0x00, 0x00, 0x00,             // mov eax, CR4.PAE
  0x0f, 0x22, 0xe0,                               // mov cr4, eax
  0x66, 0xb8, 0x00, 0x10, 0x00, 0x00,             // mov eax, 0x1000
  0x0f, 0x22, 0xd8,                               // mov cr3, eax
  0x66, 0xb9, 0x80, 0x00, 0x00, 0xc0,             // mov ecx, EFER
  0x66, 0x31, 0xd2,                               // xor edx, edx
  0x66, 0xb8, 0x00, 0x01, 0x00, 0x00,             // mov eax, EFER.LME
  0x0f, 0x30,                                     // wrmsr
  0x2e, 0x66, 0x0f, 0x01, 0x16, 0x63, 0x00,       // lgdt cs:[0x63]
  0x66, 0xb8, 0x11, 0x00, 0x00, 0x80,             // mov eax, CR0.PG | CR0.ET | CR0.PE
  0x0f, 0x22, 0xc0,                               // mov cr0, eax
  0x66, 0xea, 0x79, 0x00, 0x0f, 0x00, 0x08, 0x00, // jmp 0x08:0x000F0079
  0x0f, 0x00, 0x69, 0x00, 0x0f, 0x00,             // 0x63: the table below: its limit and address
  0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, // 0x69: segment 0x00: none
  0xff, 0xff, 0x00, 0x00, 0x00, 0x9b, 0xaf, 0x00, //       segment 0x08: 64-bit code
  // 0x79: 64-bit mode
  0xb9, 0x00, 0x09, 0x3d, 0x00,                   // mov ecx, 4_000_000
  0xff, 0xc9, 0x75, 0xfc,                         // again: dec ecx; jnz again
  0x66, 0xba, 0xf4, 0x00, 0xb0, 0x10, 0xee,       // mov dx, 0xf4; mov al, 0x10; out dx, al
  0xf4, 0xeb, 0xfd,                               // hlt, for ever
];

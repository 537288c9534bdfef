/**
 * The driver contract: what a hypervisor driver owes to the holder, and the holder to a driver.
 *
 * A driver runs one machine a process. It knows nothing of members' states, groups, images or addresses: it is given a
 * {@link MachineSpec} of absolute paths and numbers, and gives a {@link Machine} that can be watched and ended. The
 * holder is the only caller. Nothing here is remembered on disk: what is written down (the process's identity) is the
 * holder's business. Drivers live in `src/vmm/<name>/`; QEMU is the first.
 *
 * Order of calls:
 *   1. `driver.check(spec)`            before anything exists; cheap, no side effects
 *   2. `driver.start(spec)`            or, for a machine whose holder died, `driver.adopt(spec, identity)`
 *   3. `machine.onEvent(…)`            events since 2 are held for the first listener, at most 1,000
 *   4. `machine.state()`               any number of times, also together
 *   5. `machine.stop(…)` or `.kill()`  any number of times, also together, also after the end
 *   6. `machine.exited`                resolves exactly once, whoever ended it
 *
 * Accelerator and binary are chosen once for many machines, outside: `chooseAccelerator`, `findQemu`.
 */

import type { ProcessIdentity } from "../system/process.ts";

/** What executes the guest's instructions. `tcg` is emulation: always there, ten times slower. */
export type Accelerator = "kvm" | "hvf" | "tcg";

/** What the machine starts from. `firmware`: the disk's own boot loader; through UEFI, else QEMU's BIOS (x86 only). */
export type BootSource =
  | { kind: "kernel"; kernel: string; initrd?: string; cmdline: string }
  | { kind: "firmware"; uefi?: UefiFirmware };

/** The two flash chips of a machine with UEFI. */
export interface UefiFirmware {
  /** The firmware itself, shared and read-only. */
  code: string;
  /** The machine's own variables, writable: which boot entry, and whatever a guest stores there. */
  vars: string;
}

/** A further volume. */
export interface Volume {
  path: string;
  readOnly: boolean;
  format: "raw" | "qcow2";
}

/** One machine, complete. Every path is absolute; relative ones are refused. */
export interface MachineSpec {
  /** The member's name; shown by `ps`, and what {@link Driver.adopt} compares. */
  name: string;
  /** Virtual CPUs, at least 1. */
  cpus: number;
  /** Guest memory; not allocated before the guest touches it. */
  memoryMiB: number;
  /** The one network card's address, `52:54:00:12:34:56`. */
  mac: string;
  /** The member's qcow2 overlay: first disk (`/dev/vda`), writable, locked while the machine runs. */
  disk: string;
  /** The NoCloud seed, a raw volume: second disk (`/dev/vdb`), read-only. */
  seed?: string;
  /** Third disk and on (`/dev/vdc`, …), in this order. @default [] */
  extraDisks?: Volume[];
  boot: BootSource;
  /** Made by the hypervisor: its control channel. */
  qmpSocket: string;
  /** Made by the hypervisor: Ethernet frames, each after its length (4 bytes, big-endian). One client, again and again. */
  netSocket: string;
  /** Made by the hypervisor: the serial console, both ways. One client; who connects must read. */
  consoleSocket: string;
  /** Everything that the guest writes to its console is appended here, client or not. */
  serialLog: string;
  /** Whether the machine dies with the process that started it, whatever kills that one. Linux only. */
  bound: boolean;
  accelerator: Accelerator;
  /** The hypervisor's program, from `findQemu`. */
  binary: string;
}

/** What a driver can do: data, so that a caller can refuse a request in words instead of trying it. */
export interface Powers {
  /** A new holder can take over a machine whose holder died. */
  readonly adopt: boolean;
  /** A graceful stop: the guest can be asked to shut down. */
  readonly powerButton: boolean;
  /** A guest that restarts itself stays the same machine. */
  readonly reboot: boolean;
  /** A guest's panic is told from its shutdown. */
  readonly panicEvents: boolean;
  /** Machines can be frozen and resumed. */
  readonly pause: boolean;
  /** Disk and memory can be saved and restored. */
  readonly snapshots: boolean;
  /** Disks and cards can come and go while the machine runs. */
  readonly hotPlug: boolean;
}

/** How a machine ended. */
export type ExitKind =
  | "shutdown" // the guest powered itself off
  | "panicked" // the guest's kernel panicked, and said so
  | "quit" // the host ended it in an orderly way: QMP quit, or SIGTERM, SIGINT, SIGHUP to the hypervisor
  | "killed" // SIGKILL: by us, or by someone else (the host's out-of-memory killer, say)
  | "crashed"; // everything else: the hypervisor failed

/** The end of a machine, as far as it can be known. */
export interface MachineExit {
  how: ExitKind;
  /** The hypervisor's exit code; undefined for an adopted machine, which was not our child. */
  code?: number;
  /** The signal that ended it, `SIGKILL`; undefined when none did, or for an adopted machine. */
  signal?: string;
  /** The last reason that the hypervisor gave, in its own words: `guest-shutdown`, `host-qmp-quit`, … */
  reason?: string;
  /** One sentence for people, with the hypervisor's own last words when it failed. */
  message: string;
}

/** What happens to a machine while it runs. */
export type MachineEvent =
  | { kind: "powerdown" } // the power button was pressed; the guest may ignore it
  | { kind: "reset"; guest: boolean } // restarted: by the guest itself, or by the host
  | { kind: "shutdown"; guest: boolean; reason: string } // about to end; `exited` follows
  | { kind: "stopped" } // the virtual CPUs stand still: frozen, or after a disk error
  | { kind: "resumed" }
  | { kind: "ioError"; volume: string; operation: string; nospace: boolean; stopped: boolean; message: string }
  | { kind: "panicked" }
  | { kind: "netConnected" }
  | { kind: "netDisconnected" };

/** What a machine does now, as observed. `detail` is the hypervisor's own word; of an `io-error`, `nospace` or `failed`. */
export interface MachineState {
  kind: "running" | "paused" | "io-error" | "panicked" | "ending" | "gone";
  detail: string;
}

/** The steps of a stop, in order. */
export type Rung = "acpi" | "quit" | "kill";

export interface StopOptions {
  /** How long the guest may take to shut down after the power button. 0 skips the button. */
  graceMs: number;
  /** Told when a rung is entered. */
  onRung?: (rung: Rung) => void;
  /** When aborted, the waiting for the guest ends at once and the ladder goes on with `quit`. */
  signal?: AbortSignal;
}

/** A machine that runs, or ran. */
export interface Machine {
  readonly name: string;
  /** The hypervisor's process. MUST be the hypervisor itself, not a wrapper around it. */
  readonly process: ProcessIdentity;
  /**
   * MUST resolve when the process is gone, MUST NOT resolve before, MUST NOT reject. Every event has been told by
   * then.
   */
  readonly exited: Promise<MachineExit>;
  /**
   * Calls `listener` for each event, in order, until the returned function is called. MUST NOT call it before
   * `onEvent` returned. What a listener throws MUST NOT reach the driver or other listeners.
   */
  onEvent(listener: (event: MachineEvent) => void): () => void;
  /** Asks the hypervisor; MUST NOT answer from memory. A process that is gone is `gone`, not an error. */
  state(): Promise<MachineState>;
  /**
   * Whether the hypervisor answers within a time: one that is frozen is a process that runs. MUST NOT answer from memory;
   * questions that come while one is open MUST share its answer, so that they do not pile up. One that is gone, or ending,
   * answers.
   */
  answers(limitMs: number): Promise<boolean>;
  /**
   * Sets virtual CPUs going that stand still; after a disk error, the operation that failed is tried again. Nothing
   * happens when they run.
   * @throws {FleetboxError} `failed`: the machine is gone, or cannot go on.
   */
  resume(): Promise<void>;
  /**
   * The ladder: power button (pressed again every second, for a guest that is still booting misses an early
   * one), a bounded wait, QMP quit, SIGKILL. MUST NOT return before the process is gone, MUST NOT throw because a
   * rung failed, MAY be called while another stop or kill runs, or after the end.
   * @throws {FleetboxError} `failed`: the process is still there 30 s after SIGKILL.
   */
  stop(options: StopOptions): Promise<MachineExit>;
  /** The ladder without the guest: quit with a short bound, then SIGKILL. The same promises as {@link stop}. */
  kill(): Promise<MachineExit>;
}

/** A hypervisor. Stateless: everything about a machine is in its spec, or in the {@link Machine}. */
export interface Driver {
  readonly name: "qemu";
  readonly powers: Powers;
  /**
   * Checks the spec itself: names, numbers, paths absolute and short enough for sockets. MUST NOT touch the disk.
   * @throws {FleetboxError} `misuse`
   */
  check(spec: MachineSpec): void;
  /**
   * Whether the firmware says with this line of the serial console, before any boot loader, that it has found nothing to
   * boot and has given up. Pure.
   */
  saysNothingToBoot(line: string): boolean;
  /** Program and arguments, as they will be executed. Pure. */
  commandLine(spec: MachineSpec): string[];
  /**
   * Removes stale sockets, starts the hypervisor, and resolves when it answers and its sockets listen. The guest
   * runs by then. MUST leave nothing running when it throws.
   * @throws {FleetboxError} with the hypervisor's own message in it. `conflict`: the disk is in use. `no-space`: not
   *   enough memory. `not-found`: a file is missing. `unavailable`: no such program, or too old a version. `timeout`.
   *   The signal's reason, soon after it fires.
   */
  start(spec: MachineSpec, signal?: AbortSignal): Promise<Machine>;
  /**
   * Connects to a machine whose holder died. MUST verify that the process is the one that was written down and that
   * it answers to the spec's name; MUST NOT disturb it, and MUST NOT end it when that fails.
   * @throws {FleetboxError} `not-found`: the process is gone. `conflict`: it is another one, or another holder has it.
   */
  adopt(spec: MachineSpec, process: ProcessIdentity): Promise<Machine>;
}

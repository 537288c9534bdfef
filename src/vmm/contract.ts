/**
 * The driver contract: the obligations of a hypervisor driver and of the holder to each other.
 *
 * A driver runs one machine a process. It knows nothing of members' states, groups, images or addresses: it is given a
 * {@link MachineSpec} of absolute paths and numbers, and gives a {@link Machine} that can be watched and ended. The
 * holder is the only caller of its machines and gateways. Nothing here is remembered on disk: what is written down (the
 * process's identity) is the holder's business. Drivers live in `src/vmm/<name>/`, which only `src/vmm/` imports:
 * `driver.ts` gives the driver of this program, `processes.ts` finds the processes that it has started.
 *
 * Order of calls:
 *   1. `driver.findProgram(arch)`, `driver.choose(program)`  once for many machines
 *   2. `driver.check(spec)`            before anything exists; cheap, no side effects
 *   3. `driver.start(spec)`            or, for a machine whose holder died, `driver.adopt(spec, identity)`
 *   4. `machine.onEvent(…)`            events since 3 are held for the first listener, at most 1,000
 *   5. `machine.state()`               any number of times, also together
 *   6. `machine.stop(…)` or `.kill()`  any number of times, also together, also after the end; `.cutPower(…)` once
 *   7. `machine.exited`                resolves exactly once, whatever ended it
 *
 * A snapshot, where `driver.snapshotSupport()` says that there can be one:
 *   a. `machine.pause()`
 *   b. `machine.save(files, { disk })` devices and memory; its disk is immutable from here on, and is part of the snapshot
 *   c. `machine.resume()`              the original goes on; or it is stopped
 *   d. `driver.start(spec, signal, saved)` later, with a disk of its own over the one of b
 *
 * A driver MUST be able to do all of it: what one hypervisor cannot do is no part of the contract until a caller asks what
 * the driver can do, and refuses the request in words.
 */

import type { HostSide } from "../core/port_forwards.ts";
import type { ProcessIdentity } from "../system/process.ts";
import type { DiskCounts, MachineDisk, MachineDiskFault } from "./disk_faults.ts";
import type { DiskTools, Program, Volume } from "./disk_tools.ts";
import type { Requirement } from "./requirements.ts";
import type { Share, ShareSupport } from "./shares.ts";
import type { SavedMachine, SaveOptions, SnapshotFiles, SnapshotSupport } from "./snapshots.ts";

export type { DiskCounts, DiskTools, MachineDiskFault, Program, Requirement, Share };
export type { SavedMachine, SaveOptions, SnapshotFiles, SnapshotSupport };

/** What a machine is. */
export type Architecture = "x86_64" | "aarch64";

/** What executes the guests' instructions, and why that. */
export interface AcceleratorChoice {
  /** The driver's own word for it, which goes back into {@link MachineSpec.accelerator}. */
  accelerator: string;
  /** One sentence for people. */
  reason: string;
  /** It is slow emulation, for want of something better: not what the user asked for. */
  isFallback: boolean;
}

/**
 * What the machine boots from. `firmware`: the disk's own boot loader; through UEFI, else the driver's own BIOS (x86
 * only).
 */
export type BootSource =
  | { kind: "kernel"; kernel: string; initrd?: string; cmdline: string }
  | { kind: "firmware"; uefi?: UefiFirmware };

/** The two flash chips of a machine with UEFI. */
export interface UefiFirmware {
  /** The firmware itself, shared and read-only. */
  code: string;
  /** The machine's own variables, writable: boot entries, and other data of the guest. */
  vars: string;
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
  /**
   * All that the guest writes to its disk is logged here from the start on, for {@link Machine.cutPower}: a file that exists and is
   * empty. For {@link Driver.adopt} it says nothing.
   */
  writeLog?: string;
  /** The NoCloud seed, a raw volume: second disk (`/dev/vdb`), read-only. */
  seed?: string;
  /** Third disk and on (`/dev/vdc`, …), in this order. @default [] */
  extraDisks?: Volume[];
  /** Directories that the guest reads and writes. Such a machine cannot be saved. @default [] */
  shares?: Share[];
  boot: BootSource;
  /** Created by the hypervisor: its control channel. */
  controlSocket: string;
  /** Created by the hypervisor: Ethernet frames, each after its length (4 bytes, big-endian). One client at a time. */
  netSocket: string;
  /** Created by the hypervisor: the serial console, both ways. One client, which must read. */
  consoleSocket: string;
  /** Created by the hypervisor: a second serial port (`/dev/ttyS1`), both ways, one client at a time. x86_64 only. */
  agentSocket?: string;
  /** All console output is appended here, with or without a client. */
  serialLog: string;
  /** Whether the machine dies with the process that started it, for any cause. Linux only. */
  bound: boolean;
  /** From {@link Driver.choose}. */
  accelerator: string;
  /** The hypervisor's program, from {@link Driver.findProgram}. */
  binary: string;
}

/** How a machine ended. */
export type ExitKind =
  | "shutdown" // the guest powered itself off
  | "panicked" // the guest's kernel panicked, and reported it
  | "quit" // the host ended it in an orderly way: it told the hypervisor to quit, or sent SIGTERM, SIGINT or SIGHUP
  | "killed" // SIGKILL: by us, or by another process (the host's out-of-memory killer, say)
  | "crashed"; // everything else: the hypervisor failed

/** The end of a machine, as far as it is known. */
export interface MachineExit {
  how: ExitKind;
  /** The hypervisor's exit code; undefined for an adopted machine, which was not our child. */
  code?: number;
  /** The signal that ended it, `SIGKILL`; undefined when none did, or for an adopted machine. */
  signal?: string;
  /** The last reason from the hypervisor, in its own words: `guest-shutdown`, … */
  reason?: string;
  /** One sentence for people, with the hypervisor's last lines when it failed. */
  message: string;
}

/** A request of the guest to a disk failed. `mayBeFault`: the disk has faults, see {@link MachineDisk.setDiskFaults}. */
export interface IoError {
  kind: "ioError";
  volume: string;
  operation: string;
  nospace: boolean;
  /** The machine is paused, and the guest was not told. */
  stopped: boolean;
  mayBeFault?: boolean;
  message: string;
}

/** What happens to a machine while it runs. */
export type MachineEvent =
  | { kind: "powerdown" } // the power button was pressed; the guest may ignore it
  | { kind: "reset"; guest: boolean } // restarted: by the guest itself, or by the host
  | { kind: "shutdown"; guest: boolean; reason: string } // about to end; `exited` follows
  | { kind: "stopped" } // the virtual CPUs are paused, for example after a disk error
  | { kind: "resumed" }
  | IoError
  | { kind: "panicked" }
  | { kind: "writeLogLong" } // its log of writes has passed its limit, see `limitWriteLog`
  | { kind: "netConnected" }
  | { kind: "netDisconnected" };

/**
 * What a machine does now, as observed. `unloaded`: it was started to be restored, and no state was loaded into it.
 * `detail` is the hypervisor's own word; for an `io-error`, `nospace` or `failed`.
 */
export interface MachineState {
  kind: "running" | "paused" | "io-error" | "unloaded" | "panicked" | "ending" | "gone";
  detail: string;
}

/** The steps of a stop, in order. */
export type Rung = "acpi" | "quit" | "kill";

export interface StopOptions {
  /** How long the guest may take to shut down after the power button. 0 skips the button. */
  graceMs: number;
  /** Called at each step. */
  onRung?: (rung: Rung) => void;
  /** When aborted, the wait for the guest ends at once and the ladder continues with `quit`. */
  signal?: AbortSignal;
}

/** A machine that runs or has ended. */
export interface Machine extends MachineDisk {
  readonly name: string;
  /** The hypervisor and its version, `QEMU 7.2.22`. */
  readonly hypervisor: string;
  /** Whether it was started to go on from a saved state, and did not boot; known of an adopted machine, too. */
  readonly beganSaved: boolean;
  /** The hypervisor's process. MUST be the hypervisor itself, not a wrapper around it. */
  readonly process: ProcessIdentity;
  /** MUST resolve when the process is gone, not before, and MUST NOT reject. Every event has been delivered by then. */
  readonly exited: Promise<MachineExit>;
  /**
   * Calls `listener` for each event, in order, until the returned function is called. MUST NOT call it before `onEvent`
   * returned. An error in a listener MUST NOT reach the driver or other listeners.
   */
  onEvent(listener: (event: MachineEvent) => void): () => void;
  /** Asks the hypervisor; MUST NOT answer from memory. A process that is gone is `gone`, not an error. */
  state(): Promise<MachineState>;
  /**
   * Whether the hypervisor answers within a time: a frozen one is still a running process. MUST NOT answer from memory;
   * calls during an open one MUST share its answer, so that they do not pile up. A hypervisor that is gone, or ending,
   * counts as answering.
   */
  answers(limitMs: number): Promise<boolean>;
  /**
   * Resumes paused virtual CPUs; after a disk error, the failed operation is tried again. Nothing happens when they
   * run. A save that was begun by a process that is gone is ended first.
   * @throws {FleetboxError} `failed`: the machine is gone, or cannot be resumed. `conflict`: it is being saved.
   */
  resume(): Promise<void>;
  /**
   * Pauses the virtual CPUs; what the guest has written is in its disk's file then. Nothing happens when they are paused.
   * @throws {FleetboxError} `failed`: the machine is gone.
   */
  pause(): Promise<void>;
  /**
   * From here on the machine gets only this part of the time, more than 0 and less than 1, and stands still for the rest of it, in
   * turns of some milliseconds: its clock goes on. Undefined: all of the time again, at once. It MUST NOT keep the hypervisor from
   * answering, and MUST end with {@link stop}, {@link kill} and {@link cutPower}, before their first step. Nothing happens when the
   * machine is gone. A machine whose holder dies meanwhile may stand still from then on, see {@link Driver.adopt}.
   */
  throttle(share: number | undefined): void;
  /** How long it has stood still because of that, in all, in milliseconds. */
  readonly stoppedMs: number;
  /**
   * Saves a paused machine, which stays paused. The files MUST NOT exist; they are made with mode 0600, complete or not at
   * all, and not synced. A save that fails or is aborted MUST leave the machine able to be resumed, saved again or stopped,
   * and nothing of its own behind; there is no limit to its time but the signal. {@link stop} and {@link kill} end it. A
   * machine that was saved and is saved again without a {@link resume} MAY run for an instant in between.
   * @throws {FleetboxError} `conflict`: the machine runs, is being saved, or a file is there. `unavailable`: this machine
   *   cannot be saved. `no-space`, with the room that it needs. `failed`. The signal's reason, soon after it fires.
   */
  save(files: SnapshotFiles, options?: SaveOptions): Promise<void>;
  /** What of {@link save} can be done while the machine runs, so that the pause is shorter. MAY do nothing, MUST NOT be needed. */
  prepareSave(): Promise<void>;
  /**
   * From here on the machine, running or paused, writes its disk to `path`: an empty overlay on the file that was its disk,
   * which the caller has made, and which the machine no longer changes. Each of the two reads the same at that moment, so
   * the caller writes down the new disk first; a machine whose disk is `path` already is left alone. An adopted machine's
   * disk MAY be moved, any number of times. A machine whose writes are logged is paused meanwhile, for an instant. MUST be called before {@link save}, not between it and {@link resume}.
   * @param writeLog where the writes to the new disk are logged, if those to the old one were: a file that exists and is empty.
   *   The old log ends. Without it there is none any more.
   * @throws {FleetboxError} `failed`: the disk is what it was, or is the new one without a log. `conflict`: the machine was saved
   *   and not resumed.
   */
  moveToOverlay(path: string, writeLog?: string): Promise<void>;
  /**
   * Sends `writeLogLong`, once, when the log of writes is longer than this. It MAY come at once.
   * @throws {FleetboxError} `conflict`: its writes are not logged; `failed`
   */
  limitWriteLog(bytes: number): Promise<void>;
  /**
   * Ends the machine as a power cut does, without the guest and without a flush. Its log of writes MUST have, whole, all that the guest
   * was told is written, and each flush that it was told is done; it MUST NOT have a flush that the guest did not ask for. The disk's
   * own file is as after any end; {@link DiskTools.rebuild} makes one from the log.
   * @param log where its writes are logged
   * @throws {FleetboxError} `conflict`: they are not logged there, or it is being saved; `failed`. It runs on then.
   */
  cutPower(log: string): Promise<MachineExit>;
  /**
   * The ladder: power button (pressed again every second, because a guest that is still booting misses an early one), a
   * bounded wait, the hypervisor's own quit, SIGKILL. MUST NOT return before the process is gone, MUST NOT throw
   * because a rung failed, MAY be called while another stop or kill runs, or after the end.
   * @throws {FleetboxError} `failed`: the process is still there 30 s after SIGKILL.
   */
  stop(options: StopOptions): Promise<MachineExit>;
  /** The ladder without the guest: quit with a short limit, then SIGKILL. The same obligations as {@link stop}. */
  kill(): Promise<MachineExit>;
}

/** A port of the host that leads to a guest's port. */
export interface Forward extends HostSide {
  hostPort: number;
  ip: string;
  port: number;
}

/** A requested port forward. */
export interface ForwardRequest extends HostSide {
  ip: string;
  /** @default 22 */
  port?: number;
  /** @default 0: any free one */
  hostPort?: number;
}

export interface GatewaySpec {
  /** The hypervisor's program, from {@link Driver.findProgram}. */
  binary: string;
  /** Made by the gateway: its control channel, and the private network, as a machine's. */
  controlSocket: string;
  netSocket: string;
  /**
   * Whether no guest reaches the outside, the host's loopback, or who asked it by UDP. It may cut off all or nothing: where
   * one member may do one of these it cuts off nobody, and the switch, which looks at every frame, keeps the rest closed.
   */
  restricted: boolean;
  /** Whether it dies with the process that started it. */
  bound: boolean;
  /** Forwards from the start, which save a round trip each. @default [] */
  forwards?: readonly ForwardRequest[];
  /** What it calls itself; compared by {@link Driver.adoptGateway}. @default "gateway" */
  name?: string;
}

/** The way of a group's private network to the host and out: address translation, DHCP, port forwards. */
export interface Gateway {
  readonly process: ProcessIdentity;
  /** Resolves when the process is gone. Never rejects. */
  readonly exited: Promise<MachineExit>;
  /**
   * Makes a port of the host lead to a guest's, and returns its number. A forward to a missing guest accepts
   * connections and drops them.
   * @throws {FleetboxError} `conflict`: the wanted host port is in use. `failed`: the gateway is gone.
   */
  forward(ip: string, port?: number, hostPort?: number, side?: HostSide): Promise<number>;
  /** Removes a forward; connections through it live on. False when there was none. */
  unforward(hostPort: number, side?: HostSide): Promise<boolean>;
  /** The present forwards, from the gateway itself. */
  forwards(): Promise<Forward[]>;
  /** Ends the process; returns when it is gone. */
  close(): Promise<MachineExit>;
}

/** A hypervisor. Stateless: all facts about a machine are in its spec, or in the {@link Machine}. */
export interface Driver extends ShareSupport {
  readonly name: string;
  /** How members' disks are made: files that its machines start from. */
  readonly disks: DiskTools;
  /**
   * The hypervisor's program for machines of an architecture.
   * @throws {FleetboxError} `unavailable`, with what to install
   */
  findProgram(arch: Architecture): string;
  /**
   * What executes the guests' instructions with this program. MAY run a small guest to find out; SHOULD keep the verdict
   * in `cacheFile` then, under everything that could change it.
   * @throws {FleetboxError} `misuse`: the user's own choice is nonsense; `unavailable`: the program cannot be started
   */
  choose(program: string, cacheFile?: string): Promise<AcceleratorChoice>;
  /**
   * What it needs of the host, for `doctor`: the first is the program itself.
   * @param cacheFile as for {@link choose}; asked for when it is needed
   */
  preflight(cacheFile: () => string | undefined): Requirement[];
  /** UEFI firmware: the code, and a template of the variables. @throws {FleetboxError} `unavailable`, with what to install */
  findFirmware(arch: Architecture): UefiFirmware;
  /**
   * Checks the spec itself: names, numbers, paths absolute and short enough for sockets. MUST NOT touch the disk.
   * @throws {FleetboxError} `misuse`
   */
  check(spec: MachineSpec): void;
  /**
   * Whether this line of the serial console is the firmware's, and says that it found nothing to boot and gave up.
   * Pure.
   */
  saysNothingToBoot(line: string): boolean;
  /**
   * Whether machines that this program runs with this accelerator, once that is chosen, can be saved and restored here.
   * @throws {FleetboxError} `unavailable`: the program cannot be started
   */
  snapshotSupport(program: string, accelerator: string | Promise<string>): Promise<SnapshotSupport>;
  /** Program and arguments, as they will be executed. Pure. */
  commandLine(spec: MachineSpec): string[];
  /**
   * Removes stale sockets, starts the hypervisor, and resolves when it answers and its sockets listen. The guest
   * runs by then. MUST leave nothing running when it throws.
   * @throws {FleetboxError} with the hypervisor's own message in it. `conflict`: the disk is in use. `no-space`: not
   *   enough memory. `not-found`: a file is missing. `unavailable`: no such program, or too old a version. `timeout`.
   *   The signal's reason, soon after it fires.
   *
   * With `saved`, the machine goes on where that was saved, with the disk of its spec, which MUST read as the saved one's
   * did. Its clock stands at the moment of the save.
   * @throws {FleetboxError} also `damaged`; `conflict`: the spec's hardware, the hypervisor or the host is another than
   *   the saved machine's; `unavailable`: machines cannot be restored here.
   */
  start(spec: MachineSpec, signal?: AbortSignal, saved?: SavedMachine): Promise<Machine>;
  /**
   * Connects to a machine whose holder died. MUST verify that the process has the recorded identity and answers with
   * the spec's name; MUST NOT disturb it, and MUST NOT end it when that fails. With `maybeStopped`, its holder may have died while
   * the machine stood still because of {@link Machine.throttle}: it MUST be continued first.
   * @throws {FleetboxError} `not-found`: the process is gone. `conflict`: it is another process, or another holder has
   * it.
   */
  adopt(spec: MachineSpec, process: ProcessIdentity, options?: { maybeStopped?: boolean }): Promise<Machine>;
  /**
   * Starts a gateway; resolves when its socket listens and its forwards are open.
   * @throws {FleetboxError} `conflict`: a wanted host port is in use; else as {@link start}
   */
  startGateway(spec: GatewaySpec, signal?: AbortSignal): Promise<Gateway>;
  /** Adopts the gateway of a holder that died. @throws {FleetboxError} as {@link adopt} */
  adoptGateway(
    process: ProcessIdentity,
    spec: Pick<GatewaySpec, "controlSocket" | "netSocket" | "name">,
  ): Promise<Gateway>;
}

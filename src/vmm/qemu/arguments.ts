/**
 * From a machine's spec to QEMU's command line. Pure: nothing is read, started or written here.
 *
 * Two rules keep values from being read as something else. Every value follows an option of ours (QEMU then takes any
 * argument as its value), and inside a list of `key=value` a comma is doubled, which is QEMU's only quoting; spaces,
 * quotes, `=` and non-ASCII need none, because no shell is involved. Paths are absolute, so that QEMU cannot read one
 * as `protocol:…`. `-blockdev` takes its format from us, never from the file's content.
 *
 * The serial console is one chardev with a log file, which has all output with or without a client. `-no-reboot` is
 * absent on purpose: a guest may restart itself. pvpanic reports a guest's panic.
 */

import { FleetboxError } from "../../core/errors.ts";
import { checkName } from "../../core/names.ts";
import { host } from "../../system/os.ts";
import { which } from "../../system/process.ts";
import type { MachineSpec, Share, UefiFirmware } from "../contract.ts";

/**
 * The guest's hardware, by the program that emulates it. Unused devices cost boot time. `memory` is what QEMU itself calls
 * the machine's memory.
 */
export const HARDWARE = {
  x86_64: {
    machine: "q35,usb=off,smbus=off,sata=off,vmport=off,i8042=off,graphics=off",
    cpu: "max",
    memory: "pc.ram",
  },
  aarch64: { machine: "virt,gic-version=max", cpu: "max", memory: "mach-virt.ram" },
} as const;

/**
 * The most that emulation keeps of translated code, in MiB. QEMU's own limit is up to 1 GiB a process.
 * What was measured: docs/internals/snapshots.md.
 */
const TCG_BUFFER_MIB = 64;

/**
 * The rights that a running QEMU gives up, where the system allows it. `spawn`: QEMU never needs to start a program.
 */
const SANDBOX = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny";

/** The member's own disk, and the device that it is. */
export const DISK = "disk";
export const DISK_DEVICE = deviceOf(DISK);

function deviceOf(volume: string): string {
  return `${volume}-device`;
}

/** @see Driver.commandLine */
export function machineArguments(spec: MachineSpec): string[] {
  const { machine, cpu, memory } = HARDWARE[architectureOf(spec.binary)];
  const uefi = spec.boot.kind === "firmware" ? spec.boot.uefi : undefined;
  const flash = uefi ? ",pflash0=uefi-code,pflash1=uefi-vars" : "";
  const isFile = memoryIsFile();
  return [
    ...["-name", option({ guest: spec.name })],
    ...["-no-user-config", "-nodefaults", "-display", "none"],
    ...["-machine", `${machine}${flash}${isFile ? `,memory-backend=${memory}` : ""}`],
    ...["-accel", spec.accelerator === "tcg" ? `tcg,tb-size=${TCG_BUFFER_MIB}` : spec.accelerator, "-cpu", cpu],
    ...["-smp", option({ cpus: spec.cpus }), "-m", option({ size: `${spec.memoryMiB}M` })],
    ...(isFile ? ["-object", memoryObject(memory, spec.memoryMiB)] : []),
    ...["-rtc", "base=utc", "-boot", "strict=on"],
    ...bootArguments(spec),
    ...monitorArguments(spec.controlSocket),
    ...[
      "-chardev",
      option("socket", {
        id: "console",
        path: spec.consoleSocket,
        server: "on",
        wait: "off",
        logfile: spec.serialLog,
        logappend: "on",
      }),
    ],
    ...["-serial", "chardev:console"],
    ...(spec.agentSocket === undefined ? [] : agentArguments(spec.agentSocket)),
    ...diskArguments(spec),
    ...["-netdev", streamNetdev("net0", spec.netSocket)],
    // Without a ROM the firmware has no network boot to try.
    ...["-device", option("virtio-net-pci", { netdev: "net0", mac: spec.mac, romfile: "" })],
    ...["-object", "rng-builtin,id=rng0", "-device", "virtio-rng-pci,rng=rng0"],
    ...["-device", "pvpanic-pci"],
    ...shareArguments(spec.shares ?? []),
    ...sandboxArguments(),
  ];
}

/** Each share is served by a program that listens at its socket; the machine's memory is a shared file, which that needs. */
export function shareArguments(shares: readonly Share[]): string[] {
  return shares.flatMap(({ tag, socket }, index) => [
    ...["-chardev", option("socket", { id: `share${index}`, path: socket })],
    ...["-device", option("vhost-user-fs-pci", { chardev: `share${index}`, tag })],
  ]);
}

/** The second serial port that QEMU is told of is the guest's second one. */
function agentArguments(path: string): string[] {
  return ["-chardev", option("socket", { id: "agent", path, server: "on", wait: "off" }), "-serial", "chardev:agent"];
}

/** Whether a machine's memory is a file without a name, which can be copied while the machine is paused. */
export function memoryIsFile(): boolean {
  return host().openFiles !== undefined;
}

/** Not sealed, so that a program that fills it may begin by emptying it. */
function memoryObject(id: string, sizeMiB: number): string {
  return option("memory-backend-memfd", { id, size: `${sizeMiB}M`, share: "on", seal: "off" });
}

/** The control socket; QEMU listens, one client at a time. */
export function monitorArguments(controlSocket: string): string[] {
  return [
    "-chardev",
    option("socket", { id: "qmp", path: controlSocket, server: "on", wait: "off" }),
    "-mon",
    "chardev=qmp,mode=control",
  ];
}

/** A network backend that listens on a unix socket and takes one client after another. */
export function streamNetdev(id: string, socket: string): string {
  return option("stream", { id, server: "on", "addr.type": "unix", "addr.path": socket });
}

export function sandboxArguments(): string[] {
  return host().canConfine ? ["-sandbox", SANDBOX] : [];
}

function bootArguments({ boot }: MachineSpec): string[] {
  if (boot.kind === "firmware") return boot.uefi ? flashArguments(boot.uefi) : [];
  const initrd = boot.initrd === undefined ? [] : ["-initrd", boot.initrd];
  return ["-kernel", boot.kernel, ...initrd, "-append", boot.cmdline];
}

/** The two flash chips of a machine with UEFI: shared code, and variables of its own. */
function flashArguments({ code, vars }: UefiFirmware): string[] {
  const chip = (name: string, path: string, readOnly: "on" | "off") => [
    "-blockdev",
    option({ driver: "file", "node-name": `${name}-file`, filename: path, "read-only": readOnly }),
    "-blockdev",
    option({ driver: "raw", "node-name": name, file: `${name}-file`, "read-only": readOnly }),
  ];
  return [...chip("uefi-code", code, "on"), ...chip("uefi-vars", vars, "off")];
}

/**
 * Host caching stays on (`cache.direct` off: a flush costs one fdatasync, reads come from memory), and flushes are
 * honoured (`cache.no-flush` off), so that a guest's synced data survives the death of QEMU and of the host.
 */
function diskArguments(spec: MachineSpec): string[] {
  const volumes = [{ id: DISK, path: spec.disk, readOnly: false, format: "qcow2" }];
  if (spec.seed !== undefined) volumes.push({ id: "seed", path: spec.seed, readOnly: true, format: "raw" });
  spec.extraDisks?.forEach((volume, index) => volumes.push({ id: `extra${index}`, ...volume }));
  return volumes.flatMap(({ id, path, readOnly, format }, index) => {
    // A given kernel is itself the first boot device; a disk beside it cannot be.
    const order: Record<string, string> = spec.boot.kind === "firmware" && index === 0 ? { bootindex: "0" } : {};
    const mode: Record<string, string> = readOnly ? { "read-only": "on" } : { discard: "unmap" };
    const log = index === 0 && spec.writeLog !== undefined ? logArguments(id, spec.writeLog) : [];
    return [
      ...["-blockdev", option({ driver: "file", "node-name": `${id}-file`, filename: path, ...mode })],
      ...["-blockdev", option({ driver: format, "node-name": id, file: `${id}-file`, ...mode })],
      ...log,
      ...[
        "-device",
        option("virtio-blk-pci", { drive: log.length > 0 ? `${id}-log` : id, id: deviceOf(id), ...order }),
      ],
    ];
  });
}

/** Above the qcow2 format, so that the log has the guest's own requests. */
function logArguments(disk: string, path: string): string[] {
  const node = `${disk}-log`;
  return [
    ...["-blockdev", option({ driver: "file", "node-name": `${node}-file`, filename: path })],
    ...["-blockdev", option({ ...logNodeOptions(node, disk), log: `${node}-file` })],
  ];
}

/** What logs the requests to a disk's node. The log's superblock is not read, so it need not be up to date. */
export function logNodeOptions(node: string, disk: string) {
  return { driver: "blklogwrites", "node-name": node, file: disk, "log-sector-size": 512, discard: "unmap" };
}

/** `first,key=value,…` with the commas of every value doubled. */
export function option(first: string, values: Record<string, string | number>): string;
export function option(values: Record<string, string | number>): string;
export function option(
  ...args: [string, Record<string, string | number>] | [Record<string, string | number>]
): string {
  const [first, values] = args.length === 2 ? [[args[0]], args[1]] : [[], args[0]];
  const pairs = Object.entries(values).map(([key, value]) => `${key}=${String(value).replaceAll(",", ",,")}`);
  return [...first, ...pairs].join(",");
}

/** The architecture that a QEMU program emulates, by its name; the host's own when the name has none. */
export function architectureOf(binary: string): keyof typeof HARDWARE {
  const named = /qemu-system-(x86_64|aarch64)$/.exec(binary)?.[1];
  return (named ?? Deno.build.arch) as keyof typeof HARDWARE;
}

/**
 * The wrapper that makes a program die with the thread that started it: `[…wrapper, program, …arguments]`.
 *
 * In a holder that is the main thread, which ends with the process: Deno starts programs on the thread of the script
 * (2.6 to 2.9; `tests/bound` checks that). If the holder is killed before the signal is set, the wrapper notices,
 * because its parent has another process id.
 */
export function boundWrapper(): string[] {
  const { deathSignal, install } = host();
  if (deathSignal === undefined) return [];
  const setpriv = which(deathSignal.program);
  if (setpriv === undefined) {
    throw new FleetboxError("unavailable", `The program ${deathSignal.program} is not installed, or not on PATH`, {
      hint: `Install it: ${install("util-linux")}`,
    });
  }
  const unlessOrphaned = 'test "$PPID" = "$0" && exec "$@"';
  return [setpriv, ...deathSignal.args("KILL"), "/bin/sh", "-c", unlessOrphaned, String(Deno.pid)];
}

/** @see Driver.check */
export function checkSpec(spec: MachineSpec): void {
  checkName(spec.name);
  checkWhole("cpus", spec.cpus, 1, 255);
  checkWhole("memoryMiB", spec.memoryMiB, 1, 2 ** 30);
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(spec.mac) || (parseInt(spec.mac, 16) & 1) === 1) {
    bad("mac", spec.mac, "a unicast hardware address such as 52:54:00:12:34:56");
  }
  checkPaths(spec.boot.kind === "kernel" ? { kernel: spec.boot.kernel, initrd: spec.boot.initrd } : {});
  if (spec.boot.kind === "firmware" && spec.boot.uefi) checkPaths({ ...spec.boot.uefi });
  checkPaths({ disk: spec.disk, writeLog: spec.writeLog, seed: spec.seed, serialLog: spec.serialLog });
  spec.extraDisks?.forEach(({ path, format }, index) => {
    checkPaths({ [`extraDisks[${index}].path`]: path });
    if (format !== "raw" && format !== "qcow2") bad(`extraDisks[${index}].format`, format, '"raw" or "qcow2"');
  });
  spec.shares?.forEach(({ path, socket }, index) => {
    checkPaths({ [`shares[${index}].path`]: path });
    checkSocketPaths({ [`shares[${index}].socket`]: socket });
  });
  checkSocketPaths({ controlSocket: spec.controlSocket, netSocket: spec.netSocket, consoleSocket: spec.consoleSocket });
  if (spec.agentSocket !== undefined) {
    checkSocketPaths({ agentSocket: spec.agentSocket });
    const arch = architectureOf(spec.binary);
    if (arch !== "x86_64") bad("agentSocket", `set for ${arch}`, "none: such a machine has one serial port");
  }
  if (spec.boot.kind === "kernel" && spec.boot.cmdline.includes("\0")) bad("cmdline", "NUL in it", "text");
  if (!["kvm", "hvf", "tcg"].includes(spec.accelerator)) bad("accelerator", spec.accelerator, "kvm, hvf or tcg");
}

/** @throws {FleetboxError} `misuse`: a path that is not absolute, holds a NUL, or is too long for a unix socket. */
export function checkSocketPaths(paths: Record<string, string>): void {
  checkPaths(paths);
  const { maxSocketPath } = host();
  for (const [what, path] of Object.entries(paths)) {
    const bytes = new TextEncoder().encode(path).length;
    if (bytes > maxSocketPath) bad(what, `${path} (${bytes} bytes)`, `at most ${maxSocketPath} bytes`);
  }
}

function checkPaths(paths: Record<string, string | undefined>): void {
  for (const [what, path] of Object.entries(paths)) {
    if (path === undefined) continue;
    if (!path.startsWith("/") || path.includes("\0")) bad(what, JSON.stringify(path), "an absolute path");
  }
}

function checkWhole(what: string, value: number, min: number, max: number): void {
  if (!Number.isInteger(value) || value < min || value > max) bad(what, value, `a whole number, ${min} to ${max}`);
}

function bad(what: string, found: unknown, expected: string): never {
  throw new FleetboxError("misuse", `Bad machine: ${what} is ${found}, expected ${expected}`);
}

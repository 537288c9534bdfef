/** A machine. */

import type { MachineFaults } from "./machine_faults.ts";
import type { Command } from "../shell.ts";
import type { State } from "../../wire.ts";
import type { Checkpoint, CheckpointOptions, RestoreOptions } from "./checkpoint.ts";
import type { Cluster } from "./cluster.ts";
import type { ExecOptions, ExecResult, Process, ProcessOptions } from "./process.ts";
import type {
  ConsoleOptions,
  CopyOptions,
  KillOptions,
  PowerCut,
  RebootOptions,
  RestartOptions,
  SshAddress,
  StopOptions,
  WriteOptions,
} from "./vm_options.ts";
import type { MachineWaits } from "./wait.ts";

/**
 * A machine: a whole Linux with a kernel, an init and a disk of its own.
 *
 * Disposing of it stops it and removes it with its disk. A machine that existed before (`existing: "reuse"`) is shut
 * down and stays.
 *
 * @example
 * ```ts
 * import { start } from "fleetbox";
 *
 * await using vm = await start("web");
 * const { stdout } = await vm.exec("uname -r");
 * console.log(vm.name, vm.ip, stdout);
 * ```
 */
export interface Vm extends MachineFaults, MachineWaits, AsyncDisposable {
  /** What it was called when it was started: `"web"` for `start("web")`, `"a"` and `"b"` for `startCluster(["a", "b"])`. */
  readonly name: string;
  /** Its host name, under which the other machines of its group find it: its `name`, unless a machine that was there already has another. */
  readonly hostName: string;
  /** What the store and the command line call it: `fleetbox ssh <storeName>`. Of a group's machines, one that nothing else has. */
  readonly storeName: string;
  /** Its address on the group's network, which the other machines of the group reach; this host reaches it over SSH. */
  readonly ip: string;
  /** How to reach it with any SSH client. */
  readonly ssh: SshAddress;

  /**
   * Runs a command and returns how it ended, also when it failed.
   *
   * Commands share an SSH connection, which stays open, and is opened again when it breaks. Eight run at once; others
   * wait their turn.
   * @param command A line for the guest's shell, or a program and its arguments, which are passed exactly.
   * @throws {FleetboxError} `timeout` and `interrupted` (the message says how the command ended); `failed`: the machine
   * is gone, or the connection broke in the middle; {@link CommandError}, with `check`.
   *
   * @example
   * ```ts
   * import { start } from "fleetbox";
   *
   * await using vm = await start();
   * const { code, stdout } = await vm.exec("grep -c processor /proc/cpuinfo");
   * await vm.exec(["touch", "a file; with $odd 'name'"], { check: true });
   * ```
   */
  exec(command: Command, options?: ExecOptions): Promise<ExecResult>;

  /**
   * Starts a command whose output is read while it runs.
   *
   * @example
   * ```ts
   * import { start } from "fleetbox";
   *
   * await using vm = await start();
   * await using log = await vm.spawn("tail -f /var/log/messages");
   * for await (const text of log.stdout.pipeThrough(new TextDecoderStream())) {
   *   if (text.includes("ready")) break;
   * }
   * ```
   */
  spawn(command: Command, options?: ProcessOptions): Promise<Process>;

  /**
   * Copies a file or a directory with its content into the guest. Modes are kept; large files are streamed.
   *
   * @param from A path of this host.
   * @param to The target path in the guest, relative to the user's home. A source is copied into the target when the
   * target ends with `/`, or when it is a directory and the source a file. A directory is merged into an existing one.
   *
   * @example
   * ```ts
   * import { start } from "fleetbox";
   *
   * await using vm = await start();
   * await vm.copyTo("./dist", "app");
   * await vm.copyTo("./nginx.conf", "/tmp/");
   * ```
   */
  copyTo(from: string, to: string, options?: CopyOptions): Promise<void>;

  /**
   * Copies a file or a directory out of the guest: {@link Vm.copyTo}, the other way.
   *
   * @example
   * ```ts
   * import { start } from "fleetbox";
   *
   * await using vm = await start();
   * await vm.copyFrom("/var/log/messages", "./messages.log");
   * ```
   */
  copyFrom(from: string, to: string, options?: CopyOptions): Promise<void>;

  /**
   * Writes a file of the guest, with the rights of the guest's user; replaces its content.
   *
   * @example
   * ```ts
   * import { start } from "fleetbox";
   *
   * await using vm = await start();
   * await vm.writeFile("run.sh", "#!/bin/sh\necho hello\n", { mode: 0o755 });
   * ```
   */
  writeFile(
    path: string,
    content: string | Uint8Array | ReadableStream<Uint8Array>,
    options?: WriteOptions,
  ): Promise<void>;

  /**
   * Reads a whole file of the guest.
   *
   * @example
   * ```ts
   * import { start } from "fleetbox";
   *
   * await using vm = await start();
   * const bytes = await vm.readFile("/etc/hostname");
   * ```
   */
  readFile(path: string, options?: CopyOptions): Promise<Uint8Array<ArrayBuffer>>;

  /**
   * Reads a file of the guest, as text.
   *
   * @example
   * ```ts
   * import { start } from "fleetbox";
   *
   * await using vm = await start("web");
   * console.log(await vm.readTextFile("/etc/hostname")); // "web\n"
   * ```
   */
  readTextFile(path: string, options?: CopyOptions): Promise<string>;

  /**
   * Makes a port of this host's loopback lead to a port of the guest, over stops and starts, until the machine is removed.
   *
   * @param guestPort No program has to listen there yet.
   * @param hostPort @default the one that already leads there, else any free one
   * @returns the port of 127.0.0.1
   * @throws {FleetboxError} `conflict`: the host's port is taken (the message names its owner); `denied`: you may not
   * listen there.
   *
   * @example
   * ```ts
   * import { start } from "fleetbox";
   *
   * await using vm = await start();
   * await using _server = await vm.spawn("httpd -f -p 80 -h .");
   * await vm.waitFor({ port: 80 });
   * const response = await fetch(`http://127.0.0.1:${await vm.forward(80)}/`);
   * ```
   */
  forward(guestPort: number, hostPort?: number): Promise<number>;

  /**
   * The output on the serial console since the machine's start: messages of the kernel and the boot.
   *
   * @example
   * ```ts
   * import { start } from "fleetbox";
   *
   * await using vm = await start();
   * console.log(await vm.console({ lines: 20 }));
   * ```
   */
  console(options?: ConsoleOptions): Promise<string>;

  /**
   * The machine's present state. `"suspended"`: it is down, and goes on at its next start. `"absent"`: it was destroyed.
   *
   * @example
   * ```ts
   * import { start } from "fleetbox";
   *
   * await using vm = await start();
   * if (await vm.state() !== "running") throw new Error("it went down");
   * ```
   */
  state(): Promise<State | "suspended" | "absent">;

  /**
   * Shuts the machine down by its power button, and returns when it is down. The disk stays, for {@link Vm.start}. The
   * other machines of its group run on. Calling it on a stopped machine is fine.
   *
   * @example
   * ```ts
   * import { start } from "fleetbox";
   *
   * await using vm = await start();
   * await vm.stop();
   * await vm.start();
   * ```
   */
  stop(options?: StopOptions): Promise<void>;

  /**
   * Boots the machine again, with its disk, onto its group's network; returns when it answers. A suspended machine goes on
   * where it was. Calling it on a running machine is fine.
   * @throws {FleetboxError} why it did not come up, with the last lines of its console.
   *
   * @example
   * ```ts
   * import { start } from "fleetbox";
   *
   * await using vm = await start();
   * await vm.stop();
   * await vm.start({ bootTimeoutMs: 60_000 });
   * ```
   */
  start(options?: RestartOptions): Promise<void>;

  /**
   * Shuts the machine down and boots it again, with its disk and options, onto its group's network; returns when it answers. The other
   * machines of its group run on. A machine that is down is booted, and a suspended one goes on where it was.
   * @throws {FleetboxError} why it did not come up, with the last lines of its console; `misuse`: its disk would shrink. It runs on then.
   *
   * @example
   * ```ts
   * import { start } from "fleetbox";
   *
   * await using vm = await start();
   * await vm.exec("echo 'vm.swappiness=1' | sudo tee -a /etc/sysctl.conf", { check: true });
   * await vm.restart();
   * ```
   */
  restart(options?: RebootOptions): Promise<void>;

  /**
   * Saves the machine beside its disk and ends it; returns when it is down. Its next start goes on from there: its programs
   * still run then, its connections to the other machines of its group may, others are broken. Also {@link start} with
   * `existing: "reuse"` does so, and `fleetbox up`. Calling it on a suspended machine is fine.
   * @throws {FleetboxError} `conflict`: it does not run; `no-space`; `unavailable`: machines cannot be saved on this host.
   * It runs on then.
   *
   * @example
   * ```ts
   * import { start } from "fleetbox";
   *
   * await using vm = await start();
   * await vm.exec("sleep 1000 >/dev/null 2>&1 &");
   * await vm.suspend();
   * await vm.start();
   * await vm.exec("pgrep sleep", { check: true });
   * ```
   */
  suspend(): Promise<void>;

  /**
   * Saves the machine; returns when it can be forked. It stands still for a moment and goes on. Its group's other machines are
   * no part of it: {@link Cluster.checkpoint} saves all at one moment.
   *
   * @param name @default a unique one; then the checkpoint goes with this program, see {@link Checkpoint}
   * @throws {FleetboxError} as {@link Cluster.checkpoint} does
   *
   * @example
   * ```ts
   * import { start } from "fleetbox";
   *
   * await using vm = await start("web");
   * await using installed = await vm.checkpoint();
   * await using copy = await installed.fork(); // a machine, alone on its network
   * await copy.exec("hostname", { check: true }); // "web"
   * ```
   */
  checkpoint(name?: string, options?: CheckpointOptions): Promise<Checkpoint<Vm>>;

  /**
   * Takes the machine back to a checkpoint; returns when it answers. What it has written and done since is lost. The other
   * machines of its group run on, and find its connections broken.
   *
   * @param checkpoint One that has a machine with this one's host name.
   * @throws {FleetboxError} `not-found`: it has none, or was removed; `failed`: the machine does not go on, with the reason.
   *
   * @example
   * ```ts
   * import { start } from "fleetbox";
   *
   * await using vm = await start();
   * await using before = await vm.checkpoint();
   * await vm.exec("rm -rf /home/fleetbox/*", { check: true });
   * await vm.restore(before);
   * ```
   */
  restore(checkpoint: Checkpoint<Vm | Cluster>, options?: RestoreOptions): Promise<void>;

  /**
   * Cuts the power: no shutdown, no flush. The disk stays as it is at that moment, because this host has what the guest wrote; with
   * `loseUnflushed` it loses what was not flushed, as a disk may.
   *
   * @returns what was lost; undefined: nothing was to be, or the machine was down already
   * @throws {FleetboxError} `conflict`: with `loseUnflushed`, and it was not started with `logWrites`, or does not run. It runs on then.
   *
   * @example
   * ```ts
   * import { start } from "fleetbox";
   *
   * await using vm = await start();
   * await vm.exec("echo precious > file && sync");
   * await vm.kill();
   * await vm.start();
   * await vm.exec("cat file");
   * ```
   *
   * @example
   * ```ts
   * import { start } from "fleetbox";
   *
   * await using vm = await start({ logWrites: true });
   * await vm.exec("echo precious > synced && sync && echo lost > not-synced", { check: true });
   * const cut = await vm.kill({ loseUnflushed: "all" });
   * console.log(`${cut?.lost} writes were lost`);
   * await vm.start();
   * await vm.exec("cat synced", { check: true });
   * ```
   */
  kill(options?: KillOptions): Promise<PowerCut | undefined>;

  /**
   * Stops the machine and removes it with its disk, even if it existed before. Calling it twice is fine.
   *
   * @example
   * ```ts
   * import { start } from "fleetbox";
   *
   * const vm = await start();
   * await vm.destroy();
   * console.log(await vm.state()); // "absent"
   * ```
   */
  destroy(): Promise<void>;
}

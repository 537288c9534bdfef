/**
 * The library's face: what a machine and a group are to a test, and every option, with its unit and its default.
 *
 * Types alone. What they do is in the files beside this one; `mod.ts` gives them out.
 */

import type { ErrorCode } from "../core/errors.ts";
import type { Stage, State } from "../wire.ts";
import type { Command } from "./shell.ts";

export type { Command, ErrorCode, Stage, State };

/**
 * What a machine is asked to be.
 *
 * @example
 * ```ts
 * import type { MachineOptions } from "fleetbox";
 *
 * const small: MachineOptions = { cpus: 1, memoryMiB: 128, diskMiB: 1024 };
 * ```
 */
export interface MachineOptions {
  /** An alias (`fleetbox image ls --all`), or the path or address of a disk image. @default "micro" */
  image?: string;
  /** What the machine is: `"arm64"` on an amd64 host is emulated. @default the image's, else this host's */
  arch?: "amd64" | "arm64";
  /** What starts a disk that has a boot loader. @default the image's, else BIOS on amd64 and UEFI on arm64 */
  firmware?: "bios" | "uefi";
  /** Virtual CPUs, 1 to 64. @default 1 */
  cpus?: number;
  /** Memory in MiB. @default 256 for micro, 1024 for other images */
  memoryMiB?: number;
  /** The virtual size of the disk in MiB; what the guest does not write takes no space. @default 10240 */
  diskMiB?: number;
  /**
   * Ports of the guest that this host reaches, on its loopback: a number, and any free port of the host leads there
   * ({@link Vm.forward} gives it); or with the port of the host, which leads to one machine at a time. @default []
   */
  publish?: readonly (number | PublishedPort)[];
  /** Directories of this host that the guest sees, as they are at each of its boots, read-only. @default [] */
  fixtures?: readonly FixtureDirectory[];
  /** What cloud-init in the guest is to do besides: `#cloud-config`, a script, a MIME message; at most 32 KiB. */
  userData?: string;
  /** When a guest with cloud-init is up: when that has finished, or when SSH answers. @default "cloud-init" */
  ready?: "ssh" | "cloud-init";
  /** The limit for one boot in milliseconds, downloads not counted. @default 180000 */
  bootTimeoutMs?: number;
  /** Ends the boot: what was started is taken down again, and the call rejects. */
  signal?: AbortSignal;
}

/**
 * A port of the guest, and the port of this host's loopback that leads there. TCP.
 *
 * @example
 * ```ts
 * import { start } from "fleetbox";
 *
 * await using vm = await start("web", { publish: [{ hostPort: 8080, guestPort: 80 }] });
 * ```
 */
export interface PublishedPort {
  /** The port of 127.0.0.1. @default any free one */
  hostPort?: number;
  /** The guest's port. */
  guestPort: number;
}

/**
 * A directory of this host, with owners and modes, at a path of the guest.
 *
 * @example
 * ```ts
 * import { type FixtureDirectory, start } from "fleetbox";
 *
 * const site: FixtureDirectory = { hostPath: "./site", guestPath: "/srv/site" };
 * await using vm = await start("web", { fixtures: [site] });
 * await vm.exec("ls /srv/site", { check: true });
 * ```
 */
export interface FixtureDirectory {
  /** The directory here, relative to the working directory. */
  hostPath: string;
  /** Where the guest mounts it: an absolute path. */
  guestPath: string;
}

/**
 * What a machine and its network are asked to be, and where they are kept.
 *
 * @example
 * ```ts
 * import { start, type StartOptions } from "fleetbox";
 *
 * const offline: StartOptions = { egress: "off", memoryMiB: 128 };
 * await using vm = await start("web", offline);
 * ```
 */
export interface StartOptions extends MachineOptions {
  /** Whether guests reach the outside through the gateway. @default "on" */
  egress?: "on" | "off";
  /** Whether guests reach services on this host's own loopback, at the gateway's address. @default false */
  hostAccess?: boolean;
  /** The directory in which machines are kept. @default $FLEETBOX_HOME, else ~/.fleetbox */
  store?: string;
  /**
   * What a name means that the store has already. `"refuse"`: an error. `"reuse"`: that machine is booted as it is, with
   * its disk and its size; it is stopped at the end, and stays. @default "refuse"
   */
  existing?: "refuse" | "reuse";
}

/**
 * How to reach a machine with any SSH client.
 *
 * @example
 * ```ts
 * import { start } from "fleetbox";
 *
 * await using vm = await start();
 * const { host, port, user, keyPath } = vm.ssh;
 * console.log(`ssh -i ${keyPath} -p ${port} ${user}@${host}`);
 * ```
 */
export interface SshAddress {
  /** An address of this host: 127.0.0.1. */
  host: string;
  /** The port on this host that leads to the machine's SSH server. It may be another one after a `start()`. */
  port: number;
  /** The guest's user, who may use sudo without a password. */
  user: string;
  /** The path of the private key. */
  keyPath: string;
}

/**
 * What a command reads: text, bytes, or a stream, at whose end its standard input ends.
 *
 * @example
 * ```ts
 * import { start, type Stdin } from "fleetbox";
 *
 * const inputs: Stdin[] = ["text\n", new Uint8Array([0, 255]), new Blob(["streamed"]).stream()];
 * await using vm = await start();
 * for (const stdin of inputs) await vm.exec("wc -c", { stdin });
 * ```
 */
export type Stdin = string | Uint8Array | ReadableStream<Uint8Array>;

/**
 * How a command is run.
 *
 * @example
 * ```ts
 * import { start } from "fleetbox";
 *
 * await using vm = await start();
 * await vm.exec("sort | uniq -c", { stdin: "b\na\nb\n", env: { LC_ALL: "C" }, timeoutMs: 5_000 });
 * ```
 */
export interface ExecOptions {
  /** What it reads. @default nothing: it reads the end at once */
  stdin?: Stdin;
  /** Variables to add to the guest's environment. */
  env?: Record<string, string>;
  /** The directory to run in. @default the user's home */
  cwd?: string;
  /** When it is over, the command is killed, with what it started, and the call rejects. In milliseconds. @default none */
  timeoutMs?: number;
  /** The same, when you say. */
  signal?: AbortSignal;
  /** Rejects with a {@link CommandError} when the code is not 0. @default false */
  check?: boolean;
  /** How many bytes of each output are kept; a command that writes more is ended, and the call rejects. @default 16777216 */
  maxOutputBytes?: number;
}

/**
 * How a command that is read while it runs is run: see {@link ExecOptions}.
 *
 * @example
 * ```ts
 * import { start } from "fleetbox";
 *
 * await using vm = await start();
 * await using cat = await vm.spawn("cat", { stdin: "piped" });
 * ```
 */
export interface ProcessOptions extends Pick<ExecOptions, "env" | "cwd" | "signal"> {
  /** What it reads; `"piped"`: what you write to {@link Process.stdin}. @default nothing: it reads the end at once */
  stdin?: Stdin | "piped";
}

/**
 * How a command ended.
 *
 * @example
 * ```ts
 * import { type ExitStatus, start } from "fleetbox";
 *
 * const text = ({ code, signal }: ExitStatus) => signal === null ? `code ${code}` : `ended by ${signal}`;
 * await using vm = await start();
 * console.log(text(await vm.exec("kill -9 $$"))); // "ended by SIGKILL"
 * ```
 */
export interface ExitStatus {
  /** Its exit code; null when a signal ended it. */
  code: number | null;
  /** The signal that ended it, such as `"SIGKILL"`; null when none did. */
  signal: string | null;
}

/**
 * How a command ended, and what it wrote, as text.
 *
 * @example
 * ```ts
 * import { start } from "fleetbox";
 *
 * await using vm = await start();
 * const { code, signal, stdout, stderr } = await vm.exec("ls /etc /nowhere");
 * ```
 */
export interface ExecResult extends ExitStatus {
  /** What it wrote to standard output. Bytes that are not UTF-8 become U+FFFD; for bytes, use {@link Vm.spawn}. */
  stdout: string;
  /** What it wrote to standard error. */
  stderr: string;
}

/**
 * A command that runs. Disposing of it kills it, with what it started.
 *
 * Both outputs come over one channel: read both, or cancel the one that does not matter, or else a command that writes
 * more than 2 MiB to the other stands still.
 *
 * @example
 * ```ts
 * import { start } from "fleetbox";
 *
 * await using vm = await start();
 * await using ping = await vm.spawn("ping -c 3 10.88.0.1");
 * for await (const text of ping.stdout.pipeThrough(new TextDecoderStream())) console.log(text);
 * console.log((await ping.status).code);
 * ```
 */
export interface Process extends AsyncDisposable {
  /** Its standard input, when that is `"piped"`; closing it is its end. */
  readonly stdin: WritableStream<Uint8Array>;
  /** What it writes to standard output, as it comes. */
  readonly stdout: ReadableStream<Uint8Array<ArrayBuffer>>;
  /** What it writes to standard error, as it comes. */
  readonly stderr: ReadableStream<Uint8Array<ArrayBuffer>>;
  /** Resolved when it is over and both outputs are at their ends. Rejects when the connection to the machine breaks. */
  readonly status: Promise<ExitStatus>;
  /**
   * Sends a signal to it, and to all that it started.
   *
   * @param signal such as `"KILL"` @default "TERM"
   *
   * @example
   * ```ts
   * import { start } from "fleetbox";
   *
   * await using vm = await start();
   * await using server = await vm.spawn("httpd -f -p 8080");
   * await server.kill("HUP");
   * ```
   */
  kill(signal?: string): Promise<void>;
}

/**
 * How files are written.
 *
 * @example
 * ```ts
 * import { start } from "fleetbox";
 *
 * await using vm = await start();
 *
 * await vm.writeFile("secret", "s3cr3t\n", { mode: 0o600, signal: AbortSignal.timeout(10_000) });
 * ```
 */
export interface WriteOptions {
  /** The file's mode; an existing file keeps its own. @default 0o644 */
  mode?: number;
  /** Ends it in the middle: what was written stays. */
  signal?: AbortSignal;
}

/**
 * How files are copied or read.
 *
 * @example
 * ```ts
 * import { start } from "fleetbox";
 *
 * await using vm = await start();
 *
 * await vm.copyTo("./data", "data", { signal: AbortSignal.timeout(60_000) });
 * ```
 */
export interface CopyOptions {
  /** Ends it in the middle: what was copied stays. */
  signal?: AbortSignal;
}

/**
 * What {@link Vm.waitFor} waits for: one of these.
 *
 * @example
 * ```ts
 * import type { WaitTarget } from "fleetbox";
 *
 * const targets: WaitTarget[] = [
 *   { port: 8080 },
 *   { file: "/run/ready" },
 *   { log: /listening on (\d+)/, in: "/var/log/app.log" },
 *   { log: "fleetbox-micro: ssh" },
 *   { command: "nslookup b" },
 * ];
 * ```
 */
export type WaitTarget =
  /** Somebody listens on this TCP port, on the machine's loopback or its address. */
  | { port: number }
  /** There is a file, directory or anything else at this path of the guest. */
  | { file: string }
  /** A line holds this text or matches: of the console since the machine was started, or of a file of the guest. */
  | { log: string | RegExp; in?: string }
  /** The command ends with code 0. It is run again and again. */
  | { command: Command };

/**
 * How long {@link Vm.waitFor} waits, and how often it looks.
 *
 * @example
 * ```ts
 * import { start } from "fleetbox";
 *
 * await using vm = await start();
 *
 * await vm.waitFor({ file: "/run/ready" }, { timeoutMs: 5_000, intervalMs: 50 });
 * ```
 */
export interface WaitOptions {
  /** The limit in milliseconds. @default 60000 */
  timeoutMs?: number;
  /** The pause between two looks in milliseconds. @default 200 */
  intervalMs?: number;
  /** Ends the wait. */
  signal?: AbortSignal;
}

/**
 * How a machine is stopped.
 *
 * @example
 * ```ts
 * import { start } from "fleetbox";
 *
 * await using vm = await start();
 *
 * await vm.stop({ graceMs: 5_000 });
 * ```
 */
export interface StopOptions {
  /** How long the guest may take to shut down, in milliseconds; then the machine is ended. @default 30000 */
  graceMs?: number;
  /** Stops waiting for it; it goes down all the same. */
  signal?: AbortSignal;
}

/**
 * How a machine that was stopped is started again.
 *
 * @example
 * ```ts
 * import { start } from "fleetbox";
 *
 * await using vm = await start();
 *
 * await vm.kill();
 * await vm.start({ bootTimeoutMs: 30_000 });
 * ```
 */
export interface RestartOptions {
  /** The limit for the boot in milliseconds. @default what `start()` was told */
  bootTimeoutMs?: number;
  /** Stops waiting for it, and takes it down again. */
  signal?: AbortSignal;
}

/**
 * How much of a console is given.
 *
 * @example
 * ```ts
 * import { start } from "fleetbox";
 *
 * await using vm = await start();
 *
 * console.log(await vm.console({ lines: 20, all: true }));
 * ```
 */
export interface ConsoleOptions {
  /** The last so many lines. @default all of them, of at most the last MiB */
  lines?: number;
  /** What earlier starts of the machine wrote, too. @default false */
  all?: boolean;
}

/**
 * A machine: a whole Linux with a kernel, an init and a disk of its own.
 *
 * Disposing of it takes it down and removes it, disk and all, unless it was there before (`existing: "reuse"`): then it is
 * shut down and stays.
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
export interface Vm extends AsyncDisposable {
  /** Its name: its host name, and its name in the DNS of its group. */
  readonly name: string;
  /** Its address on the group's network, which the other machines of the group reach; this host reaches it over SSH. */
  readonly ip: string;
  /** How to reach it with any SSH client. */
  readonly ssh: SshAddress;

  /**
   * Runs a command and gives how it ended, also when it failed.
   *
   * Commands share an SSH connection, which is kept open, and opened again when it broke. Eight run at once; others wait
   * their turn.
   * @param command A line for the guest's shell, or a program and its arguments, which get there exactly as they are.
   * @throws {FleetboxError} `timeout` and `interrupted` (the message says what became of it); `failed`: the machine is
   * not there, or the connection broke in the middle; {@link CommandError}, with `check`.
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
   * Copies a file or a directory, with all that is in it, into the guest. Modes are kept; large files are streamed.
   *
   * @param from A path of this host.
   * @param to The path that it gets in the guest, relative to the user's home. When it ends with `/`, or when a file is
   * copied and there is a directory of that name, it is copied into that. A directory is merged into one that is there.
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
   * Writes a file of the guest, with the rights of the guest's user; replaces what it held.
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
   * Reads a file of the guest, whole.
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
   * @param guestPort Whether anybody listens there already does not matter.
   * @param hostPort @default any free one; the one that leads there already, if there is one
   * @returns the port of 127.0.0.1
   * @throws {FleetboxError} `conflict`: the host's port is taken, and by whom; `denied`: you may not listen there.
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
   * What the machine wrote to its serial console since it was started: the kernel's and the boot's messages.
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
   * What the machine is now. `"absent"`: it was destroyed.
   *
   * @example
   * ```ts
   * import { start } from "fleetbox";
   *
   * await using vm = await start();
   * if (await vm.state() !== "running") throw new Error("it went down");
   * ```
   */
  state(): Promise<State | "absent">;

  /**
   * Shuts the machine down as its power button does, and returns when it is down. The disk stays, for {@link Vm.start}.
   * The other machines of its group run on. A machine that is down already is fine.
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
   * Boots the machine again, with its disk, onto its group's network; returns when it answers. One that runs is fine.
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
   * Takes the power away: no shutdown, nothing is flushed. The disk stays as it is then.
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
   */
  kill(): Promise<void>;

  /**
   * Takes the machine down and removes it, disk and all, whoever made it. Twice is fine.
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

  /**
   * Waits for a line of the console, or of a file of the guest, and gives it.
   * @throws {FleetboxError} `timeout`, with the last failure as its cause.
   *
   * @example
   * ```ts
   * import { start } from "fleetbox";
   *
   * await using vm = await start();
   * const line = await vm.waitFor({ log: /ready in \d+ ms/, in: "/var/log/app.log" }, { timeoutMs: 10_000 });
   * ```
   */
  waitFor(target: { log: string | RegExp; in?: string }, options?: WaitOptions): Promise<string>;

  /**
   * Waits for a port, a file, or a command that succeeds.
   * @throws {FleetboxError} `timeout`, with the last failure as its cause; or, at once, that the machine is gone.
   *
   * @example
   * ```ts
   * import { start } from "fleetbox";
   *
   * await using vm = await start();
   * await using web = await vm.spawn("mkdir -p www && busybox httpd -f -p 8080 -h www");
   * await vm.waitFor({ port: 8080 });
   * await vm.waitFor({ command: "wget -q -O- http://localhost:8080/" }, { timeoutMs: 5_000 }).catch(console.log);
   * ```
   */
  waitFor(target: WaitTarget, options?: WaitOptions): Promise<void | string>;
}

/**
 * A group of machines on one private network, where they find each other by name. Disposing of it closes it.
 *
 * @example
 * ```ts
 * import { startCluster } from "fleetbox";
 *
 * await using cluster = await startCluster(["a", "b", "c"]);
 * await cluster.get("a").exec("ping -c 1 b", { check: true });
 * ```
 */
export interface Cluster extends AsyncDisposable {
  /** Its machines, in the order in which they were named, then added. */
  readonly vms: readonly Vm[];
  /**
   * The machine of a name.
   *
   * @throws {FleetboxError} `not-found`
   *
   * @example
   * ```ts
   * import { startCluster } from "fleetbox";
   *
   * await using cluster = await startCluster(["a", "b"]);
   * console.log(cluster.get("b").ip);
   * ```
   */
  get(name: string): Vm;
  /**
   * Boots another machine onto the network; returns when it answers.
   *
   * @example
   * ```ts
   * import { startCluster } from "fleetbox";
   *
   * await using cluster = await startCluster(["a", "b"]);
   * const c = await cluster.add("c", { memoryMiB: 128 });
   * await c.exec("ping -c 1 a", { check: true });
   * ```
   */
  add(name?: string, options?: MachineOptions): Promise<Vm>;
  /**
   * Takes every machine down and removes those that this group made. Twice is fine.
   *
   * @example
   * ```ts
   * import { startCluster } from "fleetbox";
   *
   * const cluster = await startCluster(3);
   * try {
   *   await cluster.vms[0].stop();
   * } finally {
   *   await cluster.close(); // what `await using` does
   * }
   * ```
   */
  close(): Promise<void>;
}

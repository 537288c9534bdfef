/** A machine, as a test sees it. */

import type { Command } from "../shell.ts";
import type { State } from "../../wire.ts";
import type { ExecOptions, ExecResult, Process, ProcessOptions } from "./process.ts";
import type {
  ConsoleOptions,
  CopyOptions,
  RestartOptions,
  SshAddress,
  StopOptions,
  WaitOptions,
  WaitTarget,
  WriteOptions,
} from "./vm_options.ts";

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

/** Options of what a machine can do. */

import type { Command } from "../shell.ts";

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

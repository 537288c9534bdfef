/** Options of a machine's methods. */

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
  /** The guest's user, which may use sudo without a password. */
  user: string;
  /** The path of the private key. */
  keyPath: string;
}

/**
 * Options for writing files.
 *
 * @example
 * ```ts
 * import { start } from "fleetbox";
 *
 * await using vm = await start();
 *
 * await vm.writeFile("secret", "s3cr3t\n", { mode: 0o600, timeoutMs: 10_000 });
 * ```
 */
export interface WriteOptions {
  /** The file's mode; an existing file keeps its own. @default 0o644 */
  mode?: number;
  /** The limit in milliseconds; bytes that were written stay. @default none */
  timeoutMs?: number;
  /** Does the same when it fires. */
  signal?: AbortSignal;
}

/**
 * Options for copying and reading files.
 *
 * @example
 * ```ts
 * import { start } from "fleetbox";
 *
 * await using vm = await start();
 *
 * await vm.copyTo("./data", "data", { timeoutMs: 60_000 });
 * ```
 */
export interface CopyOptions {
  /** The limit in milliseconds; files that were copied stay. @default none */
  timeoutMs?: number;
  /** Does the same when it fires. */
  signal?: AbortSignal;
}

/**
 * Options for stopping a machine.
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
  /** Stops waiting; the machine still shuts down. */
  signal?: AbortSignal;
}

/**
 * What becomes, at a power cut, of the writes that the guest has not flushed.
 *
 * @example
 * ```ts
 * import { start } from "fleetbox";
 *
 * await using vm = await start({ logWrites: true });
 *
 * await vm.kill({ loseUnflushed: "random", seed: 7 });
 * ```
 */
export interface KillOptions {
  /**
   * `"none"` is lost. `"all"`: everything after the last completed flush. `"random"`: about half of that. `"torn"`: the same, and the last
   * write that survives may end in its middle, at a sector of 512 bytes. All but `"none"` need `logWrites`. @default "none"
   */
  loseUnflushed?: "none" | "all" | "random" | "torn";
  /** Which writes survive: the same seed and the same writes, the same ones. @default any */
  seed?: number;
}

/**
 * What a power cut has done: one that found nothing to lose proves nothing.
 *
 * @example
 * ```ts
 * import { type PowerCut, start } from "fleetbox";
 *
 * await using vm = await start({ logWrites: true });
 * await vm.exec("echo not synced > file");
 * const cut: PowerCut | undefined = await vm.kill({ loseUnflushed: "all" });
 * if (!cut || cut.lost === 0) throw new Error("nothing was lost");
 * ```
 */
export interface PowerCut {
  /** The writes after the last completed flush; discards are among them. */
  unflushed: number;
  /** How many of them were lost. One that was torn is not among them. */
  lost: number;
  /** The write that ends in its middle: how many of its sectors survive. Absent: there is none. */
  torn?: { sectors: number; of: number };
  /** The seed that repeats it. */
  seed: number;
}

/**
 * Options for starting a stopped machine again.
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
  /** The limit for each stage of the boot in milliseconds. @default that of the first start */
  bootTimeoutMs?: number;
  /** Whether a suspended machine boots, as after a power cut: what was suspended is discarded. @default false */
  cold?: boolean;
  /** The clock of a machine that goes on: set to this host's, or kept as it was. @default that of the first start */
  clock?: "set" | "keep";
  /** Stops waiting, and stops the machine again. */
  signal?: AbortSignal;
}

/**
 * Options for restarting a machine.
 *
 * @example
 * ```ts
 * import { start } from "fleetbox";
 *
 * await using vm = await start();
 *
 * await vm.restart({ memoryMiB: 512 });
 * ```
 */
export interface RebootOptions extends RestartOptions {
  /** Whether the machine is ended at once, as by {@link Vm.kill}. @default false */
  force?: boolean;
  /** How long the guest may take to shut down, in milliseconds; then the machine is ended. @default 30000 */
  graceMs?: number;
  /** Virtual CPUs from now on. @default those that it has */
  cpus?: number;
  /** Memory in MiB from now on. @default what it has */
  memoryMiB?: number;
  /** The disk's size in MiB from now on; a disk never shrinks. @default what it has */
  diskMiB?: number;
}

/**
 * Options for reading the console.
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
  /** Only this many last lines. @default all lines of at most the last MiB */
  lines?: number;
  /** Also the output of earlier starts. @default false */
  all?: boolean;
}

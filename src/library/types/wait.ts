/** Waiting: for something of a machine, or for any condition that a test can state. */

import type { Command } from "../shell.ts";

/**
 * A target of {@link Vm.waitFor}: one of these.
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
  /** A program listens on this TCP port, on the machine's loopback or its address. */
  | { port: number }
  /** A file of any kind exists at this path of the guest. */
  | { file: string }
  /**
   * A line contains this text or matches: a line of the console since the machine's start, or of a file of the guest.
   */
  | { log: string | RegExp; in?: string }
  /** The command ends with code 0. It is run repeatedly. */
  | { command: Command };

/**
 * A condition of {@link waitFor}: it holds when it returns something that is true (not `false`, `0`, `""`, `null` or `undefined`).
 * What it throws means "not yet".
 *
 * @param signal fires when the wait is over: hand it on to what the condition waits for, such as `vm.exec("…", { signal })`
 *
 * @example
 * ```ts
 * import { type Cluster, type Condition, startCluster, waitFor } from "fleetbox";
 *
 * const isLeft = (cluster: Cluster, count: number): Condition<boolean> => () => cluster.vms.length === count;
 *
 * await using cluster = await startCluster(["a", "b"]);
 * await waitFor(isLeft(cluster, 2));
 * ```
 */
export type Condition<T> = (signal: AbortSignal) => T | PromiseLike<T>;

/**
 * What a condition returned when it held.
 *
 * @example
 * ```ts
 * import type { Held } from "fleetbox";
 *
 * const leader: Held<string | undefined> = "a"; // a string
 * console.log(leader);
 * ```
 */
export type Held<T> = Exclude<T, false | 0 | 0n | "" | null | undefined | void>;

/**
 * How long a wait may take, how often it looks, and what its error says.
 *
 * @example
 * ```ts
 * import { start } from "fleetbox";
 *
 * await using vm = await start();
 *
 * await vm.waitFor({ file: "/run/ready" }, { timeoutMs: 5_000, intervalMs: 50, message: "the server is not ready" });
 * ```
 */
export interface WaitOptions {
  /** The limit in milliseconds. @default 60000 */
  timeoutMs?: number;
  /** The pause between two checks in milliseconds. @default 200 */
  intervalMs?: number;
  /** What the error at the limit says first: `"no leader was elected"`. @default what was waited for */
  message?: string;
  /** Ends the wait. */
  signal?: AbortSignal;
}

/**
 * What a machine can be waited for.
 *
 * @example
 * ```ts
 * import { type MachineWaits, start } from "fleetbox";
 *
 * const isServing = (vm: MachineWaits) => vm.waitFor({ port: 8080 }, { timeoutMs: 20_000 });
 *
 * await using vm = await start();
 * await using _server = await vm.spawn("httpd -f -p 8080 -h .");
 * await isServing(vm);
 * ```
 */
export interface MachineWaits {
  /**
   * Waits for a line of the console, or of a file of the guest, and returns it.
   * @throws {FleetboxError} `timeout`, with the last failure as its cause; or, at once, that the machine is gone.
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

  /**
   * Waits for any condition, and returns what it returned then: {@link waitFor}, which ends at once when the condition fails
   * because the machine is gone.
   * @throws {FleetboxError} `timeout`: with what it returned last, or threw last as its cause
   *
   * @example
   * ```ts
   * import { start } from "fleetbox";
   *
   * await using vm = await start();
   * await vm.exec("(sleep 1; echo 3 > count) >/dev/null 2>&1 &");
   * const count = await vm.waitFor(async () => Number(await vm.readTextFile("count")));
   * console.log(count); // 3
   * ```
   */
  waitFor<T>(condition: Condition<T>, options?: WaitOptions): Promise<Held<T>>;
}

/**
 * Machines for one test, in any test runner: named after the test, removed at its end, with their console when it
 * fails.
 *
 * The machine's name comes from the test's, and is unique for each file, process and call, so that parallel test files
 * in one store cannot collide.
 */

import { isOn } from "../core/environment.ts";
import { FleetboxError } from "../core/errors.ts";
import { checkNames } from "../core/names.ts";
import { hostProblem } from "./host.ts";
import "./hints.ts";
import { testName, uniqueNames } from "./naming.ts";
import { openCluster, openMachine } from "./start.ts";
import type { Cluster, StartOptions, Vm } from "./types.ts";
import type { Machine } from "./vm.ts";

/** "1" keeps the machines of failed tests. */
const KEEP_VARIABLE = "FLEETBOX_KEEP";
const CONSOLE_LINES = 25;
/** How long the guest of a kept machine may take to shut down. */
const KEEP_GRACE_MS = 10_000;

/**
 * A runner's argument to a test: a `TestContext` of `Deno.test`, the context of `node:test`, `{ task }` of Vitest. It
 * may have the test's name.
 *
 * @example
 * ```ts
 * import { type AnyContext, withVm } from "@fleetbox/testing";
 *
 * const body = withVm<AnyContext>(async (vm, context) => {
 *   console.log(context.name, vm.name);
 * });
 * await body({ name: "a test of a runner of my own" });
 * ```
 */
export interface AnyContext {
  /** `Deno.test` and `node:test`: the test's name. */
  readonly name?: string;
  /** `Deno.test`: the test's file. */
  readonly origin?: string;
  /** Vitest: the test. */
  readonly task?: { readonly name: string };
}

/**
 * A test's body with a machine, which is booted before and destroyed after it. For any runner whose tests are
 * functions.
 *
 * When the body fails, the last lines of the machine's console are printed. With `FLEETBOX_KEEP=1` in the environment
 * the machine is then shut down and kept instead: its disk, its console and its holder's log, whose paths are printed.
 * (It does not run on: no machine of a test outlives the test's process.)
 *
 * @param body The test. Its second argument is the runner's argument.
 * @param options The machine's options.
 *
 * @example `node:test`
 * ```ts
 * import { test } from "node:test";
 * import { hostProblem, withVm } from "@fleetbox/testing";
 *
 * test("it boots", { skip: hostProblem() }, withVm(async (vm) => {
 *   await vm.exec("true", { check: true });
 * }));
 * ```
 */
export function withVm<T extends AnyContext = AnyContext>(
  body: (vm: Vm, context: T) => unknown,
  options?: StartOptions,
): (context?: T) => Promise<void> {
  return async (context) => {
    const machine = await openMachine(nameFor(context, 0), options);
    await run(context, [machine], () => machine[Symbol.asyncDispose](), () => body(machine, context as T));
  };
}

/**
 * A test's body with a group of machines: {@link withVm} for more than one.
 *
 * @param members How many, or their names: `"db"` is what the machine is called in the group, by its siblings and by itself. The
 * store calls it after the test, so that tests with the same names run side by side.
 * @param body The test.
 * @param options The machines' options.
 *
 * @example
 * ```ts
 * import { withCluster } from "@fleetbox/testing";
 *
 * Deno.test("they see each other", withCluster(2, async ({ vms: [one, other] }) => {
 *   await one.exec(["ping", "-c", "1", other.name], { check: true });
 * }, { egress: "off" }));
 * ```
 */
export function withCluster<T extends AnyContext = AnyContext>(
  members: readonly string[] | number,
  body: (cluster: Cluster, context: T) => unknown,
  options?: StartOptions,
): (context?: T) => Promise<void> {
  return async (context) => {
    const room = typeof members === "number" ? 4 : 1 + Math.max(0, ...members.map((word) => word.length));
    const stem = nameFor(context, room);
    const wanted = typeof members === "number"
      ? uniqueNames(members, stem).map((name) => ({ name, storeName: name }))
      : checkNames(members).map((name) => ({ name, storeName: `${stem}-${name}` }));
    const cluster = await openCluster(wanted, options);
    await run(context, () => cluster.machines, () => cluster.close(), () => body(cluster, context as T));
  };
}

/**
 * Registers a test with `Deno.test` that has a machine: see {@link withVm}. Where the host cannot run machines, the test
 * is ignored, and its name says why.
 *
 * @param name The test's name.
 * @param body The test.
 * @param options The machine's options.
 *
 * @example
 * ```ts
 * import { vmTest } from "@fleetbox/testing";
 *
 * vmTest("a file outlives a power cut after sync", async (vm) => {
 *   await vm.exec("echo precious > file && sync", { check: true });
 *   await vm.kill();
 *   await vm.start();
 *   await vm.exec("grep precious file", { check: true });
 * }, { egress: "off" });
 * ```
 */
export function vmTest(
  name: string,
  body: (vm: Vm, context: Deno.TestContext) => unknown,
  options?: StartOptions,
): void {
  register(name, withVm<Deno.TestContext>(body, options), options);
}

/**
 * Registers a test with `Deno.test` that has a group of machines: see {@link withCluster}. Where the host cannot run
 * machines, the test is ignored, and its name says why.
 *
 * @param name The test's name.
 * @param members How many machines, or their names in the group.
 * @param body The test.
 * @param options The machines' options.
 *
 * @example
 * ```ts
 * import { clusterTest } from "@fleetbox/testing";
 *
 * clusterTest("the database is found by name", ["web", "db"], async ({ vms: [web, db] }) => {
 *   await web.exec(["nslookup", db.name], { check: true });
 * }, { egress: "off" });
 * ```
 */
export function clusterTest(
  name: string,
  members: readonly string[] | number,
  body: (cluster: Cluster, context: Deno.TestContext) => unknown,
  options?: StartOptions,
): void {
  register(name, withCluster<Deno.TestContext>(members, body, options), options);
}

function register(name: string, fn: (t: Deno.TestContext) => Promise<void>, options: StartOptions = {}): void {
  const problem = hostProblem(options);
  // Deno before 2.9 reports the connection's ciphers as leaks.
  const [major, minor] = Deno.version.deno.split(".").map(Number);
  const sanitizeResources = major > 2 || minor >= 9;
  if (problem === undefined) Deno.test({ name, fn, ...(sanitizeResources ? {} : { sanitizeResources }) });
  else Deno.test({ name: `${name} (skipped: ${problem})`, ignore: true, fn });
}

function nameFor(context: AnyContext | undefined, room: number): string {
  return testName(titleOf(context) ?? "test", context?.origin ?? Deno.mainModule, room);
}

/** The test's name. Vitest's context is a function, whose name is not the test's; Deno 2.6 throws for `node:test`'s. */
function titleOf(context: AnyContext | undefined): string | undefined {
  try {
    return context?.task?.name ?? context?.name;
  } catch {
    return undefined;
  }
}

async function run(
  context: AnyContext | undefined,
  machines: Machine[] | (() => Machine[]),
  close: () => Promise<void>,
  body: () => unknown,
): Promise<void> {
  let isFailed = true;
  try {
    await body();
    isFailed = false;
  } finally {
    try {
      if (isFailed) {
        for (const machine of typeof machines === "function" ? machines() : machines) {
          console.error(await explain(machine, titleOf(context)));
        }
      }
    } finally {
      await close();
    }
  }
}

/** The report about a machine whose test failed; keeps the machine, if requested. */
async function explain(machine: Machine, title: string | undefined): Promise<string> {
  const whose = title === undefined ? "" : ` of the test ${JSON.stringify(title)}`;
  const parts: string[] = [];
  try {
    const state = await machine.state();
    const text = await machine.console({ lines: CONSOLE_LINES });
    parts.push(`--- "${machine.name}"${whose}, which failed, is ${state}; the last lines of its console:`, text, "---");
    if (isOn(KEEP_VARIABLE) && state !== "absent") {
      const { home, paths } = await machine.keep(KEEP_GRACE_MS);
      parts.push(
        `"${machine.storeName}" was shut down and is kept, as ${KEEP_VARIABLE} is set:`,
        ...paths.map(([what, path]) => `  ${what.padEnd(8)} ${path}`),
        `  boot it  FLEETBOX_HOME=${home} fleetbox up ${machine.storeName}`,
        `  remove   FLEETBOX_HOME=${home} fleetbox rm ${machine.storeName}`,
      );
    }
  } catch (thrown) {
    const why = thrown instanceof FleetboxError ? thrown.message : String(thrown);
    parts.push(`--- "${machine.name}"${whose}: no more is known: ${why}`);
  }
  return parts.join("\n");
}

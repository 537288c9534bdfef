/**
 * Machines for one test, in any test runner: named after the test, removed at its end, with their console when it
 * fails.
 *
 * The machine's name comes from the test's, and is unique for each file, process and call, so that parallel test files
 * in one store cannot collide.
 */

import { checkNames } from "../core/names.ts";
import { type AnyContext, nameFor, ofTest, register, run, tracedTest } from "./fixture/run.ts";
import "./hints.ts";
import { uniqueNames } from "./naming.ts";
import { openCluster, openMachine } from "./start.ts";
import type { Cluster, StartOptions, Vm } from "./types.ts";

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
    const machine = await openMachine(nameFor(context, 0), options, tracedTest(context));
    const close = () => machine[Symbol.asyncDispose]();
    const { trace } = machine;
    await run({ whose: ofTest(context), machines: () => [machine], trace, close }, () => body(machine, context as T));
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
    const cluster = await openCluster(wanted, options, tracedTest(context));
    const close = () => cluster.close();
    const its = { whose: ofTest(context), machines: () => cluster.machines, trace: cluster.trace, close };
    await run(its, () => body(cluster, context as T));
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

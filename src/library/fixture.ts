/**
 * Machines for one test, in any test runner: named after the test, removed at its end, with their console when it
 * fails.
 *
 * The machine's name comes from the test's, and is unique for each file, process and call, so that parallel test files
 * in one store cannot collide.
 */

import { checked } from "./check.ts";
import { type AnyContext, nameFor, ofTest, register, run, tracedTest } from "./fixture/run.ts";
import "./hints.ts";
import { askedMembers, roomFor } from "./members/members.ts";
import { uniqueNames } from "./naming.ts";
import { openCluster, openMachine } from "./start.ts";
import type { Cluster, Members, TestOptions, Vm } from "./types.ts";

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
  options?: TestOptions,
): (context?: T) => Promise<void> {
  return async (context) => {
    const { logs, ...its } = checked("test", "a test's machine", options);
    const machine = await openMachine(nameFor(context, 0), its, tracedTest(context));
    const close = () => machine[Symbol.asyncDispose]();
    const { trace } = machine;
    const test = { whose: ofTest(context), machines: () => [machine], trace, logs, close };
    await run(test, () => body(machine, context as T));
  };
}

/**
 * A test's body with a group of machines: {@link withVm} for more than one.
 *
 * @param members How many, or their names, or each with options of its own: `"db"` is what the machine is called in the group, by its
 * siblings and by itself. The store calls it after the test, so that tests with the same names run side by side.
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
export function withCluster<T extends AnyContext = AnyContext, Name extends string = string>(
  members: Members<Name>,
  body: (cluster: Cluster<Name>, context: T) => unknown,
  options?: TestOptions,
): (context?: T) => Promise<void> {
  return async (context) => {
    const { logs, ...its } = checked("test", "a test's machines", options);
    const isNumber = typeof members === "number";
    const room = isNumber ? 4 : roomFor(askedMembers(members, () => []));
    const stem = nameFor(context, room);
    const asked = askedMembers(members, (count) => uniqueNames(count, stem));
    const wanted = asked.map((one) => ({ ...one, storeName: isNumber ? one.name : `${stem}-${one.name}` }));
    const cluster = await openCluster(wanted, its, tracedTest(context));
    const close = () => cluster.close();
    const test = { whose: ofTest(context), machines: () => cluster.machines, trace: cluster.trace, logs, close };
    await run(test, () => body(cluster, context as T));
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
  options?: TestOptions,
): void {
  register(name, withVm<Deno.TestContext>(body, options), options);
}

/**
 * Registers a test with `Deno.test` that has a group of machines: see {@link withCluster}. Where the host cannot run
 * machines, the test is ignored, and its name says why.
 *
 * @param name The test's name.
 * @param members How many machines, or their names in the group, or each with options of its own.
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
 *
 * clusterTest("the large one is found, too", { small: {}, large: { memoryMiB: 512 } }, async (cluster) => {
 *   await cluster.get("small").exec("ping -c 1 large", { check: true });
 * }, { egress: "off" });
 * ```
 */
export function clusterTest<Name extends string = string>(
  name: string,
  members: Members<Name>,
  body: (cluster: Cluster<Name>, context: Deno.TestContext) => unknown,
  options?: TestOptions,
): void {
  register(name, withCluster<Deno.TestContext, Name>(members, body, options), options);
}

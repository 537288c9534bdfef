/** A cluster that is set up once, and that many tests go on from. */

import type { AnyContext } from "../fixture/run.ts";
import type { ForkOptions } from "./checkpoint.ts";
import type { Cluster } from "./cluster.ts";
import type { TestOptions } from "./test_options.ts";

/**
 * The options of {@link sharedCluster}.
 *
 * @example
 * ```ts
 * import { sharedCluster, type SharedOptions } from "@fleetbox/testing";
 *
 * const options: SharedOptions = { image: "debian-12", egress: "off", key: "postgres 15, schema 7" };
 * const database = sharedCluster(["db", "replica"], () => {}, options);
 * ```
 */
export interface SharedOptions extends Omit<TestOptions, "existing"> {
  /**
   * Keeps what was set up beyond this file and this run: files and runs that say the same key, from the same working
   * directory and with the same machines, set up once for all of them. Where several want it at once, one sets up, and
   * the others wait. Change it when the set-up changes. What earlier keys have left is in `fleetbox checkpoint ls`, and goes by
   * `fleetbox checkpoint rm`.
   * @default none: each file sets up in each run, and nothing stays
   */
  key?: string;
}

/**
 * A cluster that is set up once, and that every test gets a fork of: see {@link sharedCluster}.
 *
 * @example
 * ```ts
 * import { type SharedCluster, sharedCluster } from "@fleetbox/testing";
 *
 * const seeded: SharedCluster = sharedCluster(["a", "b"], async (cluster) => {
 *   await cluster.get("a").exec("echo seeded > data", { check: true });
 * });
 *
 * seeded.test("a has the data", async (cluster) => {
 *   await cluster.get("a").exec("grep seeded data", { check: true });
 * });
 * ```
 */
export interface SharedCluster<Name extends string = string> extends AsyncDisposable {
  /**
   * Registers a test with `Deno.test` that gets a fork. The first test that runs includes the set-up; when that fails, every
   * test fails with its error. Where the host cannot run machines, the test is ignored, and its name says why.
   *
   * @param options The fork's options.
   *
   * @example
   * ```ts
   * import { sharedCluster } from "@fleetbox/testing";
   *
   * const pair = sharedCluster(["a", "b"], (cluster) => cluster.get("a").exec("touch ready", { check: true }));
   *
   * pair.test("they see each other", async (cluster) => {
   *   await cluster.get("a").exec("ping -c 1 b", { check: true });
   * });
   * pair.test("what a test breaks is whole in the next one", async (cluster) => {
   *   await cluster.get("a").exec("rm ready", { check: true });
   * });
   * ```
   */
  test(
    name: string,
    body: (cluster: Cluster<Name>, context: Deno.TestContext) => unknown,
    options?: ForkOptions,
  ): void;
  /**
   * A test's body with a fork, for any runner: what {@link withCluster} is for a cluster of the test's own.
   *
   * @example `node:test`
   * ```ts
   * import { after, test } from "node:test";
   * import { hostProblem, sharedCluster } from "@fleetbox/testing";
   *
   * const pair = sharedCluster(["a", "b"], (cluster) => cluster.get("a").exec("touch ready", { check: true }));
   * after(() => pair.close());
   *
   * test("it is ready", { skip: hostProblem() }, pair.withFork(async (cluster) => {
   *   await cluster.get("a").exec("test -e ready", { check: true });
   * }));
   * ```
   */
  withFork<T extends AnyContext = AnyContext>(
    body: (cluster: Cluster<Name>, context: T) => unknown,
    options?: ForkOptions,
  ): (context?: T) => Promise<void>;
  /**
   * Removes what was set up, unless it has a key. Tests of {@link SharedCluster.test} do so by themselves, after the last
   * one; without it, it goes at the end of the program. Calling it twice is fine.
   *
   * @example
   * ```ts
   * import { sharedCluster } from "@fleetbox/testing";
   *
   * await using pair = sharedCluster(2, () => {});
   * await pair.withFork(({ vms: [one] }) => one.exec("true", { check: true }))();
   * ```
   */
  close(): Promise<void>;
}

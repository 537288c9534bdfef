/**
 * Machines as fixtures of tests: booted before a test, destroyed after it, explained when it failed.
 *
 * ```ts
 * import { vmTest } from "@fleetbox/testing";
 *
 * vmTest("the kernel is Linux", async (vm) => {
 *   const { stdout } = await vm.exec("uname", { check: true });
 *   if (stdout !== "Linux\n") throw new Error(stdout);
 * });
 * ```
 *
 * @module
 */

export { clusterTest, vmTest, withCluster, withVm } from "./src/library/fixture.ts";
export type { AnyContext } from "./src/library/fixture/run.ts";
export { sharedCluster } from "./src/library/fixture/shared_cluster.ts";
export { hostProblem } from "./src/library/host.ts";
export { waitFor } from "./src/library/wait/condition.ts";
export type {
  Cluster,
  ForkOptions,
  Members,
  SharedCluster,
  SharedOptions,
  StartOptions,
  TestOptions,
  Vm,
} from "./src/library/types.ts";

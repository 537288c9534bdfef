/**
 * Machines as fixtures of Vitest: a machine per test, a cluster per worker, a fork per test.
 *
 * ```text
 * import { test as base } from "vitest";
 * import { vmFixture } from "fleetbox/vitest";
 *
 * const test = base.extend({ vm: vmFixture({ egress: "off" }) });
 *
 * test("the kernel is Linux", async ({ expect, vm }) => {
 *   const { stdout } = await vm.exec("uname", { check: true });
 *   expect(stdout).toBe("Linux\n");
 * });
 * ```
 *
 * @module
 */

export {
  clusterFixture,
  forkFixture,
  groupFixture,
  type VitestFixture,
  type VitestTask,
  type VitestWorkerFixture,
  vmFixture,
} from "./src/library/fixture/vitest.ts";

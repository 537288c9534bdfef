/** The options of machines that belong to a test. */

import type { Command } from "../shell.ts";
import type { StartOptions } from "./options.ts";

/**
 * The options of a test's machines: those of {@link start}, and what tells of them when the test fails.
 *
 * @example
 * ```ts
 * import { clusterTest, type TestOptions } from "@fleetbox/testing";
 *
 * const options: TestOptions = { egress: "off", logs: ["cat app.log", "sudo dmesg"] };
 *
 * clusterTest("the app is found", ["app", "client"], async (cluster) => {
 *   await cluster.get("app").exec("httpd -f -p 8080 -h . >app.log 2>&1 &");
 *   await cluster.get("client").waitFor({ command: "wget -q -O - http://app:8080/" });
 * }, options);
 * ```
 */
export interface TestOptions extends StartOptions {
  /**
   * Commands whose output tells why a test failed: `"journalctl -u etcd"`. When it fails, they run on each of its machines. Their last lines
   * are printed, and all of it is in the test's bundle, when it leaves one (`FLEETBOX_TRACE`). @default []
   */
  logs?: readonly Command[];
}

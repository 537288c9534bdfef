/** What a restore must find equal of hypervisor and host, in words. */

import { FleetboxError } from "../core/errors.ts";
import type { Driver } from "./contract.ts";

/** @throws {FleetboxError} `unavailable`: no machine can be saved here, and why */
export async function snapshotFacts(
  driver: Pick<Driver, "snapshotSupport">,
  binary: string,
  accelerator: string | Promise<string>,
): Promise<string> {
  const support = await driver.snapshotSupport(binary, accelerator);
  if (support.kind === "available") return support.facts;
  throw new FleetboxError("unavailable", support.reason);
}

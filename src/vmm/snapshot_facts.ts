/** What a restore must find equal of hypervisor and host, in words. */

import { FleetboxError } from "../core/errors.ts";
import type { Driver } from "./contract.ts";
import { driver as ours } from "./driver.ts";

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

/** The same of what is used here. @param acceleratorCache the store's */
export async function snapshotFactsHere(acceleratorCache: string): Promise<string> {
  const binary = ours.findProgram(Deno.build.arch);
  const { accelerator } = await ours.choose(binary, acceleratorCache);
  return await snapshotFacts(ours, binary, accelerator);
}

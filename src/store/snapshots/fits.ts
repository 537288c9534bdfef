/** Whether a checkpoint can go on here: hypervisor and host must be those that it was saved with. Pure. */

import { FleetboxError } from "../../core/errors.ts";
import type { CheckpointManifest } from "./manifests.ts";

/** @param facts the driver's, of this host @throws {FleetboxError} `unavailable`: what it needs, and what is here */
export function checkFits({ name, host }: Pick<CheckpointManifest, "name" | "host">, facts: string): void {
  if (host === facts) return;
  const [saved, here] = [host, facts].map((text) => text.split(/; */));
  const only = (parts: string[], others: string[]) =>
    parts.filter((part) => !others.includes(part)).join(", ") || "less";
  throw new FleetboxError(
    "unavailable",
    `The checkpoint "${name}" cannot go on here: found ${only(here, saved)}, expected ${only(saved, here)}`,
    {
      hint:
        `Use what it was saved with (fleetbox doctor shows what is used), or remove it: fleetbox checkpoint rm ${name}`,
    },
  );
}

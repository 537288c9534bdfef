/** Whether the machines of tests are traced, and where their bundles go: environment variables. */

import { variable } from "../../core/environment.ts";
import { FleetboxError } from "../../core/errors.ts";

const MODES = ["off", "on", "retain-on-failure"] as const;
/** `on`: the bundle of each group is kept. `retain-on-failure`: that of a test that failed. */
export type TraceMode = typeof MODES[number];

/** Where bundles go, by default. */
const DIRECTORY = "fleetbox-traces";

/**
 * The mode of `FLEETBOX_TRACE`. Without it the tests of a continuous integration, which sets `CI`, are traced.
 * @throws {FleetboxError} `misuse`: it is another word
 */
export function traceMode(isCi = isInCi()): TraceMode {
  const asked = variable("FLEETBOX_TRACE");
  if (asked === undefined) return isCi ? "retain-on-failure" : "off";
  const mode = MODES.find((one) => one === asked);
  if (mode) return mode;
  throw new FleetboxError(
    "misuse",
    `Bad value of FLEETBOX_TRACE: found ${JSON.stringify(asked)}, expected ${MODES.slice(0, -1).join(", ")} or ${
      MODES.at(-1)
    }`,
  );
}

/** Whether the user has asked for traces, in so many words. @throws {FleetboxError} `misuse` */
export function isTraceAsked(): boolean {
  return variable("FLEETBOX_TRACE") !== undefined && traceMode() !== "off";
}

function isInCi(): boolean {
  return !["", "0", "false"].includes((Deno.env.get("CI") ?? "").toLowerCase());
}

/** The directory of bundles: `FLEETBOX_TRACE_DIR`, else `fleetbox-traces` where the tests run. */
export function bundleDirectory(): string {
  return variable("FLEETBOX_TRACE_DIR") ?? DIRECTORY;
}

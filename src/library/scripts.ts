/** The scripts of a machine's options (`run`), in the protocol's form. */

import { FleetboxError, isNotFound } from "../core/errors.ts";
import type { Script } from "../core/options.ts";
import { checkScripts } from "../guest/scripts.ts";
import { resolve } from "../system/path.ts";
import type { InlineScript, MachineOptions } from "./types.ts";

type Run = NonNullable<MachineOptions["run"]>;

export function scriptList(run: Run): readonly (string | InlineScript)[] {
  return typeof run === "string" || "script" in run ? [run] : run;
}

/** Whether a function makes one of the scripts of its group's addresses. */
export function needsAddresses(run: Run | undefined): boolean {
  return run !== undefined &&
    scriptList(run).some((one) => typeof one !== "string" && typeof one.script === "function");
}

/**
 * @param run without functions
 * @throws {FleetboxError} `not-found`, `denied`: a file; `misuse`: what cannot be run
 */
export function scriptsOf(run: Run, cwd: () => string): Script[] {
  return checkScripts(
    scriptList(run).map((one) => {
      if (typeof one !== "string") return { name: one.name ?? "script", text: String(one.script) };
      return { name: one, text: read(resolve(cwd(), one), one) };
    }),
  );
}

function read(path: string, name: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (cause) {
    const isMissing = isNotFound(cause);
    throw new FleetboxError(
      isMissing ? "not-found" : "denied",
      `The script ${name} ${isMissing ? "does not exist" : "cannot be read"}`,
      { cause, hint: isMissing ? "A script itself, without a file: run: { script }" : undefined },
    );
  }
}

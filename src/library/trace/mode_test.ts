import * as assert from "#assert";
import { replaceVariables } from "../../core/environment.ts";
import { FleetboxError } from "../../core/errors.ts";
import { traceMode } from "./mode.ts";

Deno.test("tests are traced as they are asked to be, else in a continuous integration when they fail", () => {
  for (const mode of ["on", "off", "retain-on-failure"]) {
    using _ = replaceVariables({ FLEETBOX_TRACE: mode });
    assert.deepEqual([traceMode(true), traceMode(false)], [mode, mode]);
  }
  {
    using _ = replaceVariables({ FLEETBOX_TRACE: "" });
    assert.deepEqual([traceMode(true), traceMode(false)], ["retain-on-failure", "off"]);
  }
  using _ = replaceVariables({ FLEETBOX_TRACE: "always" });
  assert.throws(() => traceMode(), (thrown) => thrown instanceof FleetboxError && thrown.code === "misuse");
});

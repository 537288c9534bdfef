import * as assert from "#assert";
import type { MemberReport } from "../wire.ts";
import { scriptsHaveRun } from "./option_effects.ts";

const report = (failure?: MemberReport["failure"]) => ({ name: "a", state: "running", failure }) as MemberReport;

Deno.test("a machine whose script failed is no machine: the error has its last lines", () => {
  const run = [{ name: "set-up.sh", text: "exit 3" }];
  const failure = { code: "failed", message: "set-up.sh failed", causes: ["its last lines:\nno such file"] } as const;
  const reports = [report(), report({ ...failure, causes: [...failure.causes] })];
  assert.throws(() => scriptsHaveRun(reports, { run }), (thrown: Error) => {
    assert.match(thrown.message, /^set-up\.sh failed/);
    assert.match(String((thrown.cause as Error).message), /no such file/);
    return true;
  });
  assert.equal(scriptsHaveRun(reports, {}), reports, "cloud-init's failure is told by exec() and the like");
  assert.deepEqual(scriptsHaveRun([report()], { run }), [report()]);
});

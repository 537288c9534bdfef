import * as assert from "#assert";
import { parseSession } from "./cloud_init.ts";

const result = (errors: unknown) => JSON.stringify({ v1: { datasource: "DataSourceNoCloud", errors } }, null, 1);

Deno.test("cloud-init: a complete session gives cloud-init's result", () => {
  assert.deepEqual(parseSession("in\nabsent\n"), { kind: "absent" });
  assert.deepEqual(parseSession(`in\nresult\n${result([])}\nend\n`), { kind: "finished", errors: [] });
  const errors = ["('scripts-user', RuntimeError('Runparts: 1 failures'))", "end\nabsent"];
  assert.deepEqual(parseSession(`in\r\nresult\r\n${result(errors)}\r\nend\r\n`), { kind: "finished", errors });
});

Deno.test("cloud-init: a session that was cut off gives no result", () => {
  const whole = `in\nresult\n${result([])}\nend\n`;
  for (let length = 0; length < whole.length - 4; length++) {
    assert.equal(parseSession(whole.slice(0, length)), undefined);
  }
  assert.equal(parseSession("fleetbox@127.0.0.1: Permission denied (publickey).\n"), undefined);
});

Deno.test("cloud-init: a malformed result is a failure, not a success", () => {
  for (const text of ["", "{", "null", "{}", "[]"]) {
    const found = parseSession(`in\nresult\n${text}\nend\n`);
    assert.ok(found?.kind === "finished" && found.errors.length === 1, text);
  }
});

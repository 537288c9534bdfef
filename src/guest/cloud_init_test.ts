import * as assert from "#assert";
import { join } from "../system/path.ts";
import { parseSession, untilCloudInit } from "./cloud_init.ts";

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

Deno.test({
  name:
    "cloud-init: where it is asked for, the session lasts until systemd has started all; its result stands whatever systemd says",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const directory = Deno.makeTempDirSync({ prefix: "fleetbox-test-" });
    const path = Deno.env.get("PATH")!;
    const at = (name: string) => join(directory, name);
    const script = (name: string, text: string) =>
      Deno.writeTextFileSync(at(name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
    const json = JSON.stringify({ v1: { errors: [] } });
    // The guest is this host, where cloud-init has written its result.
    script("ssh", `for line; do :; done; exec sh -c "$(printf '%s' "$line" | sed 's,/run/cloud-init,${directory},')"`);
    script("cloud-init", "");
    script("systemctl", `echo "$*" >>${at("asked")}; echo starting; exit 1`);
    Deno.writeTextFileSync(at("result.json"), json);
    Deno.env.set("PATH", `${directory}:${path}`);
    try {
      const endpoint = { host: "127.0.0.1", port: 22, user: "fleetbox" };
      const options = { key: "/no/key", signal: new AbortController().signal, onHint: () => () => {} };
      assert.deepEqual(await untilCloudInit(endpoint, options), { kind: "finished", errors: [] });
      assert.throws(() => Deno.statSync(at("asked")), Deno.errors.NotFound);
      assert.deepEqual(await untilCloudInit(endpoint, { ...options, settles: true }), { kind: "finished", errors: [] });
      assert.equal(Deno.readTextFileSync(at("asked")), "is-system-running --wait\n");
    } finally {
      Deno.env.set("PATH", path);
      Deno.removeSync(directory, { recursive: true });
    }
  },
});

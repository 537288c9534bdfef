import * as assert from "#assert";
import { interpreterOf, runScript, wrapper } from "./run_script.ts";

Deno.test("a script's interpreter is that of its first line, with at most one argument, as the kernel reads it", () => {
  assert.deepEqual(interpreterOf("echo x"), ["/bin/sh"]);
  assert.deepEqual(interpreterOf("\n#!/bin/bash"), ["/bin/sh"]);
  assert.deepEqual(interpreterOf("#!/bin/bash"), ["/bin/bash"]);
  assert.deepEqual(interpreterOf("#! /usr/bin/env python3\nprint()"), ["/usr/bin/env", "python3"]);
  assert.deepEqual(interpreterOf("#!/usr/bin/awk -f -v x \n"), ["/usr/bin/awk", "-f -v x"]);
});

Deno.test("a script's name is no word of the guest's shell", () => {
  for (const name of ["$(reboot)", "../../x;y", "-e", "ü'\""]) {
    const [, file] = /\$d\/([^"]*)"/.exec(wrapper({ mark: "m", name, bytes: 1, interpreter: ["/bin/sh"] })) ?? [];
    assert.match(file!, /^\w[\w.-]*$/, name);
  }
});

Deno.test("a guest that is not reached is tried for as long as was asked, and the script is told as not begun", async () => {
  const directory = Deno.makeTempDirSync();
  const path = Deno.env.get("PATH")!;
  try {
    Deno.writeTextFileSync(`${directory}/ssh`, "#!/bin/sh\necho 'Connection refused' >&2; exit 255\n", { mode: 0o755 });
    Deno.env.set("PATH", `${directory}:${path}`);
    const endpoint = { host: "127.0.0.1", port: 1, user: "fleetbox" };
    const limit = new AbortController();
    const end = await runScript(endpoint, { name: "x.sh", text: "true\n" }, {
      key: "/nowhere",
      root: true,
      signal: limit.signal,
      reachMs: 300,
      onLine: () => {},
    });
    assert.deepEqual(end, { kind: "unreached", why: "Connection refused" });
  } finally {
    Deno.env.set("PATH", path);
    Deno.removeSync(directory, { recursive: true });
  }
});

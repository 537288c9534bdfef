/** The helper instead of fleetbox, and clients that find none. Against the fake QEMU. */

import * as assert from "#assert";
import { join } from "../../src/system/path.ts";
import { fileURLToPath } from "node:url";
import { type Sandbox, sandbox, test } from "../support/sandbox.ts";
import { Client, untilNothing } from "./bound.ts";

const HELPER = fileURLToPath(new URL("../../helper/main.ts", import.meta.url));

/** `fleetbox-helper`, from source. */
function helperOf(box: Sandbox): string {
  const path = join(box.root, "fleetbox-helper");
  Deno.writeTextFileSync(path, `#!/bin/sh\nexec "${Deno.execPath()}" run -A -q --no-check "${HELPER}" "$@"\n`, {
    mode: 0o755,
  });
  return path;
}

test("fleetbox-helper, named by FLEETBOX_HELPER, holds bound and detached groups as fleetbox does", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const env = { FLEETBOX_HELPER: helperOf(box) };
  await using client = new Client(box, { names: ["a", "b"], then: ["up"] }, { env });
  await client.said(/^up$/m);
  assert.match(box.process("holder").command, /helper\/main\.ts --fleetbox-runner a,b$/);
  client.kill();
  await untilNothing(box);

  const up = await box.start(["up", "c", "--egress", "off"], { env }).done;
  assert.equal(up.code, 0, up.stderr);
  assert.match(box.process("holder").command, /helper\/main\.ts --fleetbox-runner c$/);
  assert.equal(await box.states(), "a=stopped b=stopped c=running");
});

test("a FLEETBOX_HELPER that is not a program, or not a helper, is an error that says what to do; nothing is left", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  for (
    const [helper, words] of [["/no/such", /FLEETBOX_HELPER is "\/no\/such", which is not a program/], [
      "/bin/echo",
      /The program that was started is not a fleetbox holder/,
    ]] as const
  ) {
    await using client = new Client(box, { names: ["a"] }, { env: { FLEETBOX_HELPER: helper } });
    assert.equal((await client.ended).code, 1);
    assert.match(client.words, words);
  }
  await untilNothing(box, 1_000);
});

test("fleetbox-helper says what it is for, and refuses other arguments", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const helper = helperOf(box);
  const run = (...args: string[]) => new Deno.Command(helper, { args, env: box.env, clearEnv: true }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  const [version, nothing, names] = await Promise.all([run("version"), run(), run("--fleetbox-runner", "A b")]);
  assert.match(text(version.stdout), /^fleetbox-helper \d+\.\d+\.\d+\n$/);
  assert.deepEqual([nothing.code, /--fleetbox-runner NAMES/.test(text(nothing.stderr))], [2, true]);
  assert.equal(names.code, 1);
  assert.equal(JSON.parse(text(names.stdout)).code, "misuse");
});

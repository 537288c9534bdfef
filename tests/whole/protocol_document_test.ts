import * as assert from "#assert";
import { fileURLToPath } from "node:url";
import { sandbox, test } from "../support/sandbox.ts";

const PAGE = Deno.readTextFileSync(fileURLToPath(new URL("../../docs/protocol.md", import.meta.url)));

test("the client in docs/protocol.md works", async () => {
  const [, program] = /```python\n(.*?)```/s.exec(PAGE)!;
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  const { code, stdout, stderr } = await new Deno.Command("python3", {
    args: ["-c", program],
    env: { FLEETBOX_HOME: box.home },
  }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  assert.equal(new TextDecoder().decode(stdout), "running\n");
});

test("docs/protocol.md has every key of a status", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  const keys = Object.keys((await box.status("a"))!);
  assert.ok(keys.length >= 6);
  for (const key of keys) assert.ok(PAGE.includes(`\n| \`${key}\` |`), `docs/protocol.md does not tell of ${key}`);
});

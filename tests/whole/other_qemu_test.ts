/** What the library does with machines that another QEMU has saved, against the fake QEMU. */

import * as assert from "#assert";
import { fileURLToPath } from "node:url";
import { type Sandbox, sandbox, test } from "../support/sandbox.ts";

const ROOT = new URL("../../", import.meta.url);

/** Runs a program that uses the library in a sandbox's store; it must succeed. @returns what it has said */
async function program(box: Sandbox, text: string): Promise<string> {
  const file = `${box.root}/program.ts`;
  Deno.writeTextFileSync(
    file,
    `import { startCluster } from "${ROOT}mod.ts";
import { sharedCluster } from "${ROOT}testing.ts";
const otherQemu = () => Deno.writeTextFileSync("${box.root}/behaviour.json", '{"*":{"version":"8.2.0"}}');
${text}`,
  );
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "--config", fileURLToPath(new URL("deno.json", ROOT)), file],
    env: box.env,
    clearEnv: true,
    stdin: "null",
  }).output();
  const [said, errors] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  assert.equal(code, 0, said + errors);
  return said + errors;
}

test("what tests share by a key is set up anew, once, when another QEMU has saved it", async () => {
  await using box = await sandbox({ fakeQemu: {}, fakeSsh: true });
  const run = (first = "") =>
    program(
      box,
      `${first}
const seeded = sharedCluster(["a"], () => console.log("setting up"), { egress: "off", key: "k" });
await seeded.withFork((cluster) => console.log(cluster.vms[0].hostName))();`,
    );
  assert.match(await run(), /^setting up\na$/m);
  assert.equal(await run(), "a\n");
  const anew = await run("otherQemu();");
  assert.match(anew, /^setting up\na$/m);
  assert.match(anew, /^what was set up for the key "k" does not work any more, .*found QEMU 8\.2\.0/m);
  assert.equal(await run(), "a\n");
});

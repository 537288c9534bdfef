/** A home directory whose path has spaces, quotes, commas and more: no part of it is read by a shell or as an option. */

import * as assert from "#assert";
import { join } from "../../src/system/path.ts";
import { exists } from "../../src/system/files.ts";
import { until } from "../support/processes.ts";
import { type Sandbox, sandbox, test, told } from "../support/sandbox.ts";

const HOMES = [`o'b "ü",x=1 %h $(id)#;&`, "-oa,b=c", " lead and trail "];

for (const homeName of HOMES) {
  test(`everything works in a home directory called ${JSON.stringify(homeName)}`, async () => {
    await using box = await sandbox({ fakeQemu: {}, homeName });
    const { FLEETBOX_HOME: _, ...env } = box.env;
    assert.ok(box.home.startsWith(env.HOME));
    await box.up("a,b");
    await box.ok("join", "c", "--via", "a");
    assert.equal(await box.states(), "a=running b=running c=running");
    assert.match((await box.ok("logs", "a")).stdout, /fleetbox-micro: ssh/);
    assert.match((await box.ok("status", "a")).stdout, /running/);
    assert.equal(await identityFile(box, "a"), box.store.key);
    await box.killHolder("a");
    await box.up("a");
    await until("the others are adopted, too", async () => await box.states() === "a=running b=running c=running");
    await box.ok("stop", "a", "b", "c");
    await box.up("b");
    await box.ok("rm", "-f", "a", "b", "c");
    await box.empty();
    assert.deepEqual(
      [...Deno.readDirSync(box.root)].map(({ name }) => name).sort(),
      [
        ...["behaviour.json", "micro", homeName].sort(),
        ...["ssh_config", "written"], // the second: the fake QEMU's notes of its disks
      ].sort(),
    );
    assert.ok(!exists(box.store.member("a").dir));
  });
}

/** The key as OpenSSH itself reads it from what `ssh-config` prints. */
async function identityFile(box: Sandbox, name: string): Promise<string> {
  const file = join(box.root, "ssh_config");
  const config = await box.ok("ssh-config", name);
  Deno.writeTextFileSync(file, config.stdout);
  const { code, stdout, stderr } = await new Deno.Command("ssh", { args: ["-G", "-F", file, name] }).output();
  assert.equal(code, 0, told(config) + new TextDecoder().decode(stderr));
  // `ssh -G` prints values before their tokens are replaced.
  return /^identityfile (.*)$/m.exec(new TextDecoder().decode(stdout))![1].replaceAll("%%", "%");
}

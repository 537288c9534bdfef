/** A real machine in a home directory with an odd path: QEMU, its tools, ssh and scp get the path unchanged. */

import * as assert from "#assert";
import { join } from "../../src/system/path.ts";
import { guestOk } from "../support/guest.ts";
import { sandbox, test } from "../support/sandbox.ts";

test("a machine boots and is reached in a home directory with spaces, quotes, commas and letters beyond ASCII", async () => {
  await using box = await sandbox({ homeName: `o'b "ü",x=1 %h $(id)#;&` });
  const { HOME } = box.env;
  const [site, there, back] = ["si,te 'ö\"", "-a, 'b' \"ü\"", "back ,"].map((name) => join(HOME, name));
  Deno.mkdirSync(site);
  Deno.writeTextFileSync(join(site, "page"), "of the fixture\n");
  Deno.writeTextFileSync(there, "over scp\n");
  await box.up("a", "--fixture", `${site}:/srv/si, te`);

  assert.equal(await guestOk(box, "a", "hostname; cat '/srv/si, te/page'"), "a\nof the fixture\n");
  assert.equal((await box.ok("exec", "a", "--", "echo", "$(id), 'x'")).stdout, "$(id), 'x'\n");
  await box.ok("cp", there, "a:to, 'x'");
  await box.ok("cp", "a:to, 'x'", back);
  assert.equal(Deno.readTextFileSync(back), "over scp\n");
  const config = join(HOME, "hosts, 'ü'");
  Deno.writeTextFileSync(config, (await box.ok("ssh-config", "a")).stdout);
  const ssh = await new Deno.Command("ssh", { args: ["-F", config, "a", "echo in"], env: box.env, clearEnv: true })
    .output();
  assert.equal(new TextDecoder().decode(ssh.stdout), "in\n", new TextDecoder().decode(ssh.stderr));

  await guestOk(box, "a", "echo kept > kept; sync");
  await box.ok("stop", "a");
  await box.up("a");
  assert.equal(await guestOk(box, "a", "cat kept"), "kept\n");
  await box.ok("stop", "a");
  const check = await new Deno.Command("qemu-img", { args: ["check", box.store.member("a").disk] }).output();
  assert.equal(check.code, 0, new TextDecoder().decode(check.stderr));
});

/** `up --share`: with a fake `virtiofsd` and a fake `ssh`. */

import * as assert from "#assert";
import { join } from "../../src/system/path.ts";
import { until } from "../support/processes.ts";
import { sandbox, test, told } from "../support/sandbox.ts";

test("a directory that is shared read-write has a program while its machine runs, is mounted, and keeps it from being saved", async () => {
  await using box = await sandbox({ fakeQemu: {}, templates: true });
  const [bin, dir, calls] = [join(box.root, "bin"), join(box.root, "a,b"), join(box.root, "calls")];
  for (const path of [bin, dir]) Deno.mkdirSync(path);
  const program = (name: string, text: string) =>
    Deno.writeTextFileSync(join(bin, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  const serve = "echo $$ >>" + calls + "; echo 'Waiting for vhost-user socket connection...' >&2; exec sleep 1000";
  program("virtiofsd", `case $* in *help*) echo --shared-dir --translate-uid ;; *) ${serve} ;; esac`);
  program("ssh", `for word; do :; done; echo "$word" >>${calls}`);
  const env = { PATH: `${bin}:${box.env.PATH}` };
  const run = (...args: string[]) => box.start(args, { env }).done;
  const up = async (code: number, ...args: string[]) => {
    const result = await run("up", "a", ...args);
    assert.equal(result.code, code, told(result));
    return result.stderr + result.stdout;
  };
  const runs = () =>
    Deno.readTextFileSync(calls).split("\n").some((line) => {
      try {
        return /^\d+$/.test(line) && /sleep/.test(Deno.readTextFileSync(`/proc/${line}/cmdline`));
      } catch {
        return false;
      }
    });

  assert.match(await up(2, "--share", `${dir}:relative`), /Bad value for --share: found .*HOST_DIR:GUEST_DIR/);
  assert.match(await up(2, "--share", `${dir}:/x`, "--fixture", `${dir}:/x/y`), /one shared directory over another/);
  assert.match(await up(3, "--share", `${dir}/none:/x`), /does not exist[^]*--share HOST_DIR:GUEST_DIR/);
  assert.match(await up(2, "--share", `${box.root}:/x`), /read-write: the store .* is in it/);
  program("virtiofsd", "case $* in *help*) echo --shared-dir --translate-uid ;; *) echo no luck >&2; exit 3 ;; esac");
  assert.match(await up(1, "--share", `${dir}:/x`), /virtiofsd ended with code 3: no luck/);
  await until("the holder has left", () => box.processes().length === 0);
  assert.deepEqual(box.stored(), []);

  program("virtiofsd", `case $* in *help*) echo --shared-dir --translate-uid ;; *) ${serve} ;; esac`);
  assert.match(await up(0, "--share", `${dir}:/srv/x y`, "--verbose"), /it boots: a directory is shared with it/);
  assert.match(Deno.readTextFileSync(calls), /mount -t virtiofs fb-share-0 .*\/srv\/x y/);
  assert.match(box.process("machine", "a").command, /vhost-user-fs-pci,chardev=share0,tag=fb-share-0/);
  assert.equal(runs(), true);
  await box.fails(1, /Cannot save "a": it shares .*a,b with this host/, "checkpoint", "a", "--as", "c");
  await box.fails(1, /Cannot save "a": it shares/, "suspend", "a");
  assert.match(await up(0, "--share", `${dir}:/other`), /a keeps --share .*a,b:\/srv\/x y, with which it was made/);
  const [{ templates }] = JSON.parse((await box.ok("image", "ls", "--json")).stdout);
  assert.deepEqual(templates, []);
  await box.ok("stop", "a");
  await until("its program has ended", () => !runs());

  program("ssh", "echo mount: unknown filesystem type >&2; exit 1");
  assert.match(await up(1), /is not mounted in it: mount: unknown filesystem type[^]*--fixture, or fleetbox sync/);
  await box.ok("stop", "a");
  Deno.removeSync(dir);
  assert.match(await up(3), /Cannot share the directory .*a,b: it does not exist/);
  assert.equal(await box.states(), "a=stopped");
});

/** Other users of the host: they see nothing of a store; and a store that belongs to another user. */

import * as assert from "#assert";
import { join } from "../../src/system/path.ts";
import { until } from "../support/processes.ts";
import { type Sandbox, sandbox, test, told } from "../support/sandbox.ts";

const IS_ROOT = Deno.uid() === 0;
const NOBODY = 65534;

function below(dir: string): { path: string; info: Deno.FileInfo }[] {
  return [...Deno.readDirSync(dir)].flatMap(({ name }) => {
    const path = join(dir, name);
    const info = Deno.lstatSync(path);
    return [{ path, info }, ...(info.isDirectory ? below(path) : [])];
  });
}

async function withUmask(mask: number, work: () => Promise<void>): Promise<void> {
  const old = Deno.umask(mask);
  try {
    await work();
  } finally {
    Deno.umask(old);
  }
}

for (const umask of [0o000, 0o077]) {
  test(`with a umask of 0${umask.toString(8)} nothing in the store is open to others, sockets and the key to us alone`, async () => {
    await using box = await sandbox({ fakeQemu: {} });
    await withUmask(umask, async () => {
      await box.up("a");
      await box.ok("join", "b", "--via", "a");
    });
    const all = [{ path: box.home, info: Deno.lstatSync(box.home) }, ...below(box.home)];
    for (const { path, info } of all) {
      if (info.isSymlink) continue;
      assert.equal(info.mode! & 0o077, 0, `${path}: ${(info.mode! & 0o777).toString(8)}`);
      if (info.isDirectory) assert.equal(info.mode! & 0o777, 0o700, path);
    }
    for (const path of [box.store.key, box.store.memberSocket("a"), box.store.memberSocket("b")]) {
      assert.equal(Deno.statSync(path).mode! & 0o777, 0o600, path);
    }
    assert.ok(all.some(({ info }) => info.isSocket));
    if (!IS_ROOT) return;
    Deno.chmodSync(box.root, 0o755);
    const paths = all.map(({ path }) => path);
    const script = 'for path; do ! [ -r "$path" ] && ! [ -w "$path" ] || echo "$path"; done';
    const args = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups", "--", "sh", "-c", script, "sh", ...paths];
    const other = await new Deno.Command("setpriv", { args }).output();
    assert.equal(other.code, 0, new TextDecoder().decode(other.stderr));
    assert.equal(new TextDecoder().decode(other.stdout), "", "another user may read or write these");
  });
}

test("a store that belongs to another user is refused by every command, and nothing in it is touched", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  const machines = box.machines();
  Deno.chownSync(box.home, NOBODY, NOBODY);
  try {
    const words = /The store .* belongs to user 65534, expected user 0\n +try: Set FLEETBOX_HOME/;
    for (
      const args of [["ls"], ["ssh", "a"], ["stop", "a"], ["rm", "-f", "a"], ["up", "b"], ["status", "a"], [
        "cp",
        "a:x",
        ".",
      ]]
    ) {
      await box.fails(1, words, ...args);
    }
    const holder = await box.run("--fleetbox-runner", "c");
    assert.match(holder.stdout, /"code":"denied"/, told(holder));
  } finally {
    Deno.chownSync(box.home, 0, 0);
  }
  assert.deepEqual(box.machines(), machines);
  assert.deepEqual(box.stored(), ["a"]);
}, { ignore: !IS_ROOT });

test(
  "an SSH key of another user in the store is refused; the mode of one that others can read is corrected",
  async () => {
    await using box = await sandbox({ fakeQemu: {} });
    await box.up("a");
    Deno.chmodSync(box.store.key, 0o644);
    await box.ok("join", "b", "--via", "a");
    assert.equal(Deno.statSync(box.store.key).mode! & 0o777, 0o600);
    await box.ok("stop", "a", "b");
    await leaves(box);
    Deno.chownSync(box.store.key, NOBODY, NOBODY);
    await box.fails(1, /id_ed25519, in the store, belongs to user 65534/, "up", "a");
    Deno.chownSync(box.store.key, 0, 0);
  },
  { ignore: !IS_ROOT },
);

async function leaves(box: Sandbox): Promise<void> {
  await until("all have left", () => box.processes().length === 0);
}

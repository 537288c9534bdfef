import * as assert from "#assert";
import { makeDirectory } from "./files.ts";
import { join } from "./path.ts";
import { ensureKey } from "../guest/key.ts";
import { writeSharedDirectoryImage } from "../guest/directories/shared_directories.ts";
import { temporaryStore } from "../image/testing.ts";
import { keepVerdict } from "../vmm/qemu/accelerator.ts";

/** What a killed process left under such a name is swept. */
const SWEPT = new RegExp(`\\.${Deno.pid}-[0-9a-f]{8}(-[0-9a-f]{3})?\\.tmp(\\.d)?(/|$)`);

/** The places from which something was renamed or linked into its own, and where text was written for a while. */
async function madeAt(work: () => Promise<unknown>): Promise<string[]> {
  const { rename, link, writeTextFile } = Deno;
  const from: string[] = [];
  const noting =
    (act: (from: string | URL, to: string | URL) => Promise<void>) => (one: string | URL, to: string | URL) => {
      from.push(String(one));
      return act(one, to);
    };
  const written: typeof writeTextFile = (path, ...rest) => {
    from.push(String(path));
    return writeTextFile(path, ...rest);
  };
  Object.assign(Deno, { rename: noting(rename), link: noting(link as typeof rename), writeTextFile: written });
  try {
    await work();
  } finally {
    Object.assign(Deno, { rename, link, writeTextFile });
  }
  return from;
}

Deno.test("replace: the key, a shared directory's image and the accelerator's verdict are made under names that are swept", async () => {
  using store = temporaryStore();
  store.ensure();
  const directory = join(store.root, "host");
  Deno.mkdirSync(directory);
  const made = {
    key: await madeAt(() => ensureKey(store)),
    shared: await madeAt(() => writeSharedDirectoryImage(join(store.root, "fixture-0.img"), directory, 0)),
    verdict: await madeAt(() =>
      keepVerdict(store.acceleratorCache, "k", { accelerator: "tcg", reason: "r", isFallback: true })
    ),
  };
  for (const [what, places] of Object.entries(made)) {
    assert.ok(places.length > 0, what);
    for (const place of places) assert.match(place, SWEPT, what);
  }
  const left = [...Deno.readDirSync(store.root)].map(({ name }) => name).filter((name) => /tmp|\.key/.test(name));
  assert.deepEqual(left, []);
});

Deno.test("directories: one that other processes remove meanwhile is made again; what is in its way is not", async () => {
  const root = Deno.makeTempDirSync({ prefix: "fd" });
  const path = join(root, "p/c");
  const script = 'echo ready; while [ -e "$1" ]; do rmdir "$1/p/c" "$1/p"; done 2>/dev/null';
  const removers = [1, 2].map(() =>
    new Deno.Command("sh", { args: ["-c", script, "sh", root], stdout: "piped" }).spawn()
  );
  try {
    const outputs = removers.map(({ stdout }) => stdout.getReader());
    for (const output of outputs) await output.read();
    for (const end = performance.now() + 300; performance.now() < end;) makeDirectory(path);
    for (const output of outputs) await output.cancel();
  } finally {
    for (const remover of removers) remover.kill("SIGKILL");
    for (const remover of removers) await remover.status;
    Deno.removeSync(root, { recursive: true });
  }
  Deno.mkdirSync(root);
  try {
    Deno.symlinkSync("nowhere", path.slice(0, -2));
    Deno.writeTextFileSync(join(root, "file"), "");
    for (const other of ["p", "file"]) {
      assert.throws(() => makeDirectory(join(root, other)), (thrown) => thrown instanceof Deno.errors.AlreadyExists);
    }
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
});

Deno.test("replace: what a killed process left beside the key and the verdict is swept", () => {
  using store = temporaryStore();
  store.ensure();
  const dead = 2 ** 22 + 1; // more than any process id of Linux
  Deno.mkdirSync(`${store.key}.${dead}-01234567.tmp`);
  Deno.writeTextFileSync(join(`${store.key}.${dead}-01234567.tmp`, "key"), "");
  Deno.writeTextFileSync(`${store.acceleratorCache}.${dead}-01234567.tmp`, "");
  store.sweepTemporary([]);
  assert.deepEqual([...Deno.readDirSync(store.root)].filter(({ name }) => name.endsWith(".tmp")), []);
});

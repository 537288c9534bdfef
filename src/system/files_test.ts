import * as assert from "#assert";
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

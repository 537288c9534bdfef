import * as assert from "#assert";
import { createHash } from "node:crypto";
import { join } from "../system/path.ts";
import { brotliCompressSync } from "node:zlib";
import { replaceVariables } from "../core/environment.ts";
import { FleetboxError } from "../core/errors.ts";
import { Store } from "../store.ts";
import { microDirectory } from "./micro.ts";

/** Content of 300 KB, each part's its own. */
function content(part: string): Uint8Array {
  return new Uint8Array(300_000).map((_, at) => (at * part.length) >> 5);
}

/** An image like the one in an executable, and an empty store beside it. */
async function withPackedMicro(work: (store: Store, micro: string) => Promise<void>): Promise<void> {
  const root = Deno.makeTempDirSync({ prefix: "mi" });
  const micro = join(root, "micro");
  using _ = replaceVariables({ FLEETBOX_MICRO: micro });
  try {
    Deno.mkdirSync(micro);
    const sha256: Record<string, string> = {};
    for (const part of ["kernel", "initrd", "disk"]) {
      Deno.writeFileSync(join(micro, `${part}.br`), brotliCompressSync(content(part)));
      sha256[part] = createHash("sha256").update(content(part)).digest("hex");
    }
    const files = { kernel: "kernel", initrd: "initrd", disk: "disk" };
    const manifest = { name: "micro", version: "packed", ...files, cmdline: "quiet", sha256 };
    Deno.writeTextFileSync(join(micro, "image.json"), JSON.stringify(manifest));
    const store = Store.at(join(root, "s"));
    store.ensure();
    await work(store, micro);
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
}

const namesIn = (dir: string) => [...Deno.readDirSync(dir)].map(({ name }) => name).sort();

Deno.test("micro is unpacked from compressed files, whole, by however many at once", async () => {
  await withPackedMicro(async (store, micro) => {
    const program = `
      import { Store } from ${JSON.stringify(new URL("../store.ts", import.meta.url).href)};
      import { microDirectory } from ${JSON.stringify(new URL("./micro.ts", import.meta.url).href)};
      console.log(await microDirectory(Store.at(${JSON.stringify(store.root)})));`;
    const args = ["eval", "--no-check", program];
    const one = () =>
      new Deno.Command(Deno.execPath(), { args, env: { FLEETBOX_MICRO: micro }, stderr: "inherit" }).output();
    const ended = await Promise.all([one(), one(), one()]);
    const place = join(store.imagesDir, "micro-packed");
    for (const { code, stdout } of ended) {
      assert.equal(code, 0);
      assert.equal(new TextDecoder().decode(stdout).trim(), place);
    }
    assert.deepEqual(namesIn(store.imagesDir), ["micro-packed"]);
    assert.deepEqual(namesIn(place), ["disk", "image.json", "initrd", "kernel"]);
    for (const part of ["kernel", "initrd", "disk"]) {
      assert.deepEqual(new Uint8Array(Deno.readFileSync(join(place, part))), content(part));
    }
  });
});

Deno.test("a part that is cut off or changed is refused by its digest, and nothing of it stays", async () => {
  await withPackedMicro(async (store, micro) => {
    const packed = Deno.readFileSync(join(micro, "initrd.br"));
    const other = content("initrd").map((byte, at) => at === 7 ? byte + 1 : byte);
    for (const broken of [packed.subarray(0, packed.length / 2), brotliCompressSync(other)]) {
      Deno.writeFileSync(join(micro, "initrd.br"), broken);
      await assert.rejects(microDirectory(store, undefined), (thrown: FleetboxError) => {
        assert.equal(thrown.code, "damaged");
        assert.match(thrown.message, /its initrd has SHA-256 [0-9a-f]{64}, expected [0-9a-f]{64}/);
        return true;
      });
      assert.deepEqual(namesIn(store.imagesDir), []);
    }
  });
});

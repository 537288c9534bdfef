import * as assert from "#assert";
import { join } from "../system/path.ts";
import { brotliCompressSync } from "node:zlib";
import { bytesOf } from "./embedded.ts";

async function inDirectory(work: (dir: string) => Promise<void>): Promise<void> {
  const dir = Deno.makeTempDirSync({ prefix: "em" });
  try {
    await work(dir);
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
}

async function all(dir: string, file: string): Promise<Uint8Array> {
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  for await (const piece of bytesOf(dir, file)) pieces.push(piece.slice());
  return new Uint8Array(await new Blob(pieces).arrayBuffer());
}

/** 600 KB: more than two pieces. */
const CONTENT = new Uint8Array(600_000).map((_, at) => (at * at) >> 7);

Deno.test("a plain file is read as it is, and one that is compressed beside its name is unpacked", async () => {
  await inDirectory(async (dir) => {
    Deno.writeFileSync(join(dir, "plain"), CONTENT);
    Deno.writeFileSync(join(dir, "packed.br"), brotliCompressSync(CONTENT));
    assert.deepEqual(await all(dir, "plain"), CONTENT);
    assert.deepEqual(await all(dir, "packed"), CONTENT);
  });
});

Deno.test("bytes inside the running executable are found by their offset and length", async () => {
  await inDirectory(async (dir) => {
    // The one that runs this test is Deno: a few of its bytes are no brotli, and are told to be none.
    Deno.writeTextFileSync(join(dir, "inside.json"), JSON.stringify({ kernel: [4096, 5000] }));
    await assert.rejects(all(dir, "kernel"), /ERR_/);
    await assert.rejects(all(dir, "initrd"), Deno.errors.NotFound);
  });
});

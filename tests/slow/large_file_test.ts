/** A large file that is copied to a machine and back by the library: it is streamed, not held. */

import * as assert from "#assert";
import { createHash } from "node:crypto";
import { start } from "../../mod.ts";
import { join } from "../../src/system/path.ts";
import { test } from "../support/test.ts";
import { assertNothingLeft, testStore } from "../library/support.ts";

const { store, options } = testStore();

const LARGE_MIB = 128;
/** What modules, buffers and garbage take up is as much for 40 MiB. */
const GROWN_MIB = 100;
/** An emulated guest encrypts 3 MiB a second; hence fewer MiB out than in. */
const BACK_MIB = 10;

test("a file of 128 MiB is streamed, not held", async () => {
  const directory = Deno.makeTempDirSync();
  try {
    await using vm = await start("one", options);
    const path = join(directory, "large");
    const wanted = writeLarge(path, LARGE_MIB);
    const before = Deno.memoryUsage().rss;
    let most = before;
    using _watch = every(20, () => most = Math.max(most, Deno.memoryUsage().rss));
    const began = performance.now();
    await vm.copyTo(path, "large");
    const inMs = performance.now() - began;
    assert.equal((await vm.exec("sha256sum large")).stdout.split(" ")[0], wanted);
    await vm.exec(`truncate -s ${BACK_MIB}M large`);
    const again = performance.now();
    await vm.copyFrom("large", join(directory, "again"));
    const outMs = performance.now() - again;
    const grown = (most - before) / 1024 / 1024;
    assert.equal(digestOf(join(directory, "again"), BACK_MIB), digestOf(path, BACK_MIB));
    console.log(
      `${LARGE_MIB} MiB in: ${(inMs / 1000).toFixed(1)} s; ${BACK_MIB} MiB out: ${(outMs / 1000).toFixed(1)} s; ` +
        `memory +${grown.toFixed()} MiB`,
    );
    assert.ok(grown < GROWN_MIB, `memory grew by ${grown} MiB`);
    await vm.exec("rm large");
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
  assertNothingLeft(store);
});

function every(ms: number, look: () => void): Disposable {
  const timer = setInterval(look, ms);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** Writes a file of so many MiB; returns its SHA-256. */
function writeLarge(path: string, mebibytes: number): string {
  const hash = createHash("sha256");
  using file = Deno.openSync(path, { write: true, create: true });
  const piece = new Uint8Array(1024 * 1024);
  for (let at = 0; at < mebibytes; at++) {
    for (let offset = 0; offset < piece.length; offset += 65536) {
      crypto.getRandomValues(piece.subarray(offset, offset + 65536));
    }
    hash.update(piece);
    file.writeSync(piece);
  }
  return hash.digest("hex");
}

/** SHA-256 of a file's first so many MiB, and that it is no shorter. */
function digestOf(path: string, mebibytes: number): string {
  const bytes = Deno.readFileSync(path).subarray(0, mebibytes * 1024 * 1024);
  assert.equal(bytes.length, mebibytes * 1024 * 1024);
  return createHash("sha256").update(bytes).digest("hex");
}

/** The program that grows the root file system, worked off by a guest that is an object here, and its file in the micro image. */

import * as assert from "#assert";
import { FakeKernel } from "../../tests/fake_qemu/fake_kernel.ts";
import { growProgram } from "./grow_program.ts";

const HEX = new URL("../../images/micro/lib/grow.hex", import.meta.url);
const UPDATE = "FLEETBOX_UPDATE_SNAPSHOTS";

Deno.test("grow: the file in the micro image is this program's", () => {
  const hex = growProgram("x86_64").toHex().match(/.{1,80}/g)!.join("\n") + "\n";
  if (Deno.env.get(UPDATE)) return Deno.writeTextFileSync(HEX, hex);
  const hint = `images/micro/lib/grow.hex is another program; if this is a new one, run: ` +
    `${UPDATE}=1 node_modules/.bin/deno test -A src/guest/grow_program_test.ts`;
  assert.equal(Deno.readTextFileSync(HEX), hex, hint);
});

/** What the image's shell writes: the number of blocks, 8 bytes. */
function size(blocks: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setUint32(0, blocks, true);
  return bytes;
}

Deno.test("grow: the file system gets the size that it is told, whose bytes may come one by one", () => {
  const guest = new FakeKernel();
  guest.load(growProgram("x86_64"));
  for (const byte of size(2_621_440)) guest.feed(Uint8Array.of(byte));
  assert.deepEqual([guest.exitCode, guest.disk.blocks], [0, 2_621_440]);
});

Deno.test("grow: it says when it could not: the kernel refuses, the root cannot be opened, it was told no size", () => {
  const ends = (prepare: (guest: FakeKernel) => void, blocks = 2_621_440) => {
    const guest = new FakeKernel();
    const before = guest.disk.blocks;
    prepare(guest);
    guest.load(growProgram("x86_64"));
    guest.feed(size(blocks));
    assert.equal(guest.disk.blocks, before);
    return guest.exitCode;
  };
  assert.equal(ends(() => {}, 10), 1);
  assert.equal(ends((guest) => guest.files.delete("/")), 1);
  assert.equal(ends((guest) => guest.refuses[0] = -5), 1);
});

/** A running member's disk becomes a layer: what its guest writes before and afterwards is there, and the layer stays as it is. */

import * as assert from "#assert";
import { fileURLToPath } from "node:url";
import { diskOf } from "../../src/store/disk.ts";
import { run } from "../../src/system/process.ts";
import { guestOk } from "../support/guest.ts";
import { type Sandbox, sandbox, test } from "../support/sandbox.ts";

const digestOf = async (path: string) => (await run("sha256sum", [path])).split(" ")[0];

/** Freezes a's disk when no holder has it. @returns the layer */
async function freeze(box: Sandbox, end: "finished" | "killed"): Promise<string> {
  const program = fileURLToPath(new URL("freezing_holder.ts", import.meta.url));
  const args = ["run", "-A", "--quiet", "--no-check", program, box.home, "a", `${box.process("machine").pid}`, end];
  return (await run(Deno.execPath(), args)).trim();
}

test("what a guest writes before and after its disk is frozen is there, also when a holder was killed in the middle of it", async () => {
  await using box = await sandbox({ warm: true });
  await box.up("a");
  await guestOk(box, "a", "echo one > one; sync; echo two > two"); // the second may be in the guest's memory alone
  await box.killHolder("a");
  const first = await freeze(box, "finished");
  const before = await digestOf(first);
  await box.up("a");
  await guestOk(box, "a", "echo three > three; dd if=/dev/urandom of=big bs=1M count=8; sync");

  await box.killHolder("a");
  const second = await freeze(box, "killed");
  await box.up("a"); // which lets it go on, and moves it
  assert.match(box.holderLog("a"), /a: it was paused when its holder was killed: resuming/);
  const after = await digestOf(second);
  assert.equal(await guestOk(box, "a", "cat one two three; echo four > four; rm one; sync"), "one\ntwo\nthree\n");
  assert.deepEqual([await digestOf(first), await digestOf(second)], [before, after]);

  await box.ok("stop", "a");
  const disk = diskOf(box.store, box.store.config("a")!);
  const chain = JSON.parse(await run("qemu-img", ["info", "--backing-chain", "--output=json", disk]));
  assert.deepEqual(chain.slice(0, 3).map(({ filename }: { filename: string }) => filename), [disk, second, first]);
  await box.up("a");
  assert.equal(await guestOk(box, "a", "cat two three four; ls"), "two\nthree\nfour\nbig\nfour\nthree\ntwo\n");
  assert.deepEqual([await digestOf(first), await digestOf(second)], [before, after]);
});

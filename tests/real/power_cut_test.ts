/** Power cuts that lose what a real guest has not flushed. `tests/slow` has more: torn writes, checkpoints, full disks. */

import * as assert from "#assert";
import { diskOf, writeLogOf } from "../../src/store/disk.ts";
import { exists } from "../../src/system/files.ts";
import { problemsOfImage } from "../checkpoints/disks.ts";
import { fileWriter } from "../power_cuts/file_writer.ts";
import { cut, cutsWhileWriting, hasMark, writeMark } from "../power_cuts/mark.ts";
import { prepareWriter } from "../power_cuts/writer.ts";
import { guestOk } from "../support/guest.ts";
import { sandbox, test } from "../support/sandbox.ts";

test("after a power cut each synced record is there, what was not synced is lost, and disk and file system are whole", async () => {
  await using box = await sandbox({ warm: true, limitMs: 300_000 });
  await box.up("a", "--log-writes");
  await prepareWriter(box, "a", fileWriter);

  // A machine that is killed without that loses nothing of this: the test could fail.
  await writeMark(box);
  await box.ok("stop", "a", "--force");
  await box.up("a");
  assert.ok(await hasMark(box), "the host has what the guest wrote");
  await guestOk(box, "a", "dd if=/dev/zero of=blocks bs=4k count=64 2>/dev/null; sync");

  await writeMark(box);
  const first = await cut(box, "all");
  assert.ok(first.unflushed > 0 && first.lost === first.unflushed, JSON.stringify(first));
  const config = box.store.config("a")!;
  assert.deepEqual(await problemsOfImage(diskOf(box.store, config)), []);
  assert.ok(!exists(writeLogOf(box.store, config)));
  await box.up("a");
  assert.ok(!await hasMark(box));

  await cutsWhileWriting(box, ["random", "--seed", "7"]);
});

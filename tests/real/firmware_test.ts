/** Disks that no firmware can boot. `tests/slow` boots one with a partition table and a boot loader, by BIOS and by UEFI. */

import * as assert from "#assert";
import { join } from "../../src/system/path.ts";
import { run } from "../../src/system/process.ts";
import { sandbox, test } from "../support/sandbox.ts";

test("a disk that its firmware cannot boot ends the boot at once; a file that is not a disk is refused before", async () => {
  await using box = await sandbox();
  const disk = join(box.root, "plain.img");
  await run("/usr/sbin/mke2fs", ["-q", "-t", "ext4", disk, "8M"]);
  await box.fails(
    1,
    /does not boot: its firmware found nothing to boot on the disk/,
    ...["up", "a", "--image", disk, "--memory", "128M", "--egress", "off", "--timeout", "60m"],
  );
  await box.fails(
    1,
    /The image \/etc\/passwd cannot boot: found no boot sector, no partition table and no file system/,
    ...["up", "a", "--image", "/etc/passwd", "--egress", "off"],
  );
  assert.deepEqual(box.stored(), []);
});

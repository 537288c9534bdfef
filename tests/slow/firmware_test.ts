/** A disk with a partition table and a boot loader, as stock images have them, started by BIOS and by UEFI. */

import * as assert from "#assert";
import { exists } from "../../src/system/files.ts";
import { guestOk } from "../support/guest.ts";
import { sandbox, test } from "../support/sandbox.ts";
import { firmwareDisk } from "./firmware_disk.ts";

test("a partitioned disk with a boot loader boots by BIOS and by UEFI, with variables of its own", async () => {
  await using box = await sandbox();
  const { disk, firmware } = await firmwareDisk(box.root);
  box.env.FLEETBOX_FIRMWARE = firmware;
  const flags = ["--image", disk, "--memory", "256M", "--ready", "ssh", "--timeout", "5m"];

  await box.up("old", ...flags);
  assert.match(await guestOk(box, "old", "mount | grep ' / '"), /^\/dev\/(root|vda2) on \/ type ext4/);
  assert.equal(await guestOk(box, "old", "test -e /sys/firmware/efi || echo none"), "none\n");
  assert.equal(exists(box.store.member("old").efiVars), false);
  await guestOk(box, "old", "echo kept > kept; sync");
  await box.ok("stop", "old");

  await box.up("new", ...flags, "--firmware", "uefi");
  assert.match(await guestOk(box, "new", "cat /proc/cmdline"), /initrd=\\initrd .*root=\/dev\/vda2/);
  assert.equal(await guestOk(box, "new", "test -e /sys/firmware/efi && echo there"), "there\n");
  const { efiVars } = box.store.member("new");
  // The firmware has noted in its own chip what it booted.
  assert.notDeepEqual(Deno.readFileSync(efiVars), Deno.readFileSync(`${firmware}/OVMF/OVMF_VARS_4M.fd`));
});

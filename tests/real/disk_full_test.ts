/** The host's disk is full while a real guest writes: real QEMU, a file system of a few MiB. */

import * as assert from "#assert";
import { join } from "../../src/system/path.ts";
import { guest, guestOk } from "../support/guest.ts";
import { until } from "../support/processes.ts";
import { MAY_MOUNT, sandbox, test, told } from "../support/sandbox.ts";

test(
  "a machine whose guest fills the host's disk is paused and reported as such, is resumed once there is space, and no byte is wrong",
  async () => {
    await using box = await sandbox({ storeKiB: 192 * 1024, limitMs: 400_000 });
    await box.up("a,b");
    const ballast = join(box.home, "ballast");
    const df = new Deno.Command("df", { args: ["-Pk", box.home] });
    const freeKiB = async () =>
      Number(new TextDecoder().decode((await df.output()).stdout).split("\n")[1].split(/\s+/)[3]);
    Deno.writeFileSync(ballast, new Uint8Array((await freeKiB() - 8 * 1024) * 1024).fill(1));

    // 24 MiB of known text, while the host has space for 8.
    const writing = guest(box, "a", "yes fleetbox | head -c 25165824 > big && sync && cat big | sha256sum");
    await until("a is paused", async () => (await box.status("a"))?.stage === "paused", 300_000);
    const { error } = (await box.status("a"))!;
    assert.match(error!, /^paused: disk full: write on volume "disk" failed: .*\(.*disk\.qcow2\)$/);
    assert.match((await box.ok("ls")).stdout, /^a: paused: disk full: [^]*try: Free some space on the file system of/m);
    assert.equal(await guestOk(box, "b", "hostname"), "b\n", "its neighbour goes on");
    Deno.removeSync(ballast);

    const result = await writing;
    assert.equal(result.code, 0, told(result));
    const line = new TextEncoder().encode("fleetbox\n".repeat(25165824 / 9 + 1)).subarray(0, 25165824);
    const expected = new Uint8Array(await crypto.subtle.digest("SHA-256", line));
    assert.equal(result.stdout.slice(0, 64), [...expected].map((byte) => byte.toString(16).padStart(2, "0")).join(""));
    assert.equal((await box.status("a"))!.stage, undefined);
    assert.doesNotMatch(await guestOk(box, "a", "sudo dmesg"), /I\/O error|EXT4-fs error|remount/i);
    await box.ok("stop", "a,b");
    const { disk } = box.store.member("a");
    const check = await new Deno.Command("qemu-img", { args: ["check", disk] }).output();
    assert.equal(check.code, 0, new TextDecoder().decode(check.stdout) + new TextDecoder().decode(check.stderr));
  },
  { ignore: !MAY_MOUNT },
);

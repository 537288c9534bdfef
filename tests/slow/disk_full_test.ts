/** The host's disk is full while a real guest writes: real QEMU, a file system of a few MiB. */

import * as assert from "#assert";
import { createHash } from "node:crypto";
import { join } from "../../src/system/path.ts";
import { guest, guestOk } from "../support/guest.ts";
import { until } from "../support/processes.ts";
import { MAY_MOUNT, sandbox, test, told } from "../support/sandbox.ts";

const MIB = 1024 * 1024;

test(
  "a machine whose guest fills the host's disk is paused and reported as such, is resumed once there is space, and no byte is wrong",
  async () => {
    await using box = await sandbox({ storeKiB: 192 * 1024, limitMs: 400_000 });
    await box.up("a,b");
    const ballast = join(box.home, "ballast");
    const df = new Deno.Command("df", { args: ["-Pk", box.home] });
    const freeKiB = async () =>
      Number(new TextDecoder().decode((await df.output()).stdout).split("\n")[1].split(/\s+/)[3]);
    // In pieces: the machines write meanwhile, so what is free now is less in a moment.
    {
      using file = Deno.openSync(ballast, { create: true, write: true });
      const piece = new Uint8Array(MIB).fill(1);
      while (await freeKiB() > 5 * 1024) file.writeSync(piece);
    }

    // 9 MiB of known text, while the host has space for 4: an emulated guest on a busy host needs its time for each. No SSH
    // session waits for it: that would end after a minute without a sign of life from a machine that is paused.
    const text = new TextEncoder().encode("fleetbox\n".repeat(MIB));
    const line = `yes fleetbox | head -c ${text.length} > big && sync && sha256sum < big > sum; echo $? > code`;
    const begun = guest(box, "a", `setsid sh -c '${line}' < /dev/null > /dev/null 2>&1 &`);
    await until("a is paused", async () => (await box.status("a"))?.stage === "paused", 300_000);
    const { error } = (await box.status("a"))!;
    assert.match(error!, /^paused: disk full: write on volume "disk" failed: .*\(.*disk\.qcow2\)$/);
    assert.match((await box.ok("ls")).stdout, /^a: paused: disk full: [^]*try: Free some space on the file system of/m);
    // Its neighbour goes on, until a write of its own finds no space: a login writes, too.
    const neighbour = await guest(box, "b", "hostname");
    if (neighbour.code !== 0) assert.match((await box.status("b"))!.error!, /^paused: disk full: /, told(neighbour));
    else assert.equal(neighbour.stdout, "b\n");
    Deno.removeSync(ballast);

    const goOn = async () =>
      (await Promise.all(["a", "b"].map((name) => box.status(name)))).every((one) => !one?.stage);
    await until("both are resumed", goOn, 60_000);
    const written = await guestOk(box, "a", "until [ -e code ]; do sleep 0.2; done; cat code sum");
    assert.equal(written.slice(0, 66), `0\n${createHash("sha256").update(text).digest("hex")}`);
    assert.equal((await box.status("a"))!.stage, undefined);
    await begun; // it may have been cut off by the pause
    assert.doesNotMatch(await guestOk(box, "a", "sudo dmesg"), /I\/O error|EXT4-fs error|remount/i);
    await box.ok("stop", "a,b");
    const { disk } = box.store.member("a");
    const check = await new Deno.Command("qemu-img", { args: ["check", disk] }).output();
    assert.equal(check.code, 0, new TextDecoder().decode(check.stdout) + new TextDecoder().decode(check.stderr));
  },
  { ignore: !MAY_MOUNT },
);

import * as assert from "#assert";
import type { FleetboxError } from "../../core/errors.ts";
import type { Share } from "../shares.ts";
import { sandboxFor, serverArguments, shareRequirements } from "./shares.ts";

const SHARE: Share = { tag: "fb-share-0", path: "/w/a,b\\c", socket: "/run/x.s0" };

Deno.test("a share's program sees one directory, whatever is in its path", () => {
  const ids = { uid: 501, gid: 20 };
  const ofQemu = ["-f", "--socket-path=/run/x.s0", "-o", "source=/w/a\\,b\\\\c", "-o", "sandbox=namespace"];
  assert.deepEqual(serverArguments("of-qemu", SHARE, ids, "namespace"), ofQemu);
  const later = ["--socket-path", "/run/x.s0", "--shared-dir", "/w/a,b\\c", "--sandbox", "namespace"];
  assert.deepEqual(serverArguments("later", SHARE, ids, "namespace"), later);
  assert.deepEqual(serverArguments("translating", SHARE, ids, "namespace"), [
    ...later,
    ...["--translate-uid", "squash-guest:0:501:4294967295", "--translate-uid", "host:501:1000:1"],
    ...["--translate-gid", "squash-guest:0:20:4294967295", "--translate-gid", "host:20:1000:1"],
  ]);
});

Deno.test("where the root is no mount, as in a plain chroot, there is no namespace of mounts for it", () => {
  const mount = (point: string) => `24 1 254:0 / ${point} rw,relatime - ext4 /dev/vda rw\n`;
  assert.equal(sandboxFor(mount("/") + mount("/proc")), "namespace");
  assert.equal(sandboxFor(mount("/proc") + mount("/tmp/x")), "chroot");
  assert.equal(sandboxFor(undefined), "namespace");
});

Deno.test("doctor is told of a program for shares that is missing, with its packages and what works without it", () => {
  const [{ what, check, fatal }] = shareRequirements(["/nowhere/virtiofsd"]);
  assert.deepEqual([what, fatal], ["virtiofsd", false]);
  assert.throws(check, ({ code, message, hint }: FleetboxError) => {
    assert.match(message, /^Cannot share a directory read-write: the program virtiofsd is not installed$/);
    assert.match(hint!, /virtiofsd \(on Debian 12: qemu-system-common\); without it: --fixture .*, or fleetbox sync$/);
    return code === "unavailable";
  });
});

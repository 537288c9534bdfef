/** A real Debian 12, built from packages, in a group with two micro members: what stands in issue 4 under "Done when". */

import assert from "node:assert/strict";
import { join } from "node:path";
import { type Sandbox, sandbox, told } from "../harness/sandbox.ts";
import { provideImage, tell } from "./images.ts";

/** A unit that serves the fixture over HTTP; a note for each time that cloud-init takes the machine for a new one. */
const USER_DATA = `#cloud-config
users:
  - name: sued # a user's own users: ours must be there all the same
    no_create_home: true
write_files:
  - path: /etc/systemd/system/beacon.service
    content: |
      [Service]
      ExecStart=/usr/bin/python3 -m http.server 80 --directory /srv/fixture
      [Install]
      WantedBy=multi-user.target
runcmd:
  - echo new >>/var/lib/instances
  - systemctl enable --now beacon.service
`;

Deno.test("Debian 12 lives in a group with two micro members: boots, is reached by name, stops cleanly, comes back", async () => {
  await using box = await sandbox({ env: { FLEETBOX_ACCEL: "tcg" }, limitMs: 1_000_000 });
  const before = performance.now();
  const step = (what: string) => tell(`${Math.round((performance.now() - before) / 1000)} s: ${what}`);
  await provideImage(box, "debian-12");
  step("the image is there");

  const fixture = join(box.root, "fix ture");
  Deno.mkdirSync(fixture);
  Deno.writeTextFileSync(join(fixture, "word"), "first\n");
  Deno.writeTextFileSync(join(fixture, "-line\nbreak"), "", { mode: 0o640 });
  Deno.writeTextFileSync(join(box.root, "user-data"), USER_DATA);
  const said = async (name: string, ...command: string[]) => (await box.ok("exec", name, "--", ...command)).stdout;

  await box.up("m1,m2", "--fixture", `${fixture}:/srv/fix ture`);
  assert.equal(await said("m1", "cat", "/srv/fix ture/word"), "first\n");
  step("micro runs");

  await box.ok(
    ...["join", "deb", "--via", "m1", "--image", "debian-12", "--disk", "12G", "--timeout", "900"],
    ...["--fixture", `${fixture}:/srv/fixture`, "--user-data", join(box.root, "user-data")],
  );
  step("Debian runs, first boot");

  // By name, both ways; the unit, the fixture and the guest's own way to them in one.
  await said("m1", "ping", "-c1", "-W10", "deb");
  assert.match(await said("deb", "getent", "hosts", "m2"), /^10\.88\.0\.12\s/);
  assert.match(await said("deb", "sudo", "ping", "-c1", "-W10", "m2"), /1 received/);
  assert.equal(await said("m2", "wget", "-qO-", "http://deb/word"), "first\n");
  assert.equal(await said("deb", "systemctl", "is-active", "beacon.service"), "active\n");
  assert.equal(
    await said("deb", "stat", "-c", "%a %n", "/srv/fixture/-line\nbreak"),
    "640 /srv/fixture/-line\nbreak\n",
  );
  await box.fails(1, /Read-only/, "exec", "deb", "--", "sudo", "touch", "/srv/fixture/x");
  // Who it is, and what it has.
  assert.match(
    await said("deb", "sh", "-c", "hostname; hostname -f; id -un; sudo id -un"),
    /^deb\ndeb\.\S+\nfleetbox\nroot\n$/,
  );
  assert.match(await said("deb", "getent", "passwd", "fleetbox", "sued"), /fleetbox:.*:\/bin\/bash\nsued:/);
  const blocks = Number((await said("deb", "df", "--output=size", "-BM", "/")).match(/(\d+)M$/m)![1]);
  assert.ok(blocks > 11_000, `the root file system has ${blocks} MiB of a disk of 12 GiB`);
  await said("deb", "sudo", "sh", "-c", "echo kept >/var/lib/kept");
  step("looked around");

  await box.ok("stop", "deb");
  assert.match(box.holderLog("m1"), /deb: stopped: .*(shut|powered) /, box.holderLog("m1"));
  assert.equal(await box.states(), "deb=stopped m1=running m2=running");
  step("stopped");
  await fsck(box, "deb");
  step("checked its file system");

  Deno.writeTextFileSync(join(fixture, "word"), "second\n");
  await box.ok("up", "deb", "--timeout", "900");
  step("Debian runs, second boot");
  assert.equal(await said("deb", "cat", "/var/lib/kept", "/var/lib/instances"), "kept\nnew\n");
  assert.equal(await said("m2", "wget", "-qO-", "http://deb/word"), "second\n");
  const journal = await said("deb", "sudo", "journalctl", "-b", "-1", "-o", "cat", "-n", "200");
  assert.match(journal, /Reached target poweroff\.target/);
  assert.match(journal, /Journal stopped\n$/);

  await box.ok("stop", "deb", "m1", "m2");
  await fsck(box, "deb");
  step("done");
});

/** The root file system on a stopped member's disk, checked whole: the image has no partitions. */
async function fsck(box: Sandbox, name: string): Promise<void> {
  const raw = join(box.root, "disk.raw");
  try {
    await tool("qemu-img", "convert", "-O", "raw", box.store.member(name).disk, raw);
    await tool("/usr/sbin/e2fsck", "-fn", raw);
  } finally {
    await Deno.remove(raw).catch(() => {});
  }
}

async function tool(program: string, ...args: string[]): Promise<void> {
  const { code, stdout, stderr } = await new Deno.Command(program, { args }).output();
  const words = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  assert.equal(code, 0, told({ args: [program, ...args], code, signal: null, stdout: words, stderr: "" } as never));
}

/** What a user gives to guests, and how it is refused: `--fixture`, `--user-data`, `--ready`, `cp`, `exec`. */

import * as assert from "#assert";
import { join } from "../../src/system/path.ts";
import { sandbox, test, told } from "../support/sandbox.ts";

test("a shared directory that cannot be used is an error before anything boots", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  Deno.writeTextFileSync(join(box.root, "file"), "");
  Deno.mkdirSync(join(box.root, "dir"));
  const dir = join(box.root, "dir");
  const refused = (code: number, words: RegExp, ...fixtures: string[]) =>
    box.fails(code, words, "up", "a,b", ...fixtures.flatMap((text) => ["--fixture", text]));

  await refused(2, /Bad value for --fixture: found "nowhere".*HOST_DIR:GUEST_DIR/, "nowhere");
  await refused(2, /HOST_DIR:GUEST_DIR/, `${dir}:relative`);
  await refused(2, /HOST_DIR:GUEST_DIR/, ":/guest");
  await refused(2, /below \//, `${dir}:/`);
  await refused(2, /no "\.", "\.\."/, `${dir}:/a/../b`);
  await refused(2, /no control characters/, `${dir}:/a\nb`);
  await refused(2, /two shared directories at \/a/, `${dir}:/a`, `${dir}:/a/`);
  await refused(2, /one shared directory over another/, `${dir}:/a`, `${dir}:/a/b`);
  await refused(3, /Cannot share the directory .*none"?: it does not exist/, `${dir}/none:/a`);
  await refused(2, /it is a file, expected a directory/, `${box.root}/file:/a`);
  assert.deepEqual([box.stored(), box.processes()], [[], []]);
});

test("a shared directory is read anew at each boot, and its image is removed with the member", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const dir = join(box.root, "a:b");
  Deno.mkdirSync(dir);
  await box.up("a", "--fixture", `${dir}:/srv/x`);
  const image = box.store.member("a").sharedDirectoryImage(0);
  const listed = async () => {
    const { stdout } = await new Deno.Command("/usr/sbin/debugfs", { args: ["-R", "ls -p /", image], stderr: "null" })
      .output();
    return new TextDecoder().decode(stdout);
  };
  assert.doesNotMatch(await listed(), /later/);
  const command = box.process("machine", "a").command;
  assert.match(command, /fixture-0\.img/);
  await box.ok("stop", "a");

  Deno.writeTextFileSync(join(dir, "later"), "");
  await box.up("a");
  assert.match(await listed(), /later/);
  await box.ok("stop", "a");

  Deno.removeSync(dir, { recursive: true });
  await box.fails(
    3,
    [/Cannot share the directory .*a:b"?: it does not exist/, /--fixture HOST_DIR:GUEST_DIR/],
    "up",
    "a",
  );
  assert.equal(await box.states(), "a=stopped", "it exists as before");
  await box.ok("rm", "a");
  assert.deepEqual(box.stored(), []);
});

test("a missing shared directory of one member keeps the others of its group from booting", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const dir = join(box.root, "dir");
  Deno.mkdirSync(dir);
  await box.up("a", "--fixture", `${dir}:/srv/x`);
  await box.ok("stop", "a");
  Deno.removeSync(dir);
  const { stderr } = await box.fails(3, /does not exist/, "up", "a,b");
  assert.doesNotMatch(stderr, /b: (disk|boot|kernel)/);
  assert.deepEqual(box.stored(), ["a"]);
});

test("user-data is kept with the member, and refused when cloud-init would refuse it", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const file = (name: string, content: string | Uint8Array) => {
    const path = join(box.root, name);
    Deno.writeFileSync(path, typeof content === "string" ? new TextEncoder().encode(content) : content);
    return path;
  };
  const refused = (code: number, words: RegExp, path: string) => box.fails(code, words, "up", "a", "--user-data", path);
  await refused(3, /does not exist/, join(box.root, "none"));
  await refused(1, /cannot be read/, box.root);
  await refused(
    2,
    /a format that cloud-init does not know: found the first line "users: \[\]"/,
    file("1", "users: []\n"),
  );
  await refused(2, /does not know: found the first line ""/, file("2", ""));
  await refused(2, /too long, expected at most 32768 bytes/, file("3", "#cloud-config\n" + "x".repeat(40_000)));
  await refused(2, /is not UTF-8 text/, file("4", Uint8Array.of(0x23, 0x21, 0xff)));
  await refused(2, /NUL/, file("5", "#!/bin/sh\n\0"));
  await box.fails(2, /Bad value for --ready: found "soon", expected ssh or cloud-init/, "up", "a", "--ready", "soon");
  assert.deepEqual([box.stored(), box.processes()], [[], []]);

  const text = "#!/bin/sh\necho 'grüß dich' \"$1\"\n";
  await box.up("a", "--user-data", file("good", text), "--ready", "ssh");
  assert.equal(box.store.config("a")!.user_data, text);
  await box.ok("stop", "a");
  const again = await box.up("a", "--user-data", file("other", "#cloud-config\n"));
  assert.match(again.stderr, /a keeps the --user-data with which it was made/, told(again));
  assert.equal(box.store.config("a")!.user_data, text);
});

test("a member keeps its instance id for as long as it exists, and gets another one when it is made anew", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  /** The instance id in the seed that the guest reads. */
  const instance = () => {
    const seed = new TextDecoder("latin1").decode(Deno.readFileSync(box.store.member("a").seed));
    const id = /instance-id: "(.+?)"/.exec(seed)?.[1];
    assert.equal(id, box.store.config("a")!.instance_id);
    return id;
  };
  await box.up("a");
  const first = instance();
  await box.ok("stop", "a");
  await box.up("a");
  assert.equal(instance(), first);
  await box.ok("stop", "--force", "a");
  await box.up("b");
  await box.ok("join", "a", "--via", "b"); // another group, another address
  assert.equal(instance(), first);
  await box.killHolder("a");
  await box.up("a");
  assert.equal(instance(), first);
  await box.ok("rm", "-f", "a");
  await box.up("a");
  assert.notEqual(instance(), first);
});

test("the largest user-data also reaches a member that is added", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const path = join(box.root, "large");
  const text = "#cloud-config\n" + "# a line\n".repeat(3_600);
  Deno.writeTextFileSync(path, text);
  await box.up("a");
  await box.up("b", "--user-data", path); // a group of its own
  await box.ok("join", "c", "--via", "a", "--user-data", path);
  assert.deepEqual([box.store.config("b")!.user_data, box.store.config("c")!.user_data], [text, text]);
});

test("cp and exec refuse what they cannot do, and say why", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  await box.ok("stop", "a");
  await box.fails(2, [/No path on a member/, /fleetbox cp x NAME:/], "cp", "x", "y");
  await box.fails(2, /Missing target/, "cp", "x");
  await box.fails(2, [/Not a member: "A b"/, /\.\/A b:c/], "cp", "A b:c", "a:");
  await box.fails(2, /A path is empty/, "cp", "", "a:");
  await box.fails(3, [/no member "b"/, /There are: a/], "cp", "x", "b:");
  await box.fails(1, [/Cannot reach "a": it is not running/, /fleetbox up a/], "cp", "/etc/hosts", "a:");
  await box.fails(3, [/^fleetbox: There is no \.\/no-file$/m, /NAME:PATH/], "cp", "no-file", "a:");
  await box.fails(3, /There is no directory \/no-where for x/, "cp", "a:x", "/no-where/y");
  await box.fails(1, /Cannot reach "a"/, "exec", "a", "--", "true");
  await box.fails(2, /Which program\? For example: fleetbox exec a -- uname -r/, "exec", "a");
  await box.fails(2, /No program given/, "exec", "a", "--");
});

test("a member with cloud-init is running once that has finished; --ready ssh does not wait for it", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const image = withCloudInit(box.root);
  // The fake QEMU sends the SSH banner and nothing more: no login succeeds.
  const late = await box.fails(
    4,
    [/answers on its SSH port, but its cloud-init did not finish within 15 s/, /--ready ssh/],
    ...["up", "a", "--image", image, "--timeout", "15"],
  );
  assert.match(late.stdout + late.stderr, /a: cloud-init/);
  assert.deepEqual(box.stored(), []);
  await box.up("a", "--image", image, "--ready", "ssh");
  assert.equal(await box.states(), "a=running");
});

test("a member whose cloud-init failed is running, and reports what failed", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const image = withCloudInit(box.root);
  // Instead of ssh: a guest that is asked repeatedly until cloud-init has finished.
  const bin = join(box.root, "bin");
  Deno.mkdirSync(bin);
  const answer = (errors: string) => `echo result; echo '{"v1": {"errors": [${errors}]}}'; echo; echo end`;
  const ssh = (script: string) => Deno.writeTextFileSync(join(bin, "ssh"), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  const env = { PATH: `${bin}:${Deno.env.get("PATH")}` };

  ssh(`echo in; read -r _ && read -r _ && ${answer('"(scripts-user, 1 failures)"')}`);
  const up = await box.start(["up", "a", "--image", image, "--egress", "off"], { env }).done;
  assert.equal(up.code, 1, told(up));
  assert.match(
    up.stderr,
    /"a" runs, but cloud-init failed in it: \(scripts-user, 1 failures\)\n +try: Read its log/,
  );
  assert.match(up.stdout, /^a +10\.88\.0\.11/m);
  const { a } = await box.ls();
  assert.deepEqual([a.state, a.running], ["running", true]);
  assert.match(a.reason, /cloud-init failed/);
  assert.match((await box.status("a"))!.error!, /cloud-init failed/);
  await box.fails(1, /cloud-init failed/, "wait", "a");
  for (let death = 1; death <= 2; death++) {
    await box.killHolder("a");
    await box.fails(1, [/adopted: a/, /cloud-init failed in it: \(scripts-user, 1 failures\)/], "up", "a");
  }
  await box.ok("stop", "a");

  // The first session is cut off, the second one is let in; at its next boot nothing fails.
  ssh(`[ -e "$HOME/once" ] || { >"$HOME/once"; exit 255; }\necho in; ${answer("")}`);
  await box.start(["up", "a", "--egress", "off"], { env }).done.then((again) =>
    assert.equal(again.code, 0, told(again))
  );
  assert.equal((await box.status("a"))!.error, undefined);
  assert.equal((await box.ls()).a.reason, undefined);
});

/** The fake QEMU's image, as one that has cloud-init. */
function withCloudInit(root: string): string {
  const image = join(root, "image");
  Deno.mkdirSync(image);
  for (const { name } of Deno.readDirSync(join(root, "micro"))) {
    Deno.copyFileSync(join(root, "micro", name), join(image, name));
  }
  const manifest = join(image, "image.json");
  const value = { ...JSON.parse(Deno.readTextFileSync(manifest)), name: "distro", cloud_init: true };
  Deno.chmodSync(manifest, 0o600);
  Deno.writeTextFileSync(manifest, JSON.stringify(value));
  return image;
}

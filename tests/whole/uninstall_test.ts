/** `fleetbox uninstall`: lists and removes all that fleetbox has made, and nothing else. */

import * as assert from "#assert";
import { dirname, join } from "../../src/system/path.ts";
import { exists } from "../../src/system/files.ts";
import { addCheckpoint, addLayer, id } from "../../src/store/snapshots/testing.ts";
import { Client } from "../bound/bound.ts";
import { filesBelow } from "../support/files.ts";
import { type Sandbox, sandbox, test } from "../support/sandbox.ts";
import { OnTerminal } from "../support/terminal.ts";

/** Of a process that is gone. */
const DEAD = "4194304-0123abcd.tmp";

function write(path: string, text = "x"): void {
  Deno.mkdirSync(dirname(path), { recursive: true });
  Deno.writeTextFileSync(path, text);
}

/** Every file below the home directory, relative to it, but for what the fake QEMU's own Deno writes. */
function files({ env }: Sandbox): string[] {
  return filesBelow(env.HOME).map((path) => path.slice(env.HOME.length + 1))
    .filter((path) => !path.startsWith(".cache/deno/")).toSorted();
}

/** The same while a holder runs, but for what it is writing just now. */
function lastingFiles(box: Sandbox): string[] {
  return files(box).filter((path) => !path.endsWith(".tmp") || path.includes(DEAD));
}

/** The error has only what differs: the lists are long. */
function assertFiles(now: string[], expected: string[]): void {
  const [come, gone] = [now.filter((path) => !expected.includes(path)), expected.filter((path) => !now.includes(path))];
  assert.deepEqual({ come, gone }, { come: [], gone: [] });
}

test("uninstall lists everything, removes it with --force, also what an interrupted one left, and nothing else", async () => {
  await using box = await sandbox({ fakeQemu: {}, homeName: "u" });
  const { home, store, env: { HOME } } = box;
  await box.up("a,b");
  await box.ok("stop", "b");
  addLayer(store, id(1));
  await addCheckpoint(store, "seeded", { x: [id(1)] });
  write(join(home, "images/other-1/image.json"), '{"name":"other","version":"1","disk":"disk"}');
  write(join(home, "images/other-1/disk"));
  write(join(home, "images/refs/0123456789abcdef.json"), "{}");
  write(join(home, "images/0123456789abcdef.part"));
  write(join(home, "traces/a-20261128-225501-3f9c/packets.pcapng"));
  write(join(home, "bin/fleetbox-helper-0.1.0-linux"));
  write(join(home, "places/big.json"), "{}");
  write(join(home, "places/big/.lock"));
  write(join(home, "places/lab.c0/.lock"));
  write(join(home, "brought/0123456789abcdef/setup.sh"));
  for (const name of ["ssh/host_key", "7@t.json", "7@t.log"]) write(join(home, "jobs", name));
  write(join(home, "runner-gone.log"));
  // An uninstall that was killed.
  for (const path of ["images/old-1", "traces/t-20261128-225501-3f9c", "clusters/.removed-x", "snapshots/removed"]) {
    write(join(home, `${path}.${DEAD}`, "disk.qcow2"));
  }
  write(join(HOME, ".cache/fleetbox-build/packages/one.deb"));
  write(join(HOME, ".cache/fleetbox-toolchain/denort"));
  // Not fleetbox's.
  const own = [
    "notes.txt",
    "images/debian.qcow2",
    "images/mine/disk",
    "traces/trace.zip",
    "clusters/kept/kept/notes.txt",
  ];
  own.push("bin/tool", "run/other.sock", "snapshots/layers/disk.qcow2", "jobs/notes.txt", "backup/id_ed25519");
  for (const path of own) write(join(home, path));
  const left = [...own.map((path) => `.fleetbox/${path}`), ".bashrc", ".cache/other/x"].toSorted();
  write(join(HOME, ".bashrc"), "source <(fleetbox completion bash)");
  write(join(HOME, ".cache/other/x"));

  const before = lastingFiles(box);
  const dry = await box.ok("uninstall", "--dry-run");
  const checkpoints = dry.stdout.indexOf("1 checkpoint");
  assert.match(dry.stdout, /^2 members +\S+ +clusters: a, b$/m);
  assert.match(dry.stdout, /^2 caches of builds +\S+ +~\/\.cache\/fleetbox-build, ~\/\.cache\/fleetbox-toolchain$/m);
  assert.match(dry.stdout, /^ {2}~\/\.fleetbox\/notes\.txt: not fleetbox's$/m);
  assert.match(dry.stdout, /^ {2}~\/\.bashrc: has a line with fleetbox completion$/m);
  assert.match(dry.stdout, /^first: fleetbox stop --all, or /m);
  assert.ok(checkpoints > 0 && checkpoints < dry.stdout.indexOf("SSH key"), "the key is last");
  await box.fails(1, [/Still running: a; nothing was removed/, /fleetbox stop --all/], "uninstall");
  assertFiles(lastingFiles(box), before);
  assert.equal(await box.states(), "a=running b=stopped");

  const told = JSON.parse((await box.ok("uninstall", "--force", "--json")).stdout);
  assert.equal(told.store, home);
  assert.ok(told.removed.length > 15 && told.bytes > 0);
  assert.deepEqual(box.processes(), []);
  assertFiles(files(box), left);
  const leftInStore = told.left.filter((one: { path: string }) => one.path.startsWith(home));
  assert.equal(leftInStore.length, own.length, JSON.stringify(leftInStore));
  assert.match((await box.ok("uninstall", "--force")).stdout, /^nothing of fleetbox is in ~\/\.fleetbox\n/);
  for (const path of own) Deno.removeSync(join(home, path));
});

test("uninstall asks on a terminal, and needs --force elsewhere; a store without anything of others goes whole", async () => {
  await using box = await sandbox({ fakeQemu: {}, homeName: "u" });
  await box.up("a");
  await box.ok("stop", "a");
  const before = files(box);
  await box.fails(2, [/Cannot ask before removing all of it/, /fleetbox uninstall --force/], "uninstall");
  const no = new OnTerminal(["uninstall"], { env: box.env, columns: 50 });
  await no.shows(/Remove all of it, \S+\? \[y\/N\]/);
  await no.type("n\r");
  assert.equal(await no.done, 1, no.output);
  assertFiles(files(box), before);
  const yes = new OnTerminal(["uninstall"], { env: box.env });
  await yes.shows(/\[y\/N\]/);
  await yes.type("y\r");
  assert.equal(await yes.done, 0, yes.output);
  assert.ok(!exists(box.home), files(box).join(" "));
});

test("uninstall keeps all while a member cannot go: it has files of a user, or is a running program's", async () => {
  await using box = await sandbox({ fakeQemu: {}, homeName: "u" });
  await box.up("a1,b");
  await box.ok("stop", "a1", "b");
  const notes = join(box.store.member("b").dir, "notes.txt");
  write(notes);
  await box.fails(1, [/has files that are not fleetbox's: notes\.txt/, /fleetbox rm b/], "uninstall", "--force");
  assert.match((await box.ok("uninstall", "--dry-run")).stdout, /^first: Move them away, or .*fleetbox rm b$/m);
  assert.ok(
    exists(box.store.member("a1").disk) && exists(box.store.member("b").disk) && exists(join(box.home, "id_ed25519")),
  );
  assert.ok(files(box).some((path) => /images\/micro-[^/]+\/disk/.test(path)));
  Deno.removeSync(notes);
  await using client = new Client(box, { names: ["a"], then: ["up"] });
  await client.said(/^up$/m);
  await box.fails(1, /A running program owns a; nothing was removed/, "uninstall", "--force");
  assert.ok(exists(box.store.member("a").disk) && exists(box.store.member("b").disk));
});

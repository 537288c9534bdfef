/** A group in a file, from the command line, against the fake QEMU: `up -f` and `config`. */

import * as assert from "#assert";
import { fileURLToPath } from "node:url";
import { join } from "../../src/system/path.ts";
import { freePort } from "../support/free_ports.ts";
import { until } from "../support/processes.ts";
import { type Sandbox, sandbox, test, told } from "../support/sandbox.ts";

/** Writes a group file. @returns its path */
function write(box: Sandbox, text: string, name = "group.toml"): string {
  const path = join(box.root, name);
  Deno.writeTextFileSync(path, text);
  return path;
}

const GROUP = `
[defaults]
egress = "off"
memory = "64M"
[members.web]
needs = ["db"]
publish = "80"
[members.db]
memory = "96M"
[members.other]
cpus = 2
`;

test("up -f boots a file's members on one network, each after those that it needs; again it leaves them as they are", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const file = write(box, GROUP);
  const up = await box.ok("up", "-f", file, "--json");
  const events = up.stdout.trim().split("\n").map((line) => JSON.parse(line));
  const first = (name: string, is: (member: { state: string; stage?: string }) => boolean) =>
    events.findIndex(({ event, member }) => event === "member" && member.name === name && is(member));
  const [waits, runs, boots] = [
    first("web", ({ stage }) => stage === "waiting"),
    first("db", ({ state }) => state === "running"),
    first("web", ({ stage }) => stage === "disk" || stage === "boot"),
  ];
  assert.ok(waits >= 0 && waits < runs && runs < boots, told(up));

  const { web, db, other } = await box.ls();
  assert.deepEqual([web, db, other].map(({ memory_mb, cpus, egress, group }) => [memory_mb, cpus, egress, group]), [
    [64, 1, "off", "web"],
    [96, 1, "off", "web"],
    [64, 2, "off", "web"],
  ]);
  assert.equal(web.forwards[0].guest_port, 80);
  assert.equal(db.forwards, undefined);

  // The command line comes before the file; what it asks in vain is told.
  const before = box.machines();
  const again = await box.ok("up", "-f", file, "db", "--memory", "128M", "-p", "90");
  assert.match(again.stderr, /^db runs with --memory 96M \(asked: 128M\)/m, told(again));
  assert.match(again.stdout, /^db is already running$[^]*leads to port 90$/m, told(again));
  assert.doesNotMatch(again.stdout, /web|other/);
  assert.deepEqual(box.machines(), before);

  // A part of the group comes back onto its network, with what it needs; a new member has what the file says, not its group's.
  await box.ok("stop", "web", "db");
  Deno.writeTextFileSync(file, `${GROUP}[members.late]\nneeds = "web"\nmemory = 72\n`);
  await box.ok("up", "-f", file, "late");
  const after = await box.ls();
  assert.deepEqual(Object.values(after).map(({ name, state, group }) => `${name} ${state} ${group}`), [
    "db running web",
    "late running web",
    "other running web",
    "web running web",
  ]);
  assert.equal(after.late.memory_mb, 72);
  assert.equal(box.processes("holder").length, 1);
  const names = (await box.ok("config", "-q", "-f", file)).stdout.trim().split("\n");
  await box.ok("stop", ...names);
});

test("up -f of a group that runs: a new member has none of the options that the others were started with", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a", "--memory", "96M", "--cpus", "2");
  const file = write(box, "[members.a]\n[members.b]\nneeds = 'a'\negress = 'off'\n");
  await box.ok("up", "-f", file);
  const { b } = await box.ls();
  assert.deepEqual([b.memory_mb, b.cpus, b.group], [256, 1, "a"]);
});

test("up -f whose member fails says why, once, and leaves no other behind: those that need it were not booted", async () => {
  await using box = await sandbox({ fakeQemu: { db: { start: "die", message: "no luck" } } });
  const file = write(box, GROUP);
  const all = await box.fails(1, /no luck/, "up", "-f", file);
  assert.doesNotMatch(all.stderr, /which it needs/);
  assert.deepEqual(box.stored(), []);

  await box.ok("up", "-f", file, "other");
  const some = await box.fails(1, /no luck/, "up", "-f", file);
  assert.doesNotMatch(some.stderr, /which it needs/);
  assert.equal(await box.states(), "other=running");
});

test("up -f --no-wait returns, and members boot in their order; a stop or Ctrl-C ends one that waits", async () => {
  await using box = await sandbox({ fakeQemu: { db: { boot: "never" } } });
  const file = write(box, GROUP);
  await box.ok("up", "-f", file, "web", "--no-wait");
  await until("web waits", async () => (await box.ls()).web.stage === "waiting");
  await box.ok("stop", "web");
  await box.ok("stop", "db", "--force");

  const up = box.start(["up", "-f", file]);
  await until("web waits", () => /^web: waiting$/m.test(up.stdout));
  up.kill("SIGINT");
  const { code, stderr } = await up.done;
  assert.equal(code, 130, stderr);
  await box.empty();
});

test("a group file that cannot be: what is wrong with it, where, and nothing is started", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const file = write(box, "[members.a]\nmemroy = 1\n[members.b]\nneeds = 'c'\n");
  await box.fails(2, [/group\.toml:2:1: .*\n\s+Did you mean memory\?/, /group\.toml:4:9: .*"c"/], "up", "-f", file);
  await box.fails(3, /There is no file .*none\.toml/, "up", "-f", join(box.root, "none.toml"));
  await box.fails(
    2,
    /is a directory, expected a file\n\s+Did you mean/,
    "up",
    "-f",
    write(box, "", "fleetbox.toml") && box.root,
  );
  await box.fails(2, /-n numbers the members of one name/, "up", "-f", file, "-n", "3");
  const cwd = box.root;
  const hint = await box.start(["up", "-f", "web"], { cwd }).done;
  assert.match(hint.stderr, /The file comes first: -f fleetbox\.toml web/);
  assert.deepEqual(box.stored(), []);
});

test("the example of docs/group-file.md is a group that comes up", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const page = Deno.readTextFileSync(fileURLToPath(new URL("../../docs/group-file.md", import.meta.url)));
  write(box, /^```toml\n([^]*?)^```/m.exec(page)![1].replace("8080", String(freePort())), "fleetbox.toml");
  Deno.mkdirSync(join(box.root, "seed"));
  write(box, "#!/bin/sh\n", "web.sh");
  const printed = await box.start(["config", "-f"], { cwd: box.root }).done;
  assert.match(printed.stdout, /^\[members\.web-2\]\n[^]*^needs = \["db"\]$/m, told(printed));
  const { code, stdout, stderr } = await box.start(["up", "-f"], { cwd: box.root }).done;
  assert.equal(code, 0, stdout + stderr);
  assert.equal(await box.states(), "db=running proxy=running web-1=running web-2=running");
});

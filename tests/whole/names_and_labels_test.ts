/** Names that are made up, other names, labels, groups of stopped members, and members that live as long as their command. */

import * as assert from "#assert";
import { exists } from "../../src/system/files.ts";
import { until } from "../support/processes.ts";
import { sandbox, test, told } from "../support/sandbox.ts";

test("up without a name makes one up, alone and for numbered members", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const up = await box.up();
  const [name] = Object.keys(await box.ls());
  assert.match(name, /^[a-z]+-[a-z]+$/);
  assert.match(up.stdout, new RegExp(`^${name} .* fleetbox ssh ${name}$`, "m"));
  await box.up("-n", "2");
  const numbered = Object.keys(await box.ls()).filter((one) => one !== name);
  assert.match(numbered.join(" "), /^([a-z]+-[a-z]+)-1 \1-2$/);
});

test("labels: given at the start, changed while it runs and when it starts, found by ls, in status and JSON", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a", "b", "--label", "tier=db", "--label", "env=test");
  await box.ok("join", "c", "--via", "a", "--egress", "off");
  const changed = await box.up("a", "c", "--label", "tier=web", "--label", "env=");
  assert.match(changed.stderr, /^a: its labels are tier=web$/m);
  assert.deepEqual(JSON.parse((await box.ok("status", "a", "--json")).stdout).labels, { tier: "web" });
  assert.match((await box.ok("status", "b")).stdout, /^labels +env=test tier=db$/m);
  const quiet = async (...labels: string[]) =>
    (await box.ok("ls", "-q", ...labels.flatMap((label) => ["--label", label]))).stdout.trim().split("\n").join(" ");
  assert.deepEqual([await quiet("tier"), await quiet("tier=web"), await quiet("tier", "env=test")], [
    "a b c",
    "a c",
    "b",
  ]);
  assert.match((await box.ok("ls", "--label", "nothing")).stderr, /no member has these labels/);
  await box.fails(2, /Bad value for --label: found "tier", expected KEY=VALUE/, "up", "a", "--label", "tier");
  await box.ok("restart", "a"); // its holder's own config keeps them
  await box.ok("stop", "c");
  const up = await box.up("c", "--label", "tier=");
  assert.equal(up.stderr, "", told(up));
  assert.equal(await quiet("tier"), "a b");
});

test("ls shows stopped members with the group that they last booted in, also when that has ended", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("web", "db");
  await box.up("other");
  const groups = async () =>
    (await box.ok("ls")).stdout.trim().split("\n").slice(1).map((line) => line.split(/ {2,}/)).map(
      (cells) => `${cells[0]} ${cells[1]} ${cells.at(-1)}`,
    );
  await box.ok("stop", "web");
  assert.deepEqual(await groups(), ["db running web", "web stopped web", "other running other"]);
  await box.ok("stop", "--all");
  assert.deepEqual(await groups(), ["db stopped web", "web stopped web", "other stopped other"]);
  const { db, web } = await box.ls();
  assert.deepEqual([db.group, db.last_group, db.last_group_id], [undefined, "web", web.last_group_id]);
});

test("rename of a stopped member keeps what it has; its network and its guest know the new name; one that runs is refused", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a-1", "b", "-p", "80");
  await box.fails(
    1,
    [/Cannot rename "a-1": it runs/, /fleetbox stop a-1 && fleetbox rename a-1 db/],
    "rename",
    "a-1",
    "db",
  );
  await box.ok("stop", "a-1");
  const before = (await box.ls())["a-1"];
  await box.fails(1, /There is a member "b" already/, "rename", "a-1", "b");
  await box.fails(3, /There is no member "nobody"/, "rename", "nobody", "db");
  await box.fails(2, /Which new name\?/, "rename", "a-1");
  assert.match((await box.ok("rename", "a-1", "db")).stdout, /^a-1 is db now$/m);
  assert.equal(await box.states(), "b=running db=stopped");
  assert.ok(!exists(`${box.home}/clusters/a`));
  await box.up("db");
  const { db, b } = await box.ls();
  assert.deepEqual([db.ip, db.group_id, db.forwards[0].host_port], [
    before.ip,
    b.group_id,
    before.forwards[0].host_port,
  ]);
  assert.equal(db.host_name, undefined);
  // What a rename that was killed between its two steps leaves.
  await box.ok("stop", "db");
  Deno.mkdirSync(`${box.home}/clusters/c`);
  Deno.renameSync(box.store.member("db").dir, box.store.member("c").dir);
  assert.equal(await box.states(), "b=running c=damaged");
  await box.ok("rename", "db", "c");
  await box.up("c");
  assert.equal(await box.states(), "b=running c=running");
});

test("up --rm: the members end with the command, by Ctrl-C, by their own end, and when it is killed", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("mine");
  await box.ok("stop", "mine");
  await box.fails(1, [/There is a member "mine" already/, /fleetbox up mine/], "up", "mine", "--rm");
  await box.fails(2, /--rm or --no-wait, not both/, "up", "x", "--rm", "--no-wait");

  const first = box.start(["up", "a", "b", "--rm", "--egress", "off"]);
  await first.printed(/removed when this command ends/);
  assert.equal(await box.states(), "a=running b=running mine=stopped");
  first.kill("SIGINT");
  const ended = await first.done;
  assert.equal(ended.code, 0, told(ended));
  assert.match(ended.stdout, /^a removed\nb removed$/m);
  assert.equal(await box.states(), "mine=stopped");

  const second = box.start(["up", "a", "--rm", "--egress", "off", "--json"]);
  await second.printed(/"event":"up"/);
  await box.ok("stop", "a");
  assert.deepEqual(JSON.parse((await second.done).stdout.trim().split("\n").at(-1)!), { event: "rm", removed: ["a"] });

  const third = box.start(["up", "a", "--rm", "--egress", "off"]);
  await third.printed(/removed when this command ends/);
  const holder = box.process("holder");
  third.kill("SIGKILL");
  await until("its holder has ended", () => !box.processes().some(({ pid }) => pid === holder.pid));
  assert.equal(await box.states(), "mine=stopped");
});

test("up --rm leaves a member alone that another command has made again under its name", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const command = box.start(["up", "a", "b", "--rm", "--egress", "off"]);
  await command.printed(/removed when this command ends/);
  await box.ok("rm", "a");
  await box.up("a");
  await box.ok("stop", "a");
  command.kill("SIGINT");
  const ended = await command.done;
  assert.equal(ended.code, 0, told(ended));
  assert.match(ended.stderr, /^a stays: it was removed, and made again by another command$/m, told(ended));
  assert.match(ended.stdout, /^b removed$/m, told(ended));
  assert.equal(await box.states(), "a=stopped");
});

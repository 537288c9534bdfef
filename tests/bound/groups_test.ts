/** Bound and detached groups in one store: neither touches the other's members. */

import * as assert from "#assert";
import { isAlive } from "../../src/system/process.ts";
import { kill, until } from "../support/processes.ts";
import { sandbox, test, told } from "../support/sandbox.ts";
import { Client as Connection } from "../support/socket.ts";
import { Client, untilNothing } from "./bound.ts";

test("up and join of a bound group's members are refused; ls shows that they are bound; the group goes on", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await using client = new Client(box, { names: ["t1", "t2"], then: ["up"] });
  await client.said(/^up$/m);
  const before = box.machines();
  const refusal = [/"t1" belongs to a running program/, /FLEETBOX_HOME|another name/];
  await box.fails(1, refusal, "up", "t1");
  await box.fails(1, refusal, "up", "t1,new");
  await box.fails(1, refusal, "join", "new", "--via", "t1");
  assert.deepEqual(box.machines(), before);
  assert.deepEqual(box.stored(), ["t1", "t2"]);
  const ls = await box.ls();
  assert.deepEqual([ls.t1.state, ls.t1.bound, ls.t2.bound], ["running", true, true]);
  assert.match((await box.ok("ls")).stdout, /^t1 .*t1 \(bound\)/m);
});

test("stop --all and rm --all leave bound groups alone, and say so; a member given by name is stopped", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await using client = new Client(box, { names: ["t1", "t2"], then: ["up"] });
  await client.said(/^up$/m);
  await box.up("mine");
  const stop = await box.ok("stop", "--all", "--force");
  assert.match(stop.stderr, /skipped: a running program owns t1, t2/, told(stop));
  assert.equal(await box.states(), "mine=stopped t1=running t2=running");
  const rm = await box.ok("rm", "--all", "-f");
  assert.match(rm.stderr, /skipped: a running program owns t1, t2/, told(rm));
  assert.equal(await box.states(), "t1=running t2=running");
  assert.ok(isAlive(client.identity));
  await box.ok("stop", "t1", "--force");
  assert.equal(await box.states(), "t1=stopped t2=running");
});

test("a bound start of a member that runs detached is refused, and the member runs on", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a,b");
  const before = box.machines();
  await using client = new Client(box, { names: ["z", "a"], then: ["up"] });
  assert.equal((await client.ended).code, 1);
  assert.match(client.words, /"a" is already served by another holder/);
  assert.deepEqual(box.machines(), before);
  assert.deepEqual(box.stored(), ["a", "b"]);

  // With its holder killed, the machine runs on. It cannot become bound.
  await box.killHolder("a");
  await using again = new Client(box, { names: ["a"], then: ["up"] });
  assert.equal((await again.ended).code, 1);
  assert.match(again.words, /Cannot start "a" bound to this program/);
  assert.deepEqual(box.machines(), before);
  await box.up("a");
  assert.deepEqual(box.machines(), before);
  await box.ok("stop", "--all", "--force");
});

test("two bound groups and a detached one: the end of one client ends one group", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("mine");
  await using one = new Client(box, { names: ["t1"], then: ["up"] });
  await using two = new Client(box, { names: ["t2"], then: ["up"] });
  await Promise.all([one.said(/^up$/m), two.said(/^up$/m)]);
  one.kill();
  await until("t1 is gone", () => box.processes("machine").every(({ name }) => name !== "t1"));
  await until("its holder is gone", () => box.processes("holder").length === 2);
  assert.equal(await box.states(), "mine=running t1=stopped t2=running");
  two.kill();
  await until("t2's holder is gone", () => box.processes("holder").length === 1);
  assert.equal(await box.states(), "mine=running t1=stopped t2=stopped");
  await box.ok("stop", "--force", "mine");
});

test("a member that a bound client left stopped can be brought up by up, and a stopped member of up can be bound", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await using client = new Client(box, { names: ["a"], then: ["up", "close", "leave"] });
  await client.ended;
  await box.up("a");
  await box.ok("stop", "a", "--force");
  await using again = new Client(box, { names: ["a"], then: ["up"] });
  await again.said(/^up$/m);
});

test("a client that inherits another client's variables binds to itself, and what it starts detached is not bound", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const env = {
    FLEETBOX_PARENT_PID: "1",
    FLEETBOX_OPTS: '{"image":"no-such-image","cpus":250}',
  };
  await using client = new Client(box, { names: ["t"], then: ["up"] }, { env });
  await client.said(/^up$/m);
  assert.equal(box.store.config("t")?.image, "micro");

  // A command that the test program runs with its own environment, which has the variables for its holder.
  const nested = { FLEETBOX_PARENT_PID: String(client.pid), FLEETBOX_OPTS: '{"cpus":250}' };
  const up = await box.start(["up", "mine", "--egress", "off"], { env: nested }).done;
  assert.equal(up.code, 0, told(up));
  client.kill();
  await client.ended;
  await until("the bound one is gone", () => box.processes("holder").length === 1);
  // A time is the subject: for longer than a parent is looked at, nothing may happen to the detached one.
  await new Promise((passed) => setTimeout(passed, 1_200));
  assert.equal(await box.states(), "mine=running t=stopped");
  await box.ok("stop", "mine", "--force");
  await untilNothing(box);
});

test("a retried or probing connection to the control socket changes nothing", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await using client = new Client(box, { names: ["a"], then: ["up"] });
  await client.said(/^up$/m);
  const path = box.store.controlSocket("a");
  for (const words of [[], ["bind"], ["bind", "ac"], ["hello"], ["x".repeat(70_000)]]) {
    using conn = await Connection.connect(path);
    for (const word of words) {
      await conn.send(word).catch(() => {}); // it may have hung up
      if (word === "bind") await conn.readOnce();
    }
  }
  // The holder has heard, and sent away, one more: it has seen what those before did.
  using last = await Connection.connect(path);
  await last.send("hello\n");
  assert.equal(await last.rest(), "");
  assert.equal(await box.states(), "a=running");
  const holder = box.process("holder");
  await kill(box.process("machine", "a")); // and the group serves on
  await until("a is in error", async () => (await box.status("a"))?.state === "error");
  assert.ok(isAlive(holder));
});

/** Machines that do not come up, or do not stay up: what is reported, what is left, and that the others go on. */

import * as assert from "#assert";
import { isAlive } from "../../src/system/process.ts";
import { exists } from "../../src/system/files.ts";
import { kill, until } from "../support/processes.ts";
import { bannerOf, Client, talkJson } from "../support/socket.ts";
import { sandbox, test, told } from "../support/sandbox.ts";

test("a QEMU that dies at its start: its own message is in ours, and nothing is left", async () => {
  await using box = await sandbox({ fakeQemu: { a: { start: "die", message: "no luck with this CPU", code: 3 } } });
  const up = await box.fails(
    1,
    /Cannot boot "a": QEMU of "a" ended with code 3 at its start: no luck with this CPU/,
    "up",
    "a",
  );
  assert.match(up.stdout, /^a: failed/m);
  await box.empty();
  assert.deepEqual(box.stored(), []);
  assert.ok(!exists(box.store.member("a").dir));
});

test("a gateway that dies at its start: its own message is in ours, and nothing is left", async () => {
  await using box = await sandbox({ fakeQemu: { gateway: { start: "die", message: "no user network today" } } });
  await box.fails(1, /no user network today/, "up", "a,b");
  await box.empty();
  assert.deepEqual(box.stored(), []);
});

test("a QEMU that never answers does not keep up beyond its limit", async () => {
  await using box = await sandbox({ fakeQemu: { a: { start: "hang" } } });
  await box.fails(4, /"a" did not .*: it came as far as boot, and no further within 8 s/, "up", "a", "--timeout", "8s");
  await box.empty();
  assert.deepEqual(box.stored(), []);
});

test("a gateway that never answers does not keep up beyond its limit", async () => {
  await using box = await sandbox({ fakeQemu: { gateway: { start: "hang" } } });
  await box.fails(4, /"\w" did not .*within 1 s/, "up", "a,b", "--timeout", "1s");
  await box.empty();
});

test("a QEMU that never answers can be stopped", async () => {
  await using box = await sandbox({ fakeQemu: { a: { start: "hang" } } });
  const { stdout } = await box.ok("up", "a", "--no-wait", "--egress", "off", "--json");
  assert.equal(JSON.parse(stdout.trimEnd().split("\n").at(-1)!).members[0].state, "starting");
  await until("its machine is there", () => box.processes("machine").length === 1);
  await box.ok("stop", "--force", "a");
  await box.empty();
});

test("a guest that never answers: the last lines of its console are in the error, and nothing is left running", async () => {
  const console = [..."0123456789".split("").map((digit) => `early line ${digit}`), "\x1b[31mpanic:\x1b[0m no init"];
  await using box = await sandbox({ fakeQemu: { a: { boot: "never", console } } });
  const up = await box.fails(
    4,
    [
      /"a" did not answer on its SSH port: it came as far as (boot|kernel), and no further within 5 s/,
      /early line 9\s+panic: no init/,
    ],
    ...["up", "a", "--timeout", "5s", "--egress", "off"],
  );
  assert.match(up.stderr, /try: Give it longer with --timeout/);
  await box.empty();
  assert.deepEqual(box.stored(), []);
});

test("a boot ends as soon as the firmware says that there is nothing to boot", async () => {
  const console = ["SeaBIOS (version 1.16.2)", "Booting from Hard Disk...", "No bootable device."];
  await using box = await sandbox({ fakeQemu: { a: { boot: "never", console } } });
  // The limit of the command itself is shorter than that of the boot: waiting for the latter would fail the test.
  await box.fails(
    1,
    [/Cannot boot "a": The image micro does not boot: its firmware found nothing to boot/, /try: .*--firmware uefi/],
    ...["up", "a", "--timeout", "60m", "--egress", "off"],
  );
  await box.empty();
  assert.deepEqual(box.stored(), []);
});

test("the error for a guest whose SSH server never answers names the stage that it reached", async () => {
  await using box = await sandbox({ fakeQemu: { a: { ssh: "never" } } });
  await box.fails(4, /it came as far as ssh, and no further within 8 s/, "up", "a", "--timeout", "8");
  await box.empty();
});

test("a member that existed keeps its disk when it does not come up again", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  await box.ok("stop", "a");
  const { disk } = box.store.member("a");
  const before = Deno.statSync(disk).ino;
  box.behave({ a: { boot: "never" } });
  await box.fails(4, /did not answer/, "up", "a", "--timeout", "1s");
  await box.empty();
  assert.equal(Deno.statSync(disk).ino, before);
  box.behave({ a: { start: "die" } });
  await box.fails(1, /it was told to die/, "up", "a", "new");
  await box.empty();
  assert.deepEqual(box.stored(), ["a"]);
  box.behave({});
  await box.up("a");
});

test("a first boot is all or nothing: when b fails, a and c are taken down, and only what was created is removed", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("c");
  await box.ok("stop", "c");
  box.behave({ b: { start: "die", startMs: 500, message: "b has no luck" }, a: { bootMs: 5 }, c: { bootMs: 5 } });
  await box.fails(1, [/Cannot boot "b": .*b has no luck/, /^failed: taking a, b, c down again$/m], "up", "a,b,c");
  await box.empty();
  assert.deepEqual(box.stored(), ["c"]);
  assert.equal(await box.states(), "c=stopped");
  assert.deepEqual(box.debris(), []);
});

test("the client learns why a first boot failed although another client watched before it asked", async () => {
  await using box = await sandbox({ fakeQemu: { a: { start: "die", message: "no luck" } } });
  const holder = box.start(["--fleetbox-runner", "a"]);
  await holder.printed(/a: did not come up/);
  const socket = box.store.memberSocket("a");
  using watcher = await Client.connect(socket);
  await watcher.send('{"op":"watch"}\n');
  assert.match(await watcher.readOnce(), /"state":"error"/);
  assert.match((await box.ok("ls")).stdout, /^a +error[^]*no luck/m);
  const [report] = await talkJson(socket, { op: "report" });
  assert.deepEqual([report.state, report.leaving], ["error", true]);
  assert.match(report.failure.message, /no luck/);
  assert.match(await watcher.rest(), /"event":"gone"/);
  assert.equal((await holder.done).code, 0);
  assert.deepEqual(box.stored(), []);
});

test("a machine that dies while others of its first boot still boot fails that boot at once", async () => {
  await using box = await sandbox({
    fakeQemu: { a: { onSignal: "die", message: "bad luck" }, b: { bootMs: 600_000 } },
  });
  const up = box.start(["up", "a,b", "--egress", "off"]);
  await up.printed(/^a: running/m);
  box.accident("a");
  const result = await up.done;
  assert.equal(result.code, 1, told(result));
  assert.match(result.stderr, /The machine of "a" ended: QEMU ended with code 134: bad luck/);
  await box.empty();
  assert.deepEqual(box.stored(), []);
});

test("up --no-wait whose boot fails keeps what it made, and its log says why", async () => {
  await using box = await sandbox({ fakeQemu: { a: { start: "die", message: "no luck" } } });
  await box.up("a", "--no-wait");
  await until("the machine has died", async () => await box.states() === "a=error");
  // No client asks for the reason: the holder keeps it for 30 s.
  await until("its holder has left", () => box.processes().length === 0, 120_000);
  assert.equal(await box.states(), "a=stopped");
  assert.match((await box.ok("logs", "a", "--holder")).stdout, /did not come up: .*no luck/);
});

test("a join that fails leaves the group as it was, and removes what it made", async () => {
  await using box = await sandbox({ fakeQemu: { d: { start: "die", message: "d has no luck" } } });
  await box.up("a,b");
  const before = box.machines();
  await box.fails(1, /Cannot boot "d": .*d has no luck/, "join", "d", "--via", "a");
  await box.fails(1, /Cannot boot "d": .*d has no luck/, "up", "a,d");
  assert.deepEqual(box.machines(), before);
  assert.equal(await box.states(), "a=running b=running");
  assert.deepEqual(box.record().members, ["a", "b"]);
  box.behave({});
  await box.ok("join", "d", "--via", "a");
  assert.equal((await box.status("d"))?.ip, "10.88.0.13");
});

test("up a,d,e in a's group, where d fails, takes e down again and leaves a alone", async () => {
  await using box = await sandbox({ fakeQemu: { d: { start: "die", startMs: 300 }, e: { bootMs: 5 } } });
  await box.up("a");
  const before = box.machines();
  await box.fails(1, [/Cannot boot "d"/, /^failed: taking e down again$/m], "up", "a,d,e");
  assert.deepEqual(box.machines(), before);
  assert.equal(await box.states(), "a=running");
  assert.deepEqual(box.stored(), ["a"]);
});

test("a machine that crashes: its member is in error with the cause, the others go on, up brings it back", async () => {
  await using box = await sandbox({ fakeQemu: { a: { onSignal: "die", message: "Assertion `lucky' failed." } } });
  await box.up("a,b");
  box.accident("a");
  const b = box.process("machine", "b");
  const { error } = await until("a is in error", async () => {
    const status = await box.status("a");
    return status?.state === "error" ? status : undefined;
  });
  assert.match(error!, /QEMU ended with code 134: Assertion `lucky' failed\./);
  const ls = await box.ok("ls");
  assert.match(ls.stdout, /^a +error/m);
  assert.match(ls.stdout, /a: .*Assertion `lucky' failed\.[^]*fleetbox up a/);
  await box.fails(1, /Cannot reach "a": it failed/, "ssh", "a");
  box.behave({});
  const up = await box.up("a");
  assert.match(up.stdout, /^a: running/m, told(up));
  assert.equal(await box.states(), "a=running b=running");
  assert.ok(isAlive(b));
  assert.equal((await box.status("a"))!.ip, "10.88.0.11");
});

test("a machine that crashes while it boots ends the wait at once, with the cause", async () => {
  await using box = await sandbox({ fakeQemu: { a: { bootMs: 600_000, dieAfterMs: 400, message: "out of luck" } } });
  await box.fails(1, /Cannot boot "a": .*QEMU ended with code 134: out of luck/, "up", "a");
  await box.empty();
});

test("a guest whose kernel panics is in error, with the console's last lines; stop clears the error", async () => {
  await using box = await sandbox({ fakeQemu: { a: { onSignal: "panic" } } });
  await box.up("a");
  box.accident("a");
  await until("a is in error", async () => (await box.status("a"))?.state === "error");
  const status = await box.ok("status", "a", "--json");
  const { failure } = JSON.parse(status.stdout);
  assert.match(failure.message, /The guest's kernel panicked/);
  assert.match(failure.causes.join(), /Kernel panic - not syncing/);
  await box.ok("stop", "a");
  await box.empty();
  assert.equal(await box.states(), "a=stopped");
});

test("a gateway that is killed is started again, and members keep their SSH ports", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  const before = (await box.status("a"))!.ssh!.port;
  const old = box.process("gateway");
  Deno.kill(old.pid, "SIGKILL");
  await until("there is another gateway", () => box.processes("gateway").some(({ pid }) => pid !== old.pid));
  assert.equal((await box.status("a"))!.ssh!.port, before);
  const banner = await until("the port answers", () => bannerOf(before).catch(() => undefined));
  assert.match(banner, /^SSH-2\.0-/);
  await box.ok("join", "b", "--via", "a");
});

test("a gateway that dies soon after each start is not restarted in a hot loop: status and the log say so, and a join tries at once", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  const { ssh } = (await box.status("a"))!;
  box.behave({ gateway: { dieAfterMs: 20, message: "no user network today" } });
  await kill(box.process("gateway"));
  const log = await until("it has been tried a few times", () => {
    const log = box.holderLog("a");
    return /starting it again in 2 s$/m.test(log) ? log : undefined;
  });
  assert.deepEqual(
    log.match(/starting it again.*$/gm),
    ["starting it again", "starting it again in 0.5 s", "starting it again in 1 s", "starting it again in 2 s"],
  );
  const told = /^gateway +ended [456] times in a row soon after its start, .*; the last time: .*no user network today/m;
  assert.match((await box.ok("status", "a")).stdout, told);
  assert.match(JSON.parse((await box.ok("status", "a", "--json")).stdout).gateway_trouble, /^ended /);

  box.behave({});
  await box.ok("join", "b", "--via", "a");
  assert.equal(box.processes("gateway").length, 1);
  assert.deepEqual((await box.status("a"))!.ssh, ssh);
});

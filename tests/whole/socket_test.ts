/** The protocol on a member's socket, byte for byte; and clients that break it. */

import * as assert from "#assert";
import { exists } from "../../src/system/files.ts";
import { until, within } from "../support/processes.ts";
import { type Sandbox, sandbox, test } from "../support/sandbox.ts";
import { SILENCE_MS } from "../../src/wire.ts";
import { Client, handled, talk, talkJson } from "../support/socket.ts";

const bytes = (text: string) => new TextEncoder().encode(text).length;

test("status is one JSON object of at most 1,000 bytes in one read, however the request ends", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  const socket = box.store.memberSocket("a");
  const requests: [string, { half?: boolean }][] = [
    ["status\n", {}],
    ["status", {}],
    ["status", { half: true }],
    ["status\n", { half: true }],
    ["status\r\n", {}],
    ["status\nmore that nobody asked for\n", {}],
  ];
  for (const [request, options] of requests) {
    using client = await Client.connect(socket);
    await client.send(request);
    if (options.half) await client.conn.closeWrite();
    const reply = await client.readOnce();
    assert.equal(await client.rest(), "", "the reply came in more than one piece, or the connection stayed open");
    const status = JSON.parse(reply);
    assert.deepEqual(Object.keys(status).slice(0, 5), ["name", "pid", "running", "ip", "state"]);
    assert.deepEqual([status.name, status.running, status.ip, status.state], ["a", true, "10.88.0.11", "running"]);
    assert.equal(status.pid, box.process("holder").pid);
    assert.ok(!("error" in status));
    assert.ok(!reply.includes("\n"));
    assert.ok(bytes(reply) <= 1_000);
  }
});

test("status in pieces: a complete request is answered at once, an incomplete one after a pause", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  const socket = box.store.memberSocket("a");
  assert.equal(await inPieces(socket, ["sta", "tus"], (reply) => JSON.parse(reply).name), "a");
  assert.equal(await talk(socket, "stat"), 'err: unknown command "stat"');
});

/** What is made of the reply to a request whose pieces a holder waits for: once this process did not stand still between them. */
async function inPieces<T>(socket: string, pieces: string[], make: (reply: string) => T): Promise<T> {
  for (let tries = 1;; tries++) {
    using client = await Client.connect(socket);
    const began = performance.now();
    try {
      for (const piece of pieces) await client.send(piece);
      return make(await client.rest());
    } catch (thrown) {
      if (performance.now() - began < SILENCE_MS || tries === 10) throw thrown;
    }
  }
}

test("the status of a member with a huge error fits in 1,000 bytes and is still JSON", async () => {
  const message = '"\\é€\u{1f525}'.repeat(400);
  await using box = await sandbox({ fakeQemu: { a: { onSignal: "die", message, console: ["x".repeat(5_000)] } } });
  await box.up("a,b");
  box.accident("a");
  const socket = box.store.memberSocket("a");
  const reply = await until("a is in error", async () => {
    const reply = await talk(socket, "status");
    return JSON.parse(reply).state === "error" ? reply : undefined;
  });
  assert.ok(bytes(reply) <= 1_000, `${bytes(reply)}`);
  const { running, ip, error } = JSON.parse(reply);
  assert.deepEqual([running, ip], [false, ""]);
  assert.match(error, /^The machine of "a" ended: QEMU ended with code 134/);
});

test("anything else is answered with err: unknown command, quoted and on one line", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  const socket = box.store.memberSocket("a");
  assert.equal(await talk(socket, "bind\n"), 'err: unknown command "bind"');
  assert.equal(await talk(socket, "bind"), 'err: unknown command "bind"');
  assert.equal(await talk(socket, "\n"), 'err: unknown command ""');
  assert.equal(await talk(socket, "STATUS\n"), 'err: unknown command "STATUS"');
  assert.equal(await talk(socket, "status now\n"), 'err: unknown command "status now"');
  assert.equal(await talk(socket, 'say "hi"\t\n'), 'err: unknown command "say \\"hi\\""');
  const long = await talk(socket, `${"x".repeat(60_000)}\n`);
  assert.match(long, /^err: unknown command "x+…"$/);
  assert.ok(bytes(long) < 250);
});

test("garbage is answered or its connection closed, and the holder goes on", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  const socket = box.store.memberSocket("a");
  for (let round = 0; round < 50; round++) {
    const garbage = crypto.getRandomValues(new Uint8Array(1 + round * 37));
    const reply = await talk(socket, garbage, { half: round % 2 === 0 });
    assert.match(reply, /^(err: |\{)/, `${round}`);
  }
  for (const nothing of ["", "\0", "\0\n", "{", "{}", "{\n", "[]\n", "\xff\xfe\n"]) {
    await talk(socket, nothing, { half: true });
  }
  assert.equal((await box.status("a"))?.state, "running");
});

test("10 MB without a newline are refused, and other clients are not affected", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  const socket = box.store.memberSocket("a");
  const before = await residentMiB(box);
  const clients = handled(Promise.all(Array.from({ length: 8 }, async () => {
    using client = await Client.connect(socket);
    const sending = client.send(new Uint8Array(10 * 1024 * 1024).fill(120)).catch(() => "cut off");
    const reply = await client.rest();
    assert.equal(reply, "err: the request is longer than 65536 bytes");
    assert.equal(await sending, "cut off");
  })));
  assert.equal((await box.status("a"))?.state, "running");
  await clients;
  assert.ok(await residentMiB(box) - before < 40, "the holder keeps what it refused");
});

test("stop is answered with ok at once, then the machine goes down and its socket and pidfile disappear", async () => {
  await using box = await sandbox({ fakeQemu: { a: { powerdownMs: 3_000 } } });
  await box.up("a,b");
  const { socket, pid } = box.store.member("a");
  assert.equal(Deno.readTextFileSync(pid), String(box.process("holder").pid), "digits only");
  assert.equal(await talk(socket, "stop"), "ok");
  const during = JSON.parse(await talk(socket, "status"));
  assert.deepEqual([during.state, during.running, during.stage], ["running", true, "stopping"]);
  assert.equal(await talk(socket, "stop\n"), "ok", "a second stop waits with the first");
  await until("the socket is gone", () => !exists(socket));
  assert.ok(!exists(pid));
  assert.deepEqual(box.machines().map((machine) => machine.split(":")[0]), ["b"]);
});

test("addmember is answered when the member is up: ok, or err with the reason, within 250 bytes", async () => {
  const message = "no luck, é€ ".repeat(60);
  await using box = await sandbox({ fakeQemu: { c: { start: "die", message } } });
  await box.up("a");
  const socket = box.store.memberSocket("a");
  assert.equal(await talk(socket, "addmember b\n"), "ok");
  assert.equal((await box.status("b"))?.state, "running");
  assert.equal(await talk(socket, "addmember b"), "ok", "one that runs here already");
  assert.equal(await talk(socket, "addmember a", { half: true }), "ok");
  const refusal = await talk(socket, "addmember c");
  assert.match(refusal, /^err: Cannot boot "c": QEMU of "c" ended with code 1 at its start: no luck/);
  assert.ok(bytes(refusal) <= 250, `${bytes(refusal)}`);
  assert.ok(!refusal.includes("\n"));
  await box.up("z");
  assert.match(await talk(socket, "addmember z"), /^err: "z" is already served by another holder/);
  assert.equal(await box.states(), "a=running b=running z=running");
});

test("JSON requests: replies are one object a line, and errors have a code, a message and causes", async () => {
  await using box = await sandbox({ fakeQemu: { c: { start: "die", message: "no luck" } } });
  await box.up("a");
  const socket = box.store.memberSocket("a");

  const [report] = await talkJson(socket, { op: "report" });
  assert.equal(report.memory_mb, 256);
  assert.equal(report.hypervisor_pid, box.process("machine", "a").pid);
  assert.ok(report.network.rx_frames > 0);
  const [group] = await talkJson(socket, { op: "group" });
  assert.deepEqual([group.group, group.protocol, group.bound, group.egress], ["a", 1, false, "off"]);
  assert.deepEqual(group.members.map(({ name }: { name: string }) => name), ["a"]);

  const added = await talkJson(socket, { op: "add", name: "b" });
  assert.deepEqual(added.at(-1), { event: "done" });
  assert.ok(added.some(({ event, member }) => event === "member" && member.name === "b" && member.state === "running"));
  const [error] = (await talkJson(socket, { op: "add", name: "c" })).slice(-1);
  assert.deepEqual([error.event, error.code], ["error", "failed"]);
  assert.match(error.message, /Cannot boot "c": .*no luck/);
  assert.ok(Array.isArray(error.causes));
  assert.deepEqual(await talkJson(socket, { op: "add", name: "d", wait: false }), [{ event: "done" }]);
  assert.deepEqual(await talkJson(box.store.memberSocket("b"), { op: "stop", force: true }), [{ event: "done" }]);

  const wrong: [string, string, RegExp][] = [
    [
      '{"op":"fly"}',
      "protocol",
      /^unknown op "fly"; expected one of report, reach, change, .*, fault, faults, heal, clock, console, capture, .*, forward, unforward$/,
    ],
    ["{}", "protocol", /^unknown op/],
    ['{"op":"add"}', "protocol", /^add needs a name$/],
    ['{"op":"add","name":7}', "protocol", /^bad value for name: expected string$/],
    ['{"op":"stop","force":"yes"}', "protocol", /^bad value for force/],
    ['{"op":"add","name":"e","options":{"cpus":0}}', "misuse", /^Bad value for cpus/],
    ['{"op":"add","name":"e","options":{"nonsense":0}}', "misuse", /^Unknown option "nonsense"/],
    ['{"op":"add","name":"e","options":{"must":["nonsense"]}}', "misuse", /^Unknown ability "nonsense"/],
    ["{nonsense}\n", "protocol", /^the request is not JSON/],
  ];
  for (const [request, code, message] of wrong) {
    const reply = await talk(socket, request, { half: true });
    assert.ok(reply.endsWith("\n"), request);
    const error = JSON.parse(reply);
    assert.equal(error.code, code, request);
    assert.match(error.message, message, request);
    assert.ok(Array.isArray(error.causes), request);
    assert.equal(error.unknown_option, request.includes('nonsense"') && code === "misuse" ? "nonsense" : undefined);
  }
});

test("a JSON request may come in pieces, with pauses, and without a newline", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  using client = await Client.connect(box.store.memberSocket("a"));
  for (const piece of ['{"op":', ' "report"', "}"]) {
    await client.send(piece);
    // The holder has read it when it answers another client that came later.
    await talk(box.store.memberSocket("a"), "status");
  }
  assert.equal(JSON.parse(await client.rest()).name, "a");
});

test("watch reports the present state, then every change, until the group ends", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  const events = handled(talkJson(box.store.memberSocket("a"), { op: "watch" }));
  await box.ok("join", "b", "--via", "a");
  await box.ok("stop", "a");
  await box.ok("stop", "b");
  const told = (await events).map((event) =>
    event.event === "member" ? `${event.member.name} ${event.member.state}` : `${event.name} ${event.event}`
  );
  const changes = [...new Set(told)];
  assert.equal(changes[0], "a running");
  const order = ["b starting", "b running", "a stopped", "a gone", "b stopped", "b gone"];
  assert.deepEqual(changes.filter((line) => order.includes(line)), order);
});

test("clients that send nothing, or never finish, are closed after ten seconds; others are served meanwhile", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  const socket = box.store.memberSocket("a");
  let closed = 0;
  const untilClosed = async (work: (client: Client) => Promise<void>) => {
    using client = await Client.connect(socket);
    await work(client);
    assert.match(await client.rest(), /^(err: the request was not finished within 10 s)?$/);
    closed++;
  };
  const drip = async (client: Client, text: string) => {
    for (const character of text) {
      await client.send(character);
      await new Promise((later) => setTimeout(later, 100));
    }
  };
  const slow = handled(Promise.all([
    untilClosed(async () => {}),
    untilClosed((client) => client.send('{"op": "report"')),
    untilClosed((client) => drip(client, `{"op": "${"x".repeat(300)}`).catch(() => {})),
  ]));
  for (let round = 0; round < 20; round++) {
    assert.equal(JSON.parse(await talk(socket, "status")).state, "running");
    if (round === 0) assert.equal(closed, 0, "one was closed before another client was served");
  }
  await within(slow, 60_000, () => `closed within a minute: ${closed} of 3`);
});

test("a thousand connections at once are served, and status answers others meanwhile", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a,b");
  const socket = box.store.memberSocket("a");
  // Half of them ask, half of them only hold their connection.
  const idle = handled(Promise.all(Array.from({ length: 500 }, () => Client.connect(socket))));
  const asking = handled(Promise.all(Array.from({ length: 500 }, () => talk(socket, "status\n"))));
  const other = await talk(box.store.memberSocket("b"), "status");
  assert.equal(JSON.parse(other).name, "b");
  for (const reply of await asking) assert.equal(JSON.parse(reply).state, "running");
  for (const client of await idle) client[Symbol.dispose]();
  assert.equal(await box.states(), "a=running b=running");
  const { pid } = box.process("holder");
  await until("the holder has let go of them", () => [...Deno.readDirSync(`/proc/${pid}/fd`)].length < 100);
});

test("clients that disconnect in the middle of a reply, or of an add, do not affect others", async () => {
  await using box = await sandbox({ fakeQemu: { b: { bootMs: 600 } } });
  await box.up("a");
  const socket = box.store.memberSocket("a");
  for (let round = 0; round < 30; round++) {
    using client = await Client.connect(socket);
    await client.send(round % 3 === 0 ? "status\n" : round % 3 === 1 ? '{"op":"watch"}\n' : '{"op":"group"}\n');
  }
  using adding = await Client.connect(socket);
  await adding.send("addmember b\n");
  await until("b boots", async () => (await box.status("b"))?.state === "starting");
  adding[Symbol.dispose]();
  await until("b runs all the same", async () => (await box.status("b"))?.state === "running");
  assert.equal(await box.states(), "a=running b=running");
});

test("a watcher that never reads is dropped, and others get every event", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  using deaf = await Client.connect(box.store.memberSocket("a"));
  await deaf.send('{"op":"watch"}\n');
  await box.ok("join", "b", "--via", "a");
  await box.ok("stop", "b");
  await box.ok("stop", "a");
  await box.empty();
});

test("every command treats a member with a dead socket as not running", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  await box.killAll();
  assert.ok(exists(box.store.memberSocket("a")));
  await box.fails(1, /"a" is not running/, "wait", "a");
  await box.fails(1, /Cannot reach "a": it is not running/, "ssh", "a");
  assert.match((await box.ok("stop", "a")).stdout, /a is not running/);
  await box.ok("rm", "-f", "a");
  await box.up("b");
  await box.ok("rm", "-f", "b");
  await box.empty();
});

async function residentMiB(box: Sandbox): Promise<number> {
  const status = await Deno.readTextFile(`/proc/${box.process("holder").pid}/status`);
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)![1]) / 1024;
}

/** Port forwards: kept, listed and refused, across stops, crashes and new gateways. */

import * as assert from "#assert";
import { createSocket } from "node:dgram";
import { kill, signal, until } from "../support/processes.ts";
import { type Sandbox, sandbox, test } from "../support/sandbox.ts";
import { bannerOf, talkJson } from "../support/socket.ts";

/** What answers on a port of the host: the fake QEMU says where it leads. "" when nothing listens. */
async function ask(port: number): Promise<string> {
  try {
    return (await bannerOf(port)).trim();
  } catch {
    return "";
  }
}

/** Free ports of the host, below the range from which the system chooses ports. */
function unused(count: number): number[] {
  const found = new Set<number>();
  while (found.size < count) {
    const port = 10_000 + Math.floor(Math.random() * 10_000);
    try {
      Deno.listen({ hostname: "127.0.0.1", port }).close();
      found.add(port);
    } catch { /* somebody has it */ }
  }
  return [...found];
}

// deno-lint-ignore no-explicit-any
async function forwards(box: Sandbox, name: string): Promise<any[]> {
  return JSON.parse((await box.ok("forward", name, "--json")).stdout).forwards;
}

test("a forward works at once, is listed everywhere, and is kept over stop, up and a new group", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const [one, two] = unused(2);
  await box.up("a,b");
  assert.equal((await box.ok("forward", "b", `${one}:80`)).stdout, `127.0.0.1:${one} leads to port 80\n`);
  assert.equal(await ask(one), "port 80 of 10.88.0.12");
  assert.match(
    (await box.ok("status", "b")).stdout,
    new RegExp(`^forwards +127\\.0\\.0\\.1:${one} leads to port 80$`, "m"),
  );
  const open = { host_port: one, guest_port: 80, open: true };
  assert.deepEqual((await box.ls()).b.forwards, [open]);
  assert.deepEqual(JSON.parse((await box.ok("status", "b", "--json")).stdout).forwards, [open]);
  assert.equal((await box.ls()).a.forwards, undefined);
  assert.deepEqual(await forwards(box, "a"), []);

  const any = JSON.parse((await box.ok("forward", "b", "443", "--json")).stdout).added[0];
  assert.equal(await ask(any.host_port), "port 443 of 10.88.0.12");
  assert.deepEqual(
    JSON.parse((await box.ok("forward", "b", "443", "--json")).stdout).added,
    [any],
    "again is the same",
  );

  await box.ok("stop", "b");
  assert.equal(await ask(one), "");
  assert.deepEqual((await forwards(box, "b"))[0], { ...open, open: false });
  assert.match((await box.ok("forward", "b", `${two}:8080`)).stdout, /leads to port 8080 \(open when it runs\)/);
  await box.ok("stop", "a");
  // A group of its own: another address, the same ports.
  await box.up("b");
  assert.equal((await box.ls()).b.forwards.length, 3);
  assert.match(await ask(one), /^port 80 of /);
  assert.match(await ask(two), /^port 8080 of /);
  assert.match(await ask(any.host_port), /^port 443 of /);

  await box.ok("rm", "-f", "b");
  await box.up("c", "-p", `${one}:1`); // what was b's is free
});

test("--remove removes a forward of a running and of a stopped member; an unknown one is refused", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const [one, two] = unused(2);
  await box.up("a", "--publish", `${one}:80`, "-p", `${two}:80`, "-p", "22");
  assert.equal(await ask(one), "port 80 of 10.88.0.11");
  const { host_port } = (await forwards(box, "a")).find(({ guest_port }) => guest_port === 22);
  await box.fails(3, [/"a" has no forward 81/, new RegExp(`It has ${one}:80`)], "forward", "a", "81", "--remove");
  assert.equal((await box.ok("forward", "a", String(one), "--remove")).stdout, `${one}:80 removed\n`);
  assert.equal(await ask(one), "");
  assert.equal(await ask(two), "port 80 of 10.88.0.11");
  // A published port 22 is not the one that fleetbox itself uses.
  assert.equal(await ask(host_port), "SSH-2.0-standin");
  await box.ok("forward", "a", "22", "--remove");
  assert.equal(await ask(host_port), "");
  assert.equal(await ask((await box.report("a")).ssh!.port), "SSH-2.0-standin");
  await box.ok("stop", "a");
  await box.ok("forward", "a", `${two}:80`, "--remove");
  assert.deepEqual(await forwards(box, "a"), []);
  await box.fails(2, /expected the ports/, "forward", "a", "--remove");
  await box.fails(2, /HOST_PORT:GUEST_PORT/, "forward", "a", "http");
  await box.fails(3, /There is no member "nobody"/, "forward", "nobody", "80");
  await box.up("a");
  assert.equal((await box.ls()).a.forwards, undefined);
});

test("of several ports, those before one that is refused are told", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const [one, two] = unused(2);
  await box.up("a");
  const made = await box.fails(1, /already leads to port 80 of "a"/, "forward", "a", `${one}:80`, `${one}:81`);
  assert.equal(made.stdout, `127.0.0.1:${one} leads to port 80\n`);
  const ports = [`${one}:80`, `${two}:80`];
  const removed = await box.fails(3, /has no forward/, "forward", "a", ...ports, "--remove", "--json");
  assert.deepEqual(JSON.parse(removed.stdout), {
    name: "a",
    forwards: [],
    removed: [{ host_port: one, guest_port: 80 }],
  });
});

test("a port that is taken is refused with its owner: a member of another group, a stopped one, SSH's, a program", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const [one, two] = unused(2);
  await box.up("a", "-p", `${one}:80`);
  await box.up("b");
  await box.fails(
    1,
    new RegExp(`port ${one} of this host.*"b": it already leads to port 80 of "a"`),
    "forward",
    "b",
    `${one}:1`,
  );
  const up = ["up", "c", "--egress", "off", "-p"];
  await box.fails(1, /Cannot boot "c".*it already leads to port 80 of "a"/, ...up, `${one}:1`);
  await box.ok("stop", "a");
  await box.fails(1, /it already leads to port 80 of "a"/, ...up, `${one}:1`);
  await box.fails(1, /it leads to the SSH port of "b"/, ...up, `${(await box.report("b")).ssh!.port}:1`);
  const [, holder] = [0, Deno.listen({ hostname: "127.0.0.1", port: two })];
  const program = Deno.build.os === "linux"
    ? new RegExp(`deno listens on it \\(process ${Deno.pid}\\)`)
    : /listens on it/;
  await box.fails(1, program, "forward", "b", `${two}:1`);
  await box.fails(1, program, ...up, `${two}:1`);
  holder.close();
  assert.deepEqual(box.stored().sort(), ["a", "b"], "nothing is left of members whose boot failed");

  // Taken while its member was stopped: the boot names the program that has it, and the forward stays.
  const other = Deno.listen({ hostname: "127.0.0.1", port: one });
  await box.fails(1, program, "up", "a");
  other.close();
  await box.up("a");
  assert.equal(await ask(one), "port 80 of 10.88.0.11");
});

test("up -p gives each of several members a port of its own, also those that run or are stopped; members that join later get none", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const [one] = unused(1);
  await box.fails(2, /can lead to one member, found 2/, "up", "a,b", "-p", `${one}:80`);
  await box.fails(2, /each port of this host once/, "up", "a", "-p", `${one}:80`, "-p", `${one}:81`);
  const up = await box.up("a,b", "-p", "80");
  const ports = [(await box.ls()).a.forwards[0].host_port, (await box.ls()).b.forwards[0].host_port];
  assert.deepEqual(await Promise.all(ports.map(ask)), ["port 80 of 10.88.0.11", "port 80 of 10.88.0.12"]);
  assert.match(up.stdout, new RegExp(`^a +10\\.88\\.0\\.11.*\n +127\\.0\\.0\\.1:${ports[0]} leads to port 80$`, "m"));
  // One that joins does not inherit them; one that runs gets what is asked for now.
  await box.ok("join", "c", "--via", "a", "-p", `${one}:81`);
  assert.deepEqual((await box.ls()).c.forwards, [{ host_port: one, guest_port: 81, open: true }]);
  await box.up("a", "-p", "82");
  assert.deepEqual((await box.ls()).a.forwards.map(({ guest_port }: { guest_port: number }) => guest_port), [80, 82]);
  // A removed forward does not come back when its member fails and is started again.
  await box.ok("forward", "a", "80", "82", "--remove");
  await kill(box.process("machine", "a"));
  await until("a is in error", async () => (await box.status("a"))?.state === "error");
  await box.up("a");
  assert.equal((await box.ls()).a.forwards, undefined);
});

test("forwards outlive their gateway and their holder, and SSH's port stays what it was", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const [one, two] = unused(2);
  await box.up("a,b");
  await box.ok("forward", "a", `${one}:80`, "22");
  await box.ok("forward", "b", `${two}:81`);
  const ssh = (await box.report("a")).ssh!.port;
  const lead = () => Promise.all([ask(one), ask(two), ask(ssh)]);
  const wanted = ["port 80 of 10.88.0.11", "port 81 of 10.88.0.12", "SSH-2.0-standin"];
  assert.deepEqual(await lead(), wanted);

  const before = box.process("gateway");
  await kill(before);
  await until("another gateway leads there", async () => (await lead()).join() === wanted.join());
  assert.notEqual(box.process("gateway").pid, before.pid);
  assert.ok((await forwards(box, "a")).every(({ open }) => open));

  await box.killHolder("a");
  assert.deepEqual(await lead(), wanted.map(() => ""), "without a holder there is no network");
  // The command that asks adopts the group.
  assert.equal((await forwards(box, "a")).length, 2);
  await until("they lead there again", async () => (await lead()).join() === wanted.join());
  assert.equal((await box.report("a")).ssh!.port, ssh);

  // The gateway dies with the holder, and a program takes the port: the machines are adopted all the same.
  await box.killHolder("a");
  await kill(box.process("gateway"));
  const thief = Deno.listen({ hostname: "127.0.0.1", port: one });
  await box.up("a");
  assert.equal(await box.states(), "a=running b=running");
  const [lost] = await forwards(box, "a");
  assert.deepEqual([lost.host_port, lost.open], [one, false]);
  assert.match(lost.problem, /it is in use/);
  assert.match((await box.ok("status", "a")).stdout, /not open: .*it is in use/);
  thief.close();
  await box.ok("forward", "a", `${one}:80`);
  assert.deepEqual(await lead(), wanted);
});

/** What answers a datagram to a port of the host; "" when nothing does. Its socket is connected, so others' answers do not count. */
async function askByUdp(port: number, address = "127.0.0.1"): Promise<string> {
  const socket = createSocket("udp4");
  try {
    return await new Promise<string>((resolve) => {
      socket.once("error", () => resolve(""));
      socket.once("message", (text) => resolve(String(text)));
      setTimeout(() => resolve(""), 1_000).unref(); // a datagram that nobody takes may cause no event
      socket.connect(port, address, () => socket.send("?"));
    });
  } finally {
    await new Promise<void>((closed) => socket.close(closed));
  }
}

test("a forward that is removed while its machine or its gateway is being adopted is gone, also one to the SSH port", async () => {
  for (const kind of ["machine", "gateway"] as const) {
    await using box = await sandbox({ fakeQemu: {} });
    await box.up("a", "-p", "0:22", "-p", "0:80");
    const { ssh, forwards } = (await box.ls()).a;
    const slow = box.process(kind, kind === "machine" ? "a" : undefined);
    await box.killHolder("a");
    signal(slow, "SIGSTOP");
    const repair = box.start(["ls", "--repair"]);
    await until("a holder adopts it", async () => (await box.status("a"))?.stage === "adoption");
    await box.ok("forward", "a", "22", "80", "--remove");
    signal(slow, "SIGCONT");
    await repair.done;
    await until("it is adopted", async () => (await box.ls()).a.stage === undefined);
    for (const { host_port } of forwards) assert.equal(await ask(host_port), "", `${kind}: ${host_port}`);
    assert.deepEqual((await box.ls()).a.ssh, ssh);
  }
});

test("a UDP port and one of another address: open, listed, refused, kept over gateways and holders, removed", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const [one, two] = unused(2);
  const up = await box.up("a", "-p", `${one}:53/udp`, "-p", `127.0.0.2:${two}:80`);
  assert.match(
    up.stdout,
    new RegExp(`127\\.0\\.0\\.1:${one} leads to UDP port 53\n +127\\.0\\.0\\.2:${two} leads to port 80$`, "m"),
  );
  const lead = async () => [await askByUdp(one), (await bannerOf(two, "127.0.0.2")).trim(), await ask(two)];
  const wanted = ["UDP port 53 of 10.88.0.11", "port 80 of 10.88.0.11", ""];
  assert.deepEqual(await lead(), wanted);
  const [udp, other] = [
    { host_port: one, guest_port: 53, protocol: "udp", open: true },
    { host_port: two, guest_port: 80, address: "127.0.0.2", open: true },
  ];
  assert.deepEqual((await box.ls()).a.forwards, [udp, other]);
  assert.match((await box.ok("status", "a")).stdout, /leads to UDP port 53\n +127\.0\.0\.2:/);
  // A gateway that is closed for all would drop what guests answer by UDP.
  const restricts = () =>
    /restrict=(on|off)/.exec(Deno.readTextFileSync(`/proc/${box.process("gateway").pid}/cmdline`))?.[1];
  assert.equal(restricts(), "off");

  // The same number by TCP is another port; the same end is taken, whichever of its members asks.
  await box.ok("forward", "a", `${one}:81`);
  assert.equal(await ask(one), "port 81 of 10.88.0.11");
  await box.ok("join", "b", "--via", "a", "--egress", "off");
  await box.fails(
    1,
    /UDP port \d+ of this host.*it already leads to port 53 of "a"/,
    "forward",
    "b",
    `${one}:1`,
    "--udp",
  );
  await box.fails(1, /UDP port 53 of "a" has a forward already/, "forward", "a", "53/udp", "--address", "127.0.0.2");
  await box.fails(2, /IPv6 is not forwarded/, "forward", "a", "80", "--address", "::1");
  await box.fails(2, /contradicts --udp/, "forward", "a", "80/tcp", "--udp");
  await box.fails(2, /contradicts --address/, "forward", "a", "127.0.0.3:80:80", "--address", "127.0.0.2");
  await box.fails(2, /No ports for --udp/, "forward", "a", "--udp");

  const leads = async () => (await lead().catch(() => [])).join() === wanted.join();
  await kill(box.process("gateway"));
  await until("another gateway leads there", leads);
  await box.killHolder("a");
  await box.ok("forward", "a"); // adopts it, with its gateway
  await until("they lead there again", leads);
  assert.equal(restricts(), "off");

  assert.equal((await box.ok("forward", "a", "53", "--udp", "--remove")).stdout, `${one}:53/udp removed\n`);
  assert.equal(await askByUdp(one), "");
  await box.ok("stop", "a");
  await box.ok("forward", "a", `127.0.0.2:${two}:80`, "--remove");
  assert.deepEqual(await forwards(box, "a"), [{ host_port: one, guest_port: 81, open: false }]);
});

test("forward on the socket: what was made, what was taken away, and refusals in JSON", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  const [one] = unused(1);
  const talk = async (request: object) => (await talkJson(box.store.memberSocket("a"), request))[0];
  assert.deepEqual(await talk({ op: "forward", guest_port: 80, host_port: one }), { host_port: one, guest_port: 80 });
  assert.deepEqual(await talk({ op: "forward", guest_port: 80 }), { host_port: one, guest_port: 80 });
  assert.deepEqual(await talk({ op: "unforward", host_port: one }), { host_port: one, guest_port: 80 });
  assert.equal((await talk({ op: "unforward", host_port: one })).code, "not-found");
  const udp = { host_port: one, guest_port: 80, protocol: "udp", address: "127.0.0.2" };
  assert.deepEqual(await talk({ op: "forward", ...udp }), udp);
  assert.deepEqual(await talk({ op: "unforward", ...udp }), udp);
  assert.equal((await talk({ op: "forward", ...udp, protocol: "sctp" })).code, "misuse");
  assert.equal((await talk({ op: "forward", ...udp, address: "::1" })).code, "misuse");
  for (const guest_port of [0, -1, 1.5, 65_536]) {
    assert.equal((await talk({ op: "forward", guest_port })).code, "misuse");
  }
  assert.match((await talk({ op: "forward" })).message, /forward needs a guest_port/);
  assert.equal((await talk({ op: "forward", guest_port: "80" })).code, "protocol");
  assert.equal((await box.report("a")).forwards, undefined);
});

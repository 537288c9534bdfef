/** Real machines on one network: names, addresses, members that join, stop, die and are adopted. */

import * as assert from "#assert";
import { join } from "../../src/system/path.ts";
import { isAlive } from "../../src/system/process.ts";
import { kill, until } from "../support/processes.ts";
import { guest, guestOk } from "../support/guest.ts";
import { type Sandbox, sandbox, steps, test, told } from "../support/sandbox.ts";

test("members reach each other by name at once, also one that joined later, and one that was stopped and is up again", async () => {
  await using box = await sandbox({ warm: true });
  const file = join(box.root, "group.toml");
  Deno.writeTextFileSync(file, '[members.a]\n[members.b]\nlabel = "tier=db"\n[members.c]\nneeds = "b"\n');
  const up = await box.ok("up", "-f", file, "--egress", "off");
  assert.match(up.stdout, /^c: waiting$[^]*^b: running.*$[^]*^c: boot$/m, told(up));
  assert.match((await box.ok("ls", "--label", "tier=db")).stdout, /^b +running/m);
  for (const [from, to] of [["a", "b"], ["b", "c"], ["c", "a"]]) await ping(box, from, to);
  await ping(box, "a", "10.88.0.12");
  await ping(box, "a", "c.fleetbox.internal");

  await box.ok("stop", "b");
  assert.equal((await guest(box, "a", "ping -c 1 -W 1 b")).code, 1);
  assert.match((await guest(box, "a", "nslookup b")).stdout, /NXDOMAIN/);

  await box.ok("join", "d", "--via", "c");
  await ping(box, "d", "a");
  await ping(box, "a", "d");
  await box.ok("stop", "d");

  await box.up("b");
  await ping(box, "b", "a");
  await ping(box, "c", "b");
  assert.deepEqual(new Set(Object.values(await box.ls()).map(({ group }) => group).filter(Boolean)), new Set(["a"]));

  // DNS answers for members alone: other names of the domain do not exist, and outside names are refused.
  assert.match((await guest(box, "a", "nslookup b")).stdout, /Address: 10\.88\.0\.12/);
  assert.match((await guest(box, "a", "nslookup nobody")).stdout, /NXDOMAIN/);
  assert.match((await guest(box, "a", "nslookup nobody.fleetbox.internal")).stdout, /NXDOMAIN/);
  assert.match((await guest(box, "a", "nslookup example.com")).stdout, /REFUSED/);
  assert.match((await guest(box, "a", "nslookup 10.88.0.13")).stdout, /name = c\.fleetbox\.internal/);
});

test("kill -9: of a QEMU, of the holder and its guardian, of the gateway", async (context) => {
  await using box = await sandbox({ warm: true });
  await box.up("a,b");
  await steps(context, box, [
    [
      "kill -9 of a QEMU: its member is in error with the cause, the others go on, up brings it back with its data",
      losesQemu,
    ],
    [
      "kill -9 of the holder and its guardian: up adopts the machines, undisturbed, and a connection between them goes on",
      losesHolder,
    ],
  ]);
});

async function losesQemu(box: Sandbox): Promise<void> {
  await guestOk(box, "b", "echo precious > data; sync");
  const a = box.process("machine", "a");
  await kill(box.process("machine", "b"));
  const status = await until("b is in error", async () => {
    const status = await box.status("b");
    return status?.state === "error" ? status : undefined;
  });
  assert.match(status.error!, /QEMU was killed from outside/);
  assert.match((await box.ok("ls")).stdout, /^b +error/m);
  assert.equal(await guestOk(box, "a", "hostname"), "a\n");

  await box.up("b");
  assert.ok(isAlive(a));
  assert.equal(await guestOk(box, "b", "cat data"), "precious\n");
  await ping(box, "a", "b");
  await ping(box, "b", "a");
}

async function losesHolder(box: Sandbox): Promise<void> {
  const machines = box.machines();
  const boots = await Promise.all(["a", "b"].map((name) => guestOk(box, name, "cat /proc/sys/kernel/random/boot_id")));
  // One TCP connection from b to a, over which b sends a number every 200 ms for as long as it lives. (At the end of its
  // input busybox's nc would end the connection: the listener's input has no end.)
  const background = (line: string) => `setsid sh -c '${line}' </dev/null >/dev/null 2>&1 & sleep 0.5`;
  await guestOk(box, "a", background("sleep 1000 | nc -l -p 7000 > received"));
  await guestOk(box, "b", background("i=0; while sleep 0.2; do i=$((i+1)); echo $i; done | nc a 7000"));
  const received = async () => Number((await guestOk(box, "a", "tail -n 1 received")).trim() || 0);
  await until("numbers arrive", async () => await received() > 3);

  await box.killHolder("a");
  assert.equal(await box.states(), "a=orphaned b=orphaned");
  await box.up("b");
  assert.deepEqual(box.machines(), machines);
  assert.equal(await box.states(), "a=running b=running");
  const after = await received();
  await until("more numbers arrive", async () => await received() > after + 3, 60_000);
  assert.deepEqual(
    await Promise.all(["a", "b"].map((name) => guestOk(box, name, "cat /proc/sys/kernel/random/boot_id"))),
    boots,
  );
  await ping(box, "a", "b");

  // The gateway as well: ssh adopts the group, and the machine keeps its port.
  const { ssh } = (await box.status("a"))!;
  await box.killHolder("a");
  await kill(box.process("gateway"));
  assert.equal(await guestOk(box, "a", "hostname"), "a\n");
  assert.deepEqual((await box.status("a"))!.ssh, ssh);
  assert.deepEqual(box.machines(), machines);
  await box.ok("stop", "a,b");
  await box.empty();
  assert.match(box.holderLog("a"), /b: stopped: The guest shut down$/m);
}

test("a guest reaches the host's loopback with --host-access alone; beside it, one without egress reaches nothing, and resolves names", async () => {
  // The host's loopback represents the outside: the gateway, which is open here, reaches both alike.
  using service = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const port = (service.addr as Deno.NetAddr).port;
  let visitors = 0;
  void (async () => {
    for await (const visitor of service) {
      visitors++;
      await visitor.write(new TextEncoder().encode("outside\n"));
      visitor.close();
    }
  })().catch(() => {});
  await using box = await sandbox({ warm: true });
  await box.up("shut,open");
  const { shut } = await box.ls();
  const reached = (name: string) => guest(box, name, `nc -w 3 10.88.0.1 ${port} </dev/null`);
  for (const name of ["shut", "open"]) {
    const refused = await reached(name);
    assert.notEqual(refused.code, 0);
    assert.equal(refused.stdout, "");
  }
  const { network } = await box.report("shut");
  assert.ok(network!.dropped["gateway-closed"] > 0, `nothing was dropped: ${JSON.stringify(network)}`);
  assert.equal(visitors, 0);

  // At once, for one that runs; the gateway is another process then, and both are reached through it.
  const changed = await box.ok("up", "open", "--host-access");
  assert.match(changed.stderr, /gateway was started again/);
  assert.match(box.process("gateway").command, /restrict=off/);
  assert.equal((await reached("open")).stdout, "outside\n");
  assert.equal((await reached("shut")).stdout, "");
  assert.equal(visitors, 1);
  // Host access is not egress: frames to other networks are dropped.
  const ofOpen = (await box.report("open")).network!.dropped["egress-off"] ?? 0;
  assert.notEqual((await guest(box, "open", "ping -c 1 -W 1 192.0.2.1")).code, 0);
  assert.ok((await box.report("open")).network!.dropped["egress-off"] > ofOpen);
  const before = (await box.report("shut")).network!.dropped["egress-off"] ?? 0;
  assert.notEqual((await guest(box, "shut", "ping -c 1 -W 1 192.0.2.1")).code, 0);
  assert.notEqual((await guest(box, "shut", "nc -w 1 192.0.2.1 80 </dev/null")).code, 0);
  assert.ok((await box.report("shut")).network!.dropped["egress-off"] > before);
  assert.match((await guest(box, "shut", "nslookup example.invalid. 2>&1")).stdout, /REFUSED/);
  await ping(box, "shut", "open");
  assert.deepEqual((await box.ls()).shut.ssh, shut.ssh);

  const closed = await box.ok("up", "open", "--no-host-access");
  assert.match(closed.stderr, /no member has a way out any more/);
  assert.match(box.process("gateway").command, /restrict=on/);
  assert.equal((await reached("open")).stdout, "");
  assert.equal(visitors, 1);
});

test("two groups are two networks: the same addresses, and no member reaches the other group", async () => {
  await using box = await sandbox({ warm: true });
  await Promise.all([box.up("a,b"), box.up("z")]);
  const { a, z } = await box.ls();
  assert.deepEqual([a.ip, z.ip], ["10.88.0.11", "10.88.0.11"]);
  assert.equal((await guest(box, "z", "ping -c 1 -W 1 10.88.0.12")).code, 1);
  assert.match((await guest(box, "z", "nslookup b")).stdout, /NXDOMAIN/);
  await ping(box, "a", "b");
});

async function ping(box: Sandbox, from: string, to: string): Promise<void> {
  assert.match(await guestOk(box, from, `ping -c 1 -W 5 ${to}`), / 0% packet loss/);
}

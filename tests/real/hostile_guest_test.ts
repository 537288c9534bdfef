/** A hostile guest with root, in a group with host access: it takes nobody's address, and reaches only what is allowed. */

import * as assert from "#assert";
import { until } from "../support/processes.ts";
import { guest, guestOk } from "../support/guest.ts";
import { type Sandbox, sandbox, test } from "../support/sandbox.ts";
import { handled } from "../support/socket.ts";

const GATEWAY_MAC = "52:55:0a:58:00:01";
const FLOATING = "10.88.0.50";

test("a guest cannot take another's address, reaches the host at .1 alone, and its flood affects no one; a floating address moves", async () => {
  using service = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = service.addr as Deno.NetAddr;
  let visitors = 0;
  void (async () => {
    for await (const visitor of service) {
      visitors++;
      visitor.close();
    }
  })().catch(() => {});
  await using box = await sandbox({ warm: true });
  await box.up("a,b,c", "--host-access");
  const [macA, macB] = ["a", "b"].map((name) => box.store.config(name)!.mac);
  const dropped = async (reason: string) => (await box.report("a")).network!.dropped[reason] ?? 0;

  // A free address is a's, then b's; c follows the announcement.
  await root(box, "a", `ip addr add ${FLOATING}/32 dev eth0 && arping -U -c 1 -I eth0 ${FLOATING}`);
  assert.equal(await macSeen(box, "c", FLOATING), macA);
  await root(box, "a", `ip addr del ${FLOATING}/32 dev eth0`);
  await root(box, "b", `ip addr add ${FLOATING}/32 dev eth0 && arping -U -c 1 -I eth0 ${FLOATING}`);
  assert.equal(await macSeen(box, "c", FLOATING), macB);
  for (const name of ["a", "b"]) {
    const reasons = Object.keys((await box.report(name)).network!.dropped);
    assert.deepEqual(reasons.filter((reason) => reason.startsWith("spoofed")), [], name);
  }

  // b's address and the gateway's, announced by a; b's as the source of a packet.
  assert.equal(await macSeen(box, "c", "10.88.0.12"), macB);
  const claims = {
    "10.88.0.12": "ip addr add 10.88.0.12/32 dev eth0; arping -U -c 2 -I eth0 10.88.0.12; " +
      "ping -c 1 -W 1 -I 10.88.0.12 10.88.0.13; ip addr del 10.88.0.12/32 dev eth0",
    // Announced without being its own: SSH comes from this address, and would be answered to the guest itself, by a reset.
    "10.88.0.1": "echo 1 >/proc/sys/net/ipv4/ip_nonlocal_bind; arping -U -c 2 -I eth0 10.88.0.1; " +
      "echo 0 >/proc/sys/net/ipv4/ip_nonlocal_bind",
  };
  for (const [address, claim] of Object.entries(claims)) {
    const before = await dropped("spoofed-arp");
    await root(box, "a", `(${claim}) >/dev/null 2>&1 || true`);
    assert.ok(await dropped("spoofed-arp") > before, `a announced ${address}`);
  }
  assert.ok(await dropped("spoofed-ip") > 0);
  assert.equal(await macSeen(box, "c", "10.88.0.12"), macB);
  assert.match(await guestOk(box, "c", "cat /proc/net/arp"), new RegExp(`^10\\.88\\.0\\.1 .*${GATEWAY_MAC}`, "m"));
  for (const mac of [macB, GATEWAY_MAC]) {
    const before = await dropped("spoofed-mac");
    const swap = `ip link set eth0 address ${mac}; ping -c 2 -W 1 10.88.0.13; ip link set eth0 address ${macA}`;
    await root(box, "a", `(${swap}) >/dev/null 2>&1 || true`);
    assert.ok(await dropped("spoofed-mac") > before, `a took ${mac}`);
  }
  assert.equal(await guestOk(box, "b", "hostname"), "b\n");

  // The host's loopback by each address that libslirp maps to it; only .1 was allowed.
  const visit = (address: string) => `nc -w 1 ${address} ${port} </dev/null >/dev/null 2>&1 || true`;
  await root(box, "a", visit("10.88.0.1"));
  await until("the visit to .1 has come", () => visitors === 1);
  const closed = await dropped("gateway-closed");
  const others = [2, 3, 77, 200, 254].map((octet) => `10.88.0.${octet}`);
  // ARP for these addresses has no answer: the guest gets static entries.
  await root(box, "a", others.map((ip) => `arp -i eth0 -s ${ip} ${GATEWAY_MAC}`).join(" && "));
  await root(box, "a", others.map(visit).join("; "));
  await root(box, "a", "nc -w 1 10.88.0.3 53 </dev/null >/dev/null 2>&1 || true");
  assert.equal(visitors, 1, "a guest has reached the host by another address than .1");
  assert.ok(await dropped("gateway-closed") >= closed + others.length + 1);

  // Frames to an unknown address are flooded; a line without an end goes to the console. The holder goes on, in bounded memory.
  const holder = box.process("holder").pid;
  const before = residentMiB(holder);
  const floods = handled(Promise.all([
    root(
      box,
      "a",
      "arp -i eth0 -s 10.88.0.77 52:54:00:99:99:99 && " +
        "(timeout 2 nc -u 10.88.0.77 9 </dev/zero >/dev/null 2>&1 || true)",
    ),
    root(box, "b", "timeout 2 sh -c 'tr \"\\\\0\" x </dev/zero >/dev/ttyS0' || true"),
  ]));
  for (let round = 0; round < 2; round++) {
    assert.equal(await box.states(), "a=running b=running c=running");
    assert.equal(await guestOk(box, "c", "hostname"), "c\n");
  }
  await floods;
  assert.ok(residentMiB(holder) - before < 64, `${residentMiB(holder) - before} MiB more`);
  assert.equal(box.process("holder").pid, holder);
});

async function root(box: Sandbox, name: string, line: string): Promise<string> {
  return await guestOk(box, name, `sudo sh -c '${line.replaceAll("'", `'\\''`)}'`);
}

/** The MAC that a guest has for an address, after it has talked to it. */
async function macSeen(box: Sandbox, name: string, address: string): Promise<string | undefined> {
  const { stdout } = await guest(box, name, `ping -c 1 -W 3 ${address}; cat /proc/net/arp`);
  assert.match(stdout, / 0% packet loss/, `${name} does not reach ${address}: ${stdout}`);
  return new RegExp(`^${address.replaceAll(".", "\\.")} +\\S+ +\\S+ +(\\S+)`, "m").exec(stdout)?.[1];
}

function residentMiB(pid: number): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(Deno.readTextFileSync(`/proc/${pid}/status`))![1]) / 1024;
}

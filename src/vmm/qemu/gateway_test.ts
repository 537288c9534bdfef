import * as assert from "#assert";
import { handled } from "../../../tests/support/socket.ts";
import { FleetboxError } from "../../core/errors.ts";
import { identify } from "../../system/process.ts";
import { arp, bytesOfMac, ipAt, readArp } from "../../../tests/fake_qemu/frames.ts";
import { FAKE_QEMU, Workspace } from "../../../tests/fake_qemu/machine.ts";
import type { GatewaySpec } from "../contract.ts";
import { findQemu } from "./program.ts";
import { QmpClient } from "./qmp.ts";
import { adoptGateway, gatewayArguments, parseUsernet, startGateway } from "./gateway.ts";

const code = (expected: string, message = /./) => (error: unknown) =>
  error instanceof FleetboxError && error.code === expected && message.test(error.message);

function specIn({ path }: Workspace, changes: Partial<GatewaySpec> = {}): GatewaySpec {
  const binary = findQemu("x86_64");
  return { binary, controlSocket: `${path}/q`, netSocket: `${path}/n`, restricted: true, bound: true, ...changes };
}

/** A port that nobody has right now. */
function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** A guest by hand on the gateway's network: answers ARP, and gives the first TCP packet that it is sent. */
async function firstTcpPacket(netSocket: string, ip: string): Promise<{ from: string; port: number; flags: number }> {
  const mac = bytesOfMac("52:54:00:00:00:0b");
  using wire = await Deno.connect({ transport: "unix", path: netSocket });
  const send = async (frame: number[]) => {
    const bytes = new Uint8Array([0, 0, frame.length >> 8, frame.length & 255, ...frame]);
    await wire.write(bytes);
  };
  await send(arp(1, mac, ip, ip));
  const buffer = new Uint8Array(64 * 1024);
  let held: number[] = [];
  for (let count; (count = await wire.read(buffer)) !== null;) {
    held.push(...buffer.subarray(0, count));
    while (held.length >= 4 && held.length >= 4 + ((held[2] << 8) | held[3])) {
      const frame = Uint8Array.from(held.slice(4, 4 + ((held[2] << 8) | held[3])));
      held = held.slice(4 + frame.length);
      const asked = readArp(frame);
      if (asked?.operation === 1 && asked.target === ip) await send(arp(2, mac, ip, asked.ip, asked.mac));
      if (frame[12] === 0x08 && frame[13] === 0x00 && frame[23] === 6 && ipAt(frame, 30) === ip) {
        return { from: ipAt(frame, 26), port: (frame[36] << 8) | frame[37], flags: frame[47] };
      }
    }
  }
  throw new Error("the gateway hung up");
}

Deno.test("real QEMU: what a gateway leaves unanswered when it dies is refused with how it died", async () => {
  await using workspace = new Workspace();
  const gateway = await startGateway(specIn(workspace));
  Deno.kill(gateway.process.pid, "SIGSTOP");
  const asked = gateway.forwards();
  Deno.kill(gateway.process.pid, "SIGKILL");
  await assert.rejects(asked, code("failed", /killed from outside/));
  await gateway.close();
});

Deno.test("real QEMU: a forward leads to the guest although the guest may not go out", async () => {
  await using workspace = new Workspace();
  const gateway = await startGateway(specIn(workspace, { forwards: [{ ip: "10.88.0.11" }, { ip: "10.88.0.12" }] }));
  try {
    const [first] = await gateway.forwards();
    assert.deepEqual([first.ip, first.port], ["10.88.0.11", 22]);
    const packet = handled(firstTcpPacket(`${workspace.path}/n`, "10.88.0.11"));
    using _ = await Deno.connect({ hostname: "127.0.0.1", port: first.hostPort });
    const syn = 0x02;
    assert.deepEqual(await packet, { from: "10.88.0.1", port: 22, flags: syn });
  } finally {
    assert.equal((await gateway.close()).how, "quit");
  }
  assert.deepEqual([...Deno.readDirSync(workspace.path)], []);
});

Deno.test("real QEMU: forwards are added and removed at the same time, and none gets another's port", async () => {
  await using workspace = new Workspace();
  const gateway = await startGateway(specIn(workspace));
  try {
    const addresses = Array.from({ length: 8 }, (_, index) => `10.88.0.${11 + index}`);
    const ports = await Promise.all(addresses.map((ip) => gateway.forward(ip)));
    const again = await gateway.forward(addresses[0]);
    assert.equal(new Set([...ports, again]).size, 9);
    for (const { hostPort, ip } of await gateway.forwards()) {
      assert.equal(ip, hostPort === again ? addresses[0] : addresses[ports.indexOf(hostPort)]);
    }
    const wanted = freePort();
    assert.equal(await gateway.forward("10.88.0.11", 80, wanted), wanted);
    await assert.rejects(
      gateway.forward("10.88.0.12", 80, wanted),
      code("conflict", new RegExp(`${wanted} .* in use`)),
    );
    assert.equal(await gateway.unforward(wanted), true);
    assert.equal(await gateway.unforward(wanted), false);
    await assert.rejects(Deno.connect({ hostname: "127.0.0.1", port: wanted }), Deno.errors.ConnectionRefused);
    assert.equal((await gateway.forwards()).length, 9);
  } finally {
    await gateway.close();
  }
});

Deno.test("real QEMU: a gateway that was asked for a port in use does not start, and says which", async () => {
  await using workspace = new Workspace();
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const hostPort = listener.addr.port;
  const spec = specIn(workspace, { forwards: [{ ip: "10.88.0.11", hostPort }] });
  await assert.rejects(startGateway(spec), code("conflict", new RegExp(`port ${hostPort} of 127.0.0.1: it is in use`)));
});

Deno.test("real QEMU: another holder adopts a gateway with its forwards, and learns of its death", async () => {
  await using workspace = new Workspace();
  const spec = specIn(workspace, { name: "gateway-web" });
  const args = gatewayArguments({ ...spec, forwards: [{ ip: "10.88.0.11" }] });
  const child = new Deno.Command(spec.binary, { args, stdout: "null", stderr: "null" }).spawn();
  try {
    (await QmpClient.connect(spec.controlSocket)).close();
    const identity = identify(child.pid)!;
    await assert.rejects(adoptGateway(identity, { ...spec, name: undefined }), code("conflict", /gateway-web/));
    const gateway = await adoptGateway(identity, spec);
    assert.equal((await gateway.forwards()).length, 1);
    await gateway.forward("10.88.0.12");
    child.kill("SIGKILL");
    await child.status;
    assert.equal((await gateway.exited).how, "crashed");
    await assert.rejects(gateway.forward("10.88.0.13"), code("failed"));
    assert.equal((await gateway.close()).how, "crashed");
  } finally {
    try {
      child.kill("SIGKILL");
    } catch { /* it is already closed */ }
  }
});

Deno.test("the fake QEMU's gateway behaves alike, and answers for a guest that is there", async () => {
  await using workspace = new Workspace();
  const gateway = await startGateway(specIn(workspace, { binary: FAKE_QEMU, forwards: [{ ip: "10.88.0.11" }] }));
  try {
    const [{ hostPort }] = await gateway.forwards();
    const wanted = freePort();
    await gateway.forward("10.88.0.11", 80, wanted);
    await assert.rejects(gateway.forward("10.88.0.12", 80, wanted), code("conflict"));
    const guest = await Deno.connect({ transport: "unix", path: `${workspace.path}/n` });
    void (async () => {
      const buffer = new Uint8Array(1024);
      while (await guest.read(buffer).catch(() => null)) {
        const asked = readArp(buffer.subarray(4));
        if (asked?.target !== "10.88.0.11") continue;
        const reply = arp(2, bytesOfMac("52:54:00:00:00:0b"), asked.target, asked.ip, asked.mac);
        await guest.write(new Uint8Array([0, 0, 0, reply.length, ...reply]));
      }
    })();
    using client = await Deno.connect({ hostname: "127.0.0.1", port: hostPort });
    const said = new Uint8Array(64);
    const count = await client.read(said);
    assert.equal(new TextDecoder().decode(said.subarray(0, count!)), "SSH-2.0-standin\r\n");
    guest.close();
  } finally {
    await gateway.close();
  }
});

for (
  const [what, ip, port, hostPort] of [
    ["an address that is none", "10.88.0.300", 22, 0],
    ["an address with a rule behind it", "10.88.0.11:22,hostfwd=tcp::1-", 22, 0],
    ["no guest port", "10.88.0.11", 0, 0],
    ["a host port beyond the last", "10.88.0.11", 22, 65536],
    ["half a port", "10.88.0.11", 22.5, 0],
  ] as const
) {
  Deno.test(`a forward with ${what} is refused`, () => {
    const spec = { binary: "/q", controlSocket: "/q", netSocket: "/n", restricted: false, bound: false } as const;
    assert.throws(() => gatewayArguments({ ...spec, forwards: [{ ip, port, hostPort }] }), code("misuse"));
  });
}

Deno.test("a restricted gateway cuts guests off, another does not; the socket's path is quoted", () => {
  const spec = { binary: "/q", controlSocket: "/q", netSocket: "/a,b", restricted: true, bound: false } as const;
  assert.ok(gatewayArguments(spec).some((argument) => argument.includes("restrict=on")));
  assert.ok(gatewayArguments({ ...spec, restricted: false }).some((argument) => argument.includes("restrict=off")));
  assert.ok(gatewayArguments(spec).some((argument) => argument.endsWith("addr.path=/a,,b")));
});

Deno.test("the table of forwards is read without the other connections", () => {
  const text = `Hub 0 (user0):
  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ
  TCP[ESTABLISHED]   15       127.0.0.1 40000      10.88.0.11    22     0     0
  TCP[HOST_FORWARD]  12       127.0.0.1 38743      10.88.0.11    22     0     0
  UDP[236 sec]       14       10.88.0.11 55555     192.0.2.1    53     0     0
`;
  assert.deepEqual(parseUsernet(text), [{ hostPort: 38743, ip: "10.88.0.11", port: 22 }]);
  assert.deepEqual(parseUsernet(""), []);
});

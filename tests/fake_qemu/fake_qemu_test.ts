import * as assert from "#assert";
import { startGateway } from "../../src/vmm/qemu/gateway.ts";
import { Switch } from "../../src/network/switch.ts";
import { qemu } from "../../src/vmm/qemu/driver.ts";
import { FAKE_QEMU, Workspace } from "./machine.ts";
import { until as untilSo } from "../support/processes.ts";

async function until(happened: () => boolean): Promise<void> {
  await untilSo(String(happened), happened);
}

Deno.test("fake machines see each other, and are reached from the host, through the real switch", async () => {
  await using first = new Workspace();
  await using second = new Workspace();
  using _ = first.behave({ a: { ping: ["10.88.0.12", "10.88.0.99"], bootMs: 300 }, b: { bootMs: 1 } });
  const specs = [
    await first.spec(),
    await second.spec({ name: "b", mac: "52:54:00:00:00:0c" }),
  ];
  const seed = Deno.readTextFileSync(specs[1].seed!).replace("10.88.0.11", "10.88.0.12");
  Deno.writeTextFileSync(specs[1].seed!, seed);
  const gatewaySpec = {
    controlSocket: `${first.path}/g`,
    netSocket: `${first.path}/gn`,
    restricted: true,
    bound: true,
  } as const;
  const gateway = await startGateway({ ...gatewaySpec, binary: FAKE_QEMU, forwards: [{ ip: "10.88.0.12" }] });
  const machines = await Promise.all(specs.map((spec) => qemu.start(spec)));
  const hub = new Switch();
  try {
    hub.addPort(await Deno.connect({ transport: "unix", path: gatewaySpec.netSocket }), {
      name: "gateway",
      role: "gateway",
    });
    for (const [index, { name, mac, netSocket }] of specs.entries()) {
      const conn = await Deno.connect({ transport: "unix", path: netSocket });
      hub.addPort(conn, { name, role: "member", mac, ip: `10.88.0.${11 + index}` });
    }
    const said = () => Deno.readTextFileSync(specs[0].serialLog);
    await until(() => said().includes("ping 10.88.0.99"));
    assert.match(said(), /ping 10.88.0.12: ok\r\n/);
    assert.match(said(), /ping 10.88.0.99: no answer\r\n/);
    const [{ hostPort }] = await gateway.forwards();
    using client = await Deno.connect({ hostname: "127.0.0.1", port: hostPort });
    const buffer = new Uint8Array(64);
    const count = await client.read(buffer);
    assert.equal(new TextDecoder().decode(buffer.subarray(0, count!)), "SSH-2.0-standin\r\n");
  } finally {
    hub.close();
    await Promise.all([...machines.map((machine) => machine.kill()), gateway.close()]);
  }
});

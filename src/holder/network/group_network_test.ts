import * as assert from "#assert";
import { until } from "../../../tests/support/processes.ts";
import { join } from "../../system/path.ts";
import { ethernet, Guest, IPS, ipv4, MACS, tcp } from "../../network/testing.ts";
import { GroupNetwork } from "./group_network.ts";

const IP = 0x0800, SYN = 2;

Deno.test("a machine that is connected before its other facts are known has its way out at once, and no other one", async () => {
  const directory = await Deno.makeTempDir();
  const never = () => new Promise<never>(() => {});
  const network = new GroupNetwork({
    driver: { startGateway: never, adoptGateway: never },
    gateway: {} as ConstructorParameters<typeof GroupNetwork>[0]["gateway"],
    isOpen: () => true,
    lookup: () => undefined,
    nameOf: () => undefined,
    publishedPorts: () => new Set(),
    onChange: () => {},
    onNote: () => {},
  });
  for (const [name, egress, lost] of [["a", true, "unreachable"], ["b", false, "egress-off"]] as const) {
    const netSocket = join(directory, name);
    using listener = Deno.listen({ transport: "unix", path: netSocket });
    network.plugEarly({ name, mac: MACS[name], ip: IPS[name], netSocket }, { egress, hostAccess: false });
    using guest = await listener.accept();
    const outside = ipv4({ from: IPS[name], to: "192.0.2.1", protocol: 6 }, tcp(1000, 80, SYN));
    await new Guest(guest).send(ethernet(MACS.gateway, MACS[name], IP, outside));
    const told = await until("it has come", () => {
      const counters = network.counters(name);
      return counters?.rx_frames === 1 ? counters : undefined;
    });
    assert.deepEqual(told.dropped, { [lost]: 1 }, name); // there is no gateway
  }
  await network.close();
  await Deno.remove(directory, { recursive: true });
});

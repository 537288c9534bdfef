/**
 * The fake QEMU's gateway: the forwards of QEMU's user-mode network, with real sockets on 127.0.0.1.
 *
 * Like libslirp it accepts every connection at once, and then asks for the guest by ARP; only a guest that answers gets the
 * connection. The answer on the guest's behalf is an SSH banner on port 22; on other ports it names the
 * port and the address. The human monitor's wording is that of QEMU 7.2.
 */

import { arp, bytesOfMac, readArp, StreamNetdev } from "./frames.ts";
import { die, sleep } from "./qemu.ts";
import type { QmpServer } from "./qmp_server.ts";

const GATEWAY = "10.88.0.1";
const GATEWAY_MAC = bytesOfMac("52:55:0a:58:00:01");
/** How long a connection to a guest that does not answer is held. */
const HOLD_MS = 3_000;

interface Forward {
  listener: Deno.TcpListener;
  ip: string;
  port: number;
}

export function runGateway(options: { qmp: QmpServer; netSocket: string; forwards: string[] }): void {
  const { qmp, netSocket, forwards: wanted } = options;
  const forwards = new Map<number, Forward>();
  const waiting = new Map<string, Set<() => void>>();

  const card = new StreamNetdev(netSocket, qmp, (frame) => {
    const said = readArp(frame);
    if (!said) return;
    if (said.operation === 1 && said.target === GATEWAY) card.send(arp(2, GATEWAY_MAC, GATEWAY, said.ip, said.mac));
    if (said.operation === 2 && said.target === GATEWAY) { for (const there of waiting.get(said.ip) ?? []) there(); }
  });

  /** Whether the guest answers ARP within the time that a connection is held. */
  const isThere = async (ip: string) => {
    const answer = Promise.withResolvers<boolean>();
    const there = () => answer.resolve(true);
    const mine = waiting.get(ip) ?? new Set();
    waiting.set(ip, mine.add(there));
    const ask = () => card.send(arp(1, GATEWAY_MAC, GATEWAY, ip));
    const asking = setInterval(ask, 100);
    ask();
    try {
      return await Promise.race([answer.promise, sleep(HOLD_MS).then(() => false)]);
    } finally {
      clearInterval(asking);
      mine.delete(there);
    }
  };

  const serve = async ({ listener, ip, port }: Forward) => {
    for await (const connection of listener) {
      void (async () => {
        try {
          if (await isThere(ip)) {
            const banner = port === 22 ? "SSH-2.0-standin" : `port ${port} of ${ip}`;
            await connection.write(new TextEncoder().encode(`${banner}\r\n`));
            const ignored = new Uint8Array(4096);
            while (await connection.read(ignored) !== null) { /* nobody listens */ }
          }
        } catch { /* the client left */ }
        connection.close();
      })();
    }
  };

  const add = (rule: string): string => {
    const match = /^tcp:127\.0\.0\.1:(\d+)-(\d+\.\d+\.\d+\.\d+):(\d+)$/.exec(rule);
    if (!match) return `Invalid host forwarding rule '${rule}' (Bad protocol name)`;
    try {
      const listener = Deno.listen({ hostname: "127.0.0.1", port: Number(match[1]) });
      const forward = { listener, ip: match[2], port: Number(match[3]) };
      forwards.set(listener.addr.port, forward);
      void serve(forward);
      return "";
    } catch {
      return `Could not set up host forwarding rule '${rule}'`;
    }
  };

  const remove = (rule: string): string => {
    const port = Number(/^tcp:127\.0\.0\.1:(\d+)$/.exec(rule)?.[1]);
    const forward = forwards.get(port);
    forwards.delete(port);
    forward?.listener.close();
    return `host forwarding rule for ${rule} ${forward ? "removed" : "not found"}`;
  };

  const list = (): string => {
    const rows = [...forwards].map(([hostPort, { ip, port }]) =>
      `  TCP[HOST_FORWARD]  8       127.0.0.1 ${hostPort} ${ip.padStart(16)} ${port.toString().padStart(5)}     0     0`
    );
    return [
      "Hub 0 (user0):",
      "  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ",
      ...rows,
    ]
      .join("\r\n");
  };

  qmp.onMonitor = (command) => {
    const [verb, netdev, rule] = command.split(" ");
    if (command === "info usernet") return list() + "\r\n";
    const answer = verb === "hostfwd_add"
      ? add(rule)
      : verb === "hostfwd_remove"
      ? remove(rule)
      : `unknown command: '${verb} ${netdev}'`;
    return answer === "" ? "" : answer + "\r\n";
  };
  for (const rule of wanted) {
    const refusal = add(rule);
    if (refusal !== "") die(`-netdev user,id=user0: ${refusal}`);
  }
}

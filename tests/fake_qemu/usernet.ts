/**
 * The fake QEMU's gateway: the forwards of QEMU's user-mode network, with real sockets on 127.0.0.1.
 *
 * Like libslirp it accepts every connection at once, and then asks for the guest by ARP; only a guest that answers gets the
 * connection. The answer on the guest's behalf is an SSH banner on port 22; on other ports it names the
 * port and the address. The human monitor's wording is that of QEMU 7.2.
 */

import { createSocket } from "node:dgram";
import { arp, bytesOfMac, readArp, StreamNetdev } from "./frames.ts";
import { die, sleep } from "./qemu.ts";
import type { QmpServer } from "./qmp_server.ts";

const GATEWAY = "10.88.0.1";
const GATEWAY_MAC = bytesOfMac("52:55:0a:58:00:01");
/** A socket that answers each datagram. */
async function answerUdp(address: string, port: number, answer: string) {
  const socket = createSocket("udp4", (_, { address, port }) => socket.send(answer, port, address));
  await new Promise<void>((resolve, reject) => {
    socket.once("error", reject);
    socket.bind({ address, port, exclusive: true }, resolve);
  });
  return { hostPort: socket.address().port, close: () => void socket.close() };
}

/** How long a connection to a guest that does not answer is held. */
const HOLD_MS = 3_000;

interface Forward {
  /** `TCP` or `UDP`, and the host's address and port. */
  protocol: string;
  address: string;
  hostPort: number;
  ip: string;
  port: number;
  close(): void;
}

export async function runGateway(
  options: { qmp: QmpServer; netSocket: string; forwards: string[] },
): Promise<void> {
  const { qmp, netSocket, forwards: wanted } = options;
  /** By protocol, address and port of the host. */
  const forwards = new Map<string, Forward>();
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

  const serve = async (listener: Deno.TcpListener, ip: string, port: number) => {
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

  const keyOf = (protocol: string, address: string, port: number) => `${protocol}:${address}:${port}`;

  const add = async (rule: string): Promise<string> => {
    const match = /^(tcp|udp):(\d+\.\d+\.\d+\.\d+):(\d+)-(\d+\.\d+\.\d+\.\d+):(\d+)$/.exec(rule);
    if (!match) return `Invalid host forwarding rule '${rule}' (Bad protocol name)`;
    const [, protocol, address, hostPort, ip, port] = match;
    try {
      const bound = protocol === "udp"
        ? await answerUdp(address, Number(hostPort), `UDP port ${port} of ${ip}`)
        : listenTcp(address, Number(hostPort), ip, Number(port));
      const made = { protocol: protocol.toUpperCase(), address, ip, port: Number(port), ...bound };
      forwards.set(keyOf(protocol, address, made.hostPort), made);
      return "";
    } catch {
      return `Could not set up host forwarding rule '${rule}'`;
    }
  };

  const listenTcp = (hostname: string, hostPort: number, ip: string, port: number) => {
    const listener = Deno.listen({ hostname, port: hostPort });
    void serve(listener, ip, port);
    return { hostPort: listener.addr.port, close: () => listener.close() };
  };

  const remove = (rule: string): string => {
    const forward = forwards.get(rule);
    forwards.delete(rule);
    forward?.close();
    return `host forwarding rule for ${rule} ${forward ? "removed" : "not found"}`;
  };

  const list = (): string => {
    const rows = [...forwards.values()].map(({ protocol, address, hostPort, ip, port }) => {
      const from = (address === "0.0.0.0" ? "*" : address).padStart(15);
      return `  ${protocol}[HOST_FORWARD]  8 ${from} ${hostPort} ${ip.padStart(16)} ${
        port.toString().padStart(5)
      }     0     0`;
    });
    return [
      "Hub 0 (user0):",
      "  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ",
      ...rows,
    ]
      .join("\r\n");
  };

  qmp.onMonitor = async (command) => {
    const [verb, netdev, rule] = command.split(" ");
    if (command === "info usernet") return list() + "\r\n";
    const answer = verb === "hostfwd_add"
      ? await add(rule)
      : verb === "hostfwd_remove"
      ? remove(rule)
      : `unknown command: '${verb} ${netdev}'`;
    return answer === "" ? "" : answer + "\r\n";
  };
  for (const rule of wanted) {
    const refusal = await add(rule);
    if (refusal !== "") die(`-netdev user,id=user0: ${refusal}`);
  }
}

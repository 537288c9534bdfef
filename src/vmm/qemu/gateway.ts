/**
 * The gateway: a QEMU without a machine, which connects a group's private network to the host without privileges.
 *
 * Inside that process, QEMU's user-mode network (libslirp) is address 1 of the network: NAT to the outside, DHCP, DNS
 * at address 3, and port forwards from the host's loopback. A hub joins it to a unix socket that the holder's switch
 * connects to. It must run, not be stopped (`-S`): a stopped machine's clock stands still, and no packet is forwarded.
 *
 * `restrict=on` drops the answers of guests on forwarded UDP ports, too.
 *
 * Forwards are added and removed while it runs, through the human monitor, because QMP has no command for them. Port 0
 * lets the kernel choose; the chosen port is the new entry in `info usernet`. Changes run one after another, so that
 * two callers cannot mix up their ports. Guests see forwarded connections come from 10.88.0.1. `restrict=on` (no member
 * has egress or access to the host) cuts the guests off; forwards still work.
 */

import { settles } from "../../core/deadline.ts";
import { FleetboxError } from "../../core/errors.ts";
import { addressOf, endKey, type HostSide, LOOPBACK, sideOf } from "../../core/port_forwards.ts";
import type { ProcessIdentity } from "../../system/process.ts";
import type { Forward, ForwardRequest, Gateway, GatewaySpec, MachineExit } from "../contract.ts";
import { checkSocketPaths, monitorArguments, option, sandboxArguments, streamNetdev } from "./arguments.ts";
import { machineExit } from "./exits.ts";
import { adopt, launch, type QemuProcess } from "./process.ts";
import { QmpClosedError } from "./qmp.ts";
import { SUBNET } from "../../network/subnet.ts";

/** @see Driver.startGateway */
export async function startGateway(spec: GatewaySpec, signal?: AbortSignal): Promise<Gateway> {
  const commandLine = [spec.binary, ...gatewayArguments(spec)];
  const { controlSocket, netSocket, bound } = spec;
  try {
    return new QemuGateway(
      await launch({ label: LABEL, commandLine, controlSocket, sockets: [netSocket], bound, signal }),
    );
  } catch (thrown) {
    const refused = /Could not set up host forwarding rule '((?:tcp|udp):[^']*)'/.exec(String(thrown));
    if (refused) throw portInUse(refused[1], thrown);
    throw thrown;
  }
}

/** @see Driver.adoptGateway */
export async function adoptGateway(
  identity: ProcessIdentity,
  spec: Pick<GatewaySpec, "controlSocket" | "netSocket" | "name">,
): Promise<Gateway> {
  const { controlSocket, netSocket, name = DEFAULT_NAME } = spec;
  return new QemuGateway(await adopt({ label: LABEL, identity, name, controlSocket, sockets: [netSocket] }));
}

const LABEL = "The gateway (QEMU)";
const DEFAULT_NAME = "gateway";
const USER_NETDEV = "user0";
/** How long a gateway may take from the end of its connection to its own. */
const LAST_WORDS_MS = 2_000;

/** The arguments of a gateway. Pure. @throws {FleetboxError} `misuse`: a malformed path, address or port. */
export function gatewayArguments(spec: GatewaySpec): string[] {
  checkSocketPaths({ controlSocket: spec.controlSocket, netSocket: spec.netSocket });
  // `option` cannot repeat a key, and forwards are checked to be digits and dots.
  const forwards = (spec.forwards ?? []).map((wanted) => `,hostfwd=${rule(wanted)}`).join("");
  const user = option("user", {
    id: USER_NETDEV,
    ipv6: "off",
    net: SUBNET.cidr,
    host: SUBNET.gateway,
    dns: SUBNET.dns,
    dhcpstart: SUBNET.dhcpStart,
    restrict: spec.restricted ? "on" : "off",
  });
  return [
    ...["-name", option({ guest: spec.name ?? DEFAULT_NAME })],
    ...["-no-user-config", "-nodefaults", "-display", "none", "-machine", "none"],
    ...monitorArguments(spec.controlSocket),
    ...["-netdev", user + forwards],
    ...["-netdev", streamNetdev("net0", spec.netSocket)],
    ...["-netdev", "hubport,id=port0,hubid=0,netdev=user0", "-netdev", "hubport,id=port1,hubid=0,netdev=net0"],
    ...sandboxArguments(),
  ];
}

class QemuGateway implements Gateway {
  readonly exited: Promise<MachineExit>;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(private readonly qemu: QemuProcess) {
    this.exited = qemu.exited.then(machineExit);
  }

  get process(): ProcessIdentity {
    return this.qemu.identity;
  }

  forward(ip: string, port = 22, hostPort = 0, side: HostSide = {}): Promise<number> {
    const wanted = rule({ ip, port, hostPort, ...sideOf(side) });
    return this.#inTurn(async () => {
      const before = hostPort === 0 ? new Set((await this.forwards()).map(keyOf)) : undefined;
      const answer = await this.#monitor(`hostfwd_add ${USER_NETDEV} ${wanted}`);
      if (/Could not set up/.test(answer)) throw portInUse(wanted);
      if (answer !== "") throw new FleetboxError("failed", `The gateway refused the forward ${wanted}: ${answer}`);
      if (before === undefined) return hostPort;
      const made = (await this.forwards()).find((entry) =>
        entry.ip === ip && entry.port === port && !before.has(keyOf(entry))
      );
      if (made) return made.hostPort;
      throw new FleetboxError("protocol", `The gateway made the forward ${wanted}, but does not list it`);
    });
  }

  unforward(hostPort: number, side: HostSide = {}): Promise<boolean> {
    checkPort(hostPort, "host port", 1);
    checkAddress(addressOf(side));
    return this.#inTurn(async () => {
      const answer = await this.#monitor(`hostfwd_remove ${USER_NETDEV} ${endKey({ ...side, host_port: hostPort })}`);
      if (/not found/.test(answer)) return false;
      if (/removed/.test(answer)) return true;
      throw new FleetboxError("failed", `The gateway cannot remove the forward of port ${hostPort}: ${answer}`);
    });
  }

  async forwards(): Promise<Forward[]> {
    return parseUsernet(await this.#monitor("info usernet"));
  }

  async close(): Promise<MachineExit> {
    await this.qemu.end();
    return await this.exited;
  }

  async #monitor(command: string): Promise<string> {
    try {
      return (await this.qemu.qmp.humanMonitor(command)).trim();
    } catch (thrown) {
      // QEMU that dies closes its connection a moment before its last words are here. They are the reason.
      if (!(thrown instanceof QmpClosedError) || !await settles(this.exited, LAST_WORDS_MS)) throw thrown;
      throw new FleetboxError("failed", (await this.exited).message, { cause: thrown });
    }
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => {});
    return result;
  }
}

/**
 * The forwards in the text of `info usernet`:
 *
 *       Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ
 *       TCP[HOST_FORWARD]  12       127.0.0.1 38743      10.88.0.11    22     0     0
 *       UDP[HOST_FORWARD]  13               * 38744      10.88.0.11    53     0     0
 */
export function parseUsernet(text: string): Forward[] {
  const entry = /^ *(TCP|UDP)\[HOST_FORWARD\] +\d+ +(\*|[\d.]+) +(\d{1,5}) +(\d+\.\d+\.\d+\.\d+) +(\d{1,5})\s/;
  // Line by line, and short lines only: one search over megabytes of blanks would take hours.
  return text.split("\n").flatMap((line) => {
    const found = line.length > 200 ? null : entry.exec(`${line}\n`);
    if (!found) return [];
    const [, protocol, address, hostPort, ip, port] = found;
    const side: HostSide = {
      ...(protocol === "UDP" && { protocol: "udp" }),
      ...(address !== LOOPBACK && { address: address === "*" ? "0.0.0.0" : address }),
    };
    return [{ hostPort: Number(hostPort), ip, port: Number(port), ...side }];
  });
}

function keyOf({ hostPort, ...side }: Forward): string {
  return endKey({ ...side, host_port: hostPort });
}

function rule({ ip, port = 22, hostPort = 0, ...side }: ForwardRequest): string {
  checkAddress(ip);
  checkAddress(addressOf(side));
  checkPort(port, "guest port", 1);
  checkPort(hostPort, "host port", 0);
  return `${endKey({ ...side, host_port: hostPort })}-${ip}:${port}`;
}

function checkAddress(ip: string): void {
  const octets = /^\d{1,3}(\.\d{1,3}){3}$/.test(ip) ? ip.split(".").map(Number) : [];
  if (octets.length === 4 && octets.every((octet) => octet <= 255)) return;
  throw new FleetboxError(
    "misuse",
    `Bad forward: found address ${JSON.stringify(ip)}, expected one like ${SUBNET.address(11)}`,
  );
}

function checkPort(port: number, what: string, min: number): void {
  if (!Number.isInteger(port) || port < min || port > 65535) {
    throw new FleetboxError("misuse", `Bad forward: found ${what} ${port}, expected ${min} to 65535`);
  }
}

function portInUse(rule: string, cause?: unknown): FleetboxError {
  const [, protocol, address, hostPort] = /^(\w+):([^:]*):(\d+)-/.exec(rule) ?? [];
  if (hostPort === "0") {
    return new FleetboxError("failed", `The gateway cannot open a port of ${address} for ${rule}`, { cause });
  }
  const port = `${protocol === "udp" ? "UDP port" : "port"} ${hostPort} of ${address}`;
  return new FleetboxError("conflict", `Cannot forward ${port}: it is in use`, {
    cause,
    hint: "Choose another port, or 0 for any free one",
  });
}

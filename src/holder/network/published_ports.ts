/**
 * The members' port forwards, which users asked for: kept open by this gateway and by its successors.
 *
 * The gateway is asked what is open, never remembered. It knows the gateway and no switch.
 */

import { endKey, endText, type HostEnd, isPublic, sideOf } from "../../core/port_forwards.ts";
import { ForwardedFlows } from "../../network/forwarded_flows.ts";
import type { Forward, Gateway } from "../../vmm/contract.ts";
import { describe, log } from "../log.ts";

/** How the group's gateway is reached. */
interface GatewayUse {
  /** Runs work with the gateway, and with the next one if it dies meanwhile. */
  withGateway<T>(work: (gateway: Gateway) => Promise<T>): Promise<T>;
  ready(): Promise<Gateway>;
  /** The gateway, while it runs. */
  running(): Gateway | undefined;
}

export class PublishedPorts {
  /** By host end; with the reason why one is not open. */
  readonly #ports = new Map<string, { forward: Forward; problem?: string }>();
  /** Those that were removed before there was a gateway: one that is adopted may have them. */
  readonly #removed = new Map<string, HostEnd>();
  /** What came through them, by the members' addresses. */
  readonly #flows = new Map<string, ForwardedFlows>();
  #opening: Promise<void> = Promise.resolve();

  constructor(private readonly use: GatewayUse) {}

  /** What came to an address through its forwards: for its member's rules. */
  flowsOf(ip: string): ForwardedFlows {
    const flows = this.#flows.get(ip) ?? new ForwardedFlows(ip);
    this.#flows.set(ip, flows);
    return flows;
  }

  /**
   * Makes a host port lead to a member's port, by this gateway and by its successors. Calling it twice is fine.
   * @throws {FleetboxError} `conflict`: the port is in use; or why the gateway does not run. Then there is no forward.
   */
  async open(forward: Forward): Promise<void> {
    const key = endKey(endOf(forward));
    const before = this.#ports.get(key);
    this.#set(key, { forward });
    try {
      await this.use.withGateway((gateway) => this.#open(gateway, forward));
    } catch (thrown) {
      this.#set(key, before);
      throw thrown;
    }
  }

  /** The same for a running machine: the reason of a failure is kept for {@link state}. */
  async openAgain(forward: Forward): Promise<void> {
    const key = endKey(endOf(forward));
    this.#set(key, { forward });
    await this.#reopen(await this.use.ready(), key);
  }

  /** Opens all of them in a new gateway, or in one that was adopted. */
  async openIn(gateway: Gateway): Promise<void> {
    for (const end of this.#removed.values()) await closeNow(gateway, end);
    this.#removed.clear();
    for (const key of this.#ports.keys()) await this.#reopen(gateway, key);
  }

  /** Removes a port forward; connections through it live on. */
  async close(end: HostEnd): Promise<void> {
    const key = endKey(end);
    this.#set(key, undefined);
    const gateway = this.use.running();
    if (gateway) await closeNow(gateway, end);
    else this.#removed.set(key, end);
  }

  /** Removes those that lead to an address. */
  async closeAll(ip: string): Promise<void> {
    for (const { forward } of [...this.#ports.values()]) if (forward.ip === ip) await this.close(endOf(forward));
    this.#flows.delete(ip);
  }

  /** Whether a port forward is open, and why not. */
  state(end: HostEnd): { open: boolean; problem?: string } {
    const found = this.#ports.get(endKey(end));
    if (!found || !this.use.running()) return { open: false };
    return found.problem === undefined ? { open: true } : { open: false, problem: found.problem };
  }

  #set(key: string, to: { forward: Forward; problem?: string } | undefined): void {
    const ips = [this.#ports.get(key)?.forward.ip, to?.forward.ip];
    if (to) {
      this.#ports.set(key, to);
      this.#removed.delete(key);
    } else this.#ports.delete(key);
    for (const ip of new Set(ips)) {
      if (ip === undefined) continue;
      const mine = [...this.#ports.values()].flatMap(({ forward }) => forward.ip === ip ? [forward] : []);
      this.flowsOf(ip).set(
        mine.map((one) => ({ isUdp: one.protocol === "udp", port: one.port, isPublic: isPublic(one) })),
      );
    }
  }

  async #reopen(gateway: Gateway, key: string): Promise<void> {
    const wanted = this.#ports.get(key);
    if (!wanted) return;
    try {
      await this.#open(gateway, wanted.forward);
      delete wanted.problem;
    } catch (thrown) {
      wanted.problem = describe(thrown);
      log(`gateway: cannot open port ${endText(endOf(wanted.forward))} again: ${wanted.problem}`);
    }
  }

  /** One after the other, so that two calls for the same port do not take each other for another program. */
  #open(gateway: Gateway, forward: Forward): Promise<void> {
    const opened = this.#opening.then(() => openNow(gateway, forward));
    this.#opening = opened.catch(() => {});
    return opened;
  }
}

async function openNow(gateway: Gateway, forward: Forward): Promise<void> {
  const { ip, port, hostPort } = forward;
  const side = sideOf(forward);
  const key = endKey(endOf(forward));
  const there = (await gateway.forwards()).find((one) => endKey(endOf(one)) === key);
  if (there?.ip === ip && there.port === port) return;
  if (there) await gateway.unforward(hostPort, side); // left by a member that is gone
  await gateway.forward(ip, port, hostPort, side);
}

/** Removes one, if it is there. */
async function closeNow(gateway: Gateway, end: HostEnd): Promise<void> {
  try {
    await gateway.unforward(end.host_port, end);
  } catch (thrown) {
    log(`gateway: cannot remove port ${endText(end)}: ${describe(thrown)}`);
  }
}

function endOf({ hostPort, ...forward }: Forward): HostEnd {
  return { ...sideOf(forward), host_port: hostPort };
}

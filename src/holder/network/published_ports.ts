/**
 * The members' port forwards, which users asked for: kept open by this gateway and by its successors.
 *
 * The gateway is asked what is open, never remembered. It knows the gateway and no switch.
 */

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
  /** By host port; with the reason why one is not open. */
  readonly #ports = new Map<number, { ip: string; port: number; problem?: string }>();
  #opening: Promise<void> = Promise.resolve();

  constructor(private readonly use: GatewayUse) {}

  /**
   * Makes a host port lead to a member's port, by this gateway and by its successors. Calling it twice is fine.
   * @throws {FleetboxError} `conflict`: the port is in use; or why the gateway does not run. Then there is no forward.
   */
  async open({ ip, port, hostPort }: Forward): Promise<void> {
    const before = this.#ports.get(hostPort);
    this.#ports.set(hostPort, { ip, port });
    try {
      await this.use.withGateway((gateway) => this.#open(gateway, { ip, port, hostPort }));
    } catch (thrown) {
      if (before) this.#ports.set(hostPort, before);
      else this.#ports.delete(hostPort);
      throw thrown;
    }
  }

  /** The same for a running machine: the reason of a failure is kept for {@link state}. */
  async openAgain({ ip, port, hostPort }: Forward): Promise<void> {
    this.#ports.set(hostPort, { ip, port });
    await this.#reopen(await this.use.ready(), hostPort);
  }

  /** Opens all of them in a new gateway. */
  async openIn(gateway: Gateway): Promise<void> {
    for (const hostPort of this.#ports.keys()) await this.#reopen(gateway, hostPort);
  }

  /** Removes a port forward; connections through it live on. */
  async close(hostPort: number): Promise<void> {
    if (!this.#ports.delete(hostPort)) return;
    try {
      await this.use.running()?.unforward(hostPort);
    } catch (thrown) {
      log(`gateway: cannot remove port ${hostPort}: ${describe(thrown)}`);
    }
  }

  /** Removes those that lead to an address. */
  async closeAll(ip: string): Promise<void> {
    for (const [hostPort, to] of [...this.#ports]) if (to.ip === ip) await this.close(hostPort);
  }

  /** Whether a port forward is open, and why not. */
  state(hostPort: number): { open: boolean; problem?: string } {
    const found = this.#ports.get(hostPort);
    if (!found || !this.use.running()) return { open: false };
    return found.problem === undefined ? { open: true } : { open: false, problem: found.problem };
  }

  async #reopen(gateway: Gateway, hostPort: number): Promise<void> {
    const wanted = this.#ports.get(hostPort);
    if (!wanted) return;
    try {
      await this.#open(gateway, { ...wanted, hostPort });
      delete wanted.problem;
    } catch (thrown) {
      wanted.problem = describe(thrown);
      log(`gateway: cannot open port ${hostPort} again: ${wanted.problem}`);
    }
  }

  /** One after the other, so that two calls for the same port do not take each other for another program. */
  #open(gateway: Gateway, forward: Forward): Promise<void> {
    const opened = this.#opening.then(() => openNow(gateway, forward));
    this.#opening = opened.catch(() => {});
    return opened;
  }
}

async function openNow(gateway: Gateway, { ip, port, hostPort }: Forward): Promise<void> {
  const there = (await gateway.forwards()).find((one) => one.hostPort === hostPort);
  if (there?.ip === ip && there.port === port) return;
  if (there) await gateway.unforward(hostPort); // left by a member that is gone
  await gateway.forward(ip, port, hostPort);
}

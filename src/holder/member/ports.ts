/** A member's port forwards: kept in its config, and open while its machine runs. */

import { FleetboxError } from "../../core/errors.ts";
import type { ForwardWish, PortForward } from "../../core/options.ts";
import { type HostEnd, sideOf } from "../../core/port_forwards.ts";
import { dropForward, madeForward, portProblem, reserveForwards } from "../../store/forwards.ts";
import type { MemberConfig, Store } from "../../store.ts";
import type { ForwardReport } from "../../wire.ts";
import type { Forward } from "../../vmm/contract.ts";
import type { GroupNetwork } from "../network/group_network.ts";

export class MemberPorts {
  #forwards: readonly PortForward[] = [];

  constructor(private readonly name: string, private readonly store: Store, private readonly network: GroupNetwork) {}

  /**
   * Opens the ports of a started or adopted machine.
   * @throws {FleetboxError} `conflict`: one is taken. An adopted machine does not fail because of that.
   */
  async open(ip: string, isAdopted: boolean): Promise<void> {
    const kept = () => this.store.config(this.name)?.forwards ?? [];
    this.#forwards = kept();
    await this.#suit(this.#forwards);
    this.#forwards = kept(); // one may have been removed meanwhile
    await Promise.all(this.#forwards.map(async (forward) => {
      const wanted = leadTo(ip, forward);
      if (isAdopted) return await this.network.ports.openAgain(wanted);
      try {
        await this.network.ports.open(wanted);
      } catch (cause) {
        throw await this.#problem(forward, cause);
      }
    }));
  }

  /**
   * Makes a host port lead to one of the member's, from now on; returns an existing forward.
   * @param ip its machine's address; undefined: it has no machine now, and opens the forwards of its config later.
   * @throws {FleetboxError} `conflict`: the port is taken, or the member is still being made.
   */
  async forward(wish: ForwardWish, ip: () => string | undefined): Promise<PortForward> {
    return await this.store.withMemberLock(this.name, async () => {
      const before = this.#config();
      const after = await reserveForwards(this.store, before, [wish]);
      const made = madeForward(after.forwards!, wish)!;
      const address = ip();
      if (address !== undefined) {
        try {
          await this.#suit([made]);
          await this.network.ports.open(leadTo(address, made));
        } catch (cause) {
          if (after !== before) await this.store.writeConfig(before);
          throw await this.#problem(made, cause);
        }
      }
      this.#forwards = after.forwards!;
      return made;
    });
  }

  /** Removes a host port. @throws {FleetboxError} `not-found`: it does not lead here. */
  async unforward(end: HostEnd): Promise<PortForward> {
    return await this.store.withMemberLock(this.name, async () => {
      this.#config();
      const gone = await dropForward(this.store, this.name, end);
      await this.network.ports.close(end);
      this.#forwards = this.store.config(this.name)?.forwards ?? [];
      return gone;
    });
  }

  /** A gateway that is closed altogether lets no answer by UDP out. */
  async #suit(forwards: readonly PortForward[]): Promise<void> {
    if (forwards.every(({ protocol }) => protocol === undefined)) return;
    await this.network.adapt(`so that answers by UDP of "${this.name}" come through`);
  }

  report(): ForwardReport[] {
    return this.#forwards.map((one) => ({ ...one, ...this.network.ports.state(one) }));
  }

  #config(): MemberConfig {
    const config = this.store.config(this.name);
    if (config) return config;
    throw new FleetboxError("conflict", `"${this.name}" is still being made: it has no ports yet`, {
      hint: `Wait for it: fleetbox wait ${this.name}`,
    });
  }

  async #problem(forward: PortForward, cause: unknown): Promise<unknown> {
    const isTaken = cause instanceof FleetboxError && cause.code === "conflict";
    return isTaken ? await portProblem(this.store, this.name, forward, cause) : cause;
  }
}

function leadTo(ip: string, forward: PortForward): Forward {
  return { ip, port: forward.guest_port, hostPort: forward.host_port, ...sideOf(forward) };
}

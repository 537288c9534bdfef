/**
 * One run of a member's machine: the machine, and its resources in the holder. Released once, by the phase that ends
 * it: first the machine (killed if it still runs), then its console, then its link to the switch.
 */

import type { Architecture, Machine } from "../../vmm/contract.ts";
import type { SshEndpoint } from "../../wire.ts";

/** How a guest's kernel is reached by what runs there as root. */
export interface GuestWay {
  arch: Architecture;
  /** Leads to the agent of an image of ours. Absent: it is reached over SSH. */
  agentSocket?: string;
  /** Whether root takes the key, as on `micro`. Else `sudo` is used. */
  isRoot: boolean;
}

export class MachineRun implements AsyncDisposable {
  readonly #stack = new AsyncDisposableStack();
  #released: Promise<void> | undefined;
  /** Its SSH endpoint, once its port is forwarded. */
  ssh: SshEndpoint | undefined;
  /** The hypervisor's program and arguments; unknown for an adopted machine. */
  command: string[] | undefined;

  /** How its guest's kernel is reached, once its guest answers. */
  guest: GuestWay | undefined;

  /** Whether it did not boot, but goes on where a saved one was. */
  isWarm = false;

  /** Whether a write has failed since its log of writes began. */
  isLogBroken = false;

  /** Whether it may stand still when this process is killed, because it gets a part of the time only. */
  isSqueezed = false;

  /** How many resets this holder has seen: a guest that restarts itself may cause several. */
  resets = 0;

  /** Where its lines begin in the console's log. */
  logStart = 0;

  constructor(readonly machine: Machine, readonly isAdopted: boolean) {}

  /** Adds a resource that is released after the machine, the last added one first. */
  defer(release: () => void | Promise<void>): void {
    this.#stack.defer(release);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#released ??= (async () => {
      await this.machine.kill();
      await this.#stack.disposeAsync();
    })();
  }
}

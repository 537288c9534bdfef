/**
 * One life of a member's machine: the machine, and what it has from its holder while it runs. Released once, by the phase that
 * ends it: the machine first (killed when it is still there), then its console, then its link to the switch.
 */

import type { Machine } from "../../vmm/contract.ts";
import type { SshEndpoint } from "../../wire.ts";

export class MachineRun implements AsyncDisposable {
  readonly #stack = new AsyncDisposableStack();
  #released: Promise<void> | undefined;
  /** Where its SSH server is reached, once its port is forwarded. */
  ssh: SshEndpoint | undefined;
  /** The hypervisor's program and arguments; unknown of a machine that was adopted. */
  command: string[] | undefined;

  /** Where its lines begin in the console's log. */
  logStart = 0;

  constructor(readonly machine: Machine, readonly isAdopted: boolean) {}

  /** Has something released with the machine, after it: the last one that was given first. */
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

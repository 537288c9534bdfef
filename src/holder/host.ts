/**
 * The host's hypervisor, chosen once a holder: which QEMU, which accelerator, and why.
 */

import type { Store } from "../store.ts";
import { type AcceleratorChoice, chooseAccelerator, findQemu } from "../vmm/accelerator.ts";

export interface HypervisorChoice {
  binary: string;
  accelerator: AcceleratorChoice;
}

export class HypervisorHost {
  #choice: Promise<HypervisorChoice> | undefined;
  #known: HypervisorChoice | undefined;

  /** The QEMU that runs machines and gateways. */
  readonly binary: string;

  /** @throws {FleetboxError} `unavailable`: there is no QEMU; `misuse`: FLEETBOX_QEMU names none. */
  constructor(private readonly store: Store) {
    this.binary = findQemu();
  }

  /** The choice, made at the first call. @throws {FleetboxError} `misuse`: FLEETBOX_ACCEL. */
  choice(): Promise<HypervisorChoice> {
    this.#choice ??= this.#choose();
    return this.#choice;
  }

  /** The choice, if it was made already. */
  get known(): HypervisorChoice | undefined {
    return this.#known;
  }

  async #choose(): Promise<HypervisorChoice> {
    const { binary } = this;
    const accelerator = await chooseAccelerator({ binary, cacheFile: this.store.acceleratorCache });
    return this.#known = { binary, accelerator };
  }
}

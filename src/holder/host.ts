/**
 * The host's hypervisors, chosen once a holder: which QEMU, which accelerator, and why; for each kind of machine.
 */

import type { Store } from "../store.ts";
import { type AcceleratorChoice, chooseAccelerator, findQemu } from "../vmm/qemu/accelerator.ts";

/** What a machine is, in QEMU's words. */
type Architecture = "x86_64" | "aarch64";

export interface HypervisorChoice {
  binary: string;
  accelerator: AcceleratorChoice;
}

export class HypervisorHost {
  #choices = new Map<Architecture, Promise<HypervisorChoice>>();
  #known: HypervisorChoice | undefined;

  /** The QEMU that runs gateways, and machines of the host's own kind. */
  readonly binary: string;

  /** @throws {FleetboxError} `unavailable`: there is no QEMU; `misuse`: FLEETBOX_QEMU names none. */
  constructor(private readonly store: Store) {
    this.binary = findQemu();
  }

  /** The QEMU that runs machines of a kind. @throws {FleetboxError} `unavailable`, with what to install. */
  binaryFor(arch: Architecture): string {
    return arch === Deno.build.arch ? this.binary : findQemu(arch);
  }

  /**
   * The choice for machines of a kind, made at the first call.
   * @throws {FleetboxError} `misuse`: FLEETBOX_ACCEL; `unavailable`: no QEMU for them.
   */
  choice(arch: Architecture = Deno.build.arch): Promise<HypervisorChoice> {
    let choice = this.#choices.get(arch);
    if (!choice) this.#choices.set(arch, choice = this.#choose(arch));
    return choice;
  }

  /** The choice for machines of the host's own kind, if it was made already. */
  get known(): HypervisorChoice | undefined {
    return this.#known;
  }

  async #choose(arch: Architecture): Promise<HypervisorChoice> {
    const binary = this.binaryFor(arch);
    const accelerator = await chooseAccelerator({ binary, cacheFile: this.store.acceleratorCache });
    const choice = { binary, accelerator };
    if (arch === Deno.build.arch) this.#known = choice;
    return choice;
  }
}

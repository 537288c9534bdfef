/**
 * The host's hypervisors, chosen once a holder: which program, which accelerator, and why; for each kind of machine.
 */

import type { Store } from "../store.ts";
import type { GroupReport } from "../wire.ts";
import type { AcceleratorChoice, Architecture, Driver } from "../vmm/contract.ts";
import { snapshotFacts } from "../vmm/snapshot_facts.ts";

interface HypervisorChoice {
  binary: string;
  accelerator: AcceleratorChoice;
}

export class HypervisorHost {
  #choices = new Map<Architecture, Promise<HypervisorChoice>>();
  #known: HypervisorChoice | undefined;
  #begun: Promise<unknown> | undefined;

  /** The program that runs gateways, and machines of the host's own kind. */
  readonly binary: string;

  /** @throws {FleetboxError} `unavailable`: there is no such program; `misuse`: the user's choice is not a program. */
  constructor(private readonly store: Store, private readonly driver: Driver) {
    this.binary = driver.findProgram(Deno.build.arch);
  }

  /** The program that runs machines of a kind. @throws {FleetboxError} `unavailable`, with what to install. */
  find(arch: Architecture): string {
    return arch === Deno.build.arch ? this.binary : this.driver.findProgram(arch);
  }

  /**
   * The choice for an architecture, made at the first call.
   * @throws {FleetboxError} `misuse`: the user's choice is not a program; `unavailable`: no hypervisor for them.
   */
  choice(arch: Architecture = Deno.build.arch): Promise<HypervisorChoice> {
    let choice = this.#choices.get(arch);
    if (!choice) this.#choices.set(arch, choice = this.#choose(arch));
    return choice;
  }

  /**
   * Begins what a boot needs to know and takes a process each to find out: the accelerator, and what of this host a saved machine
   * must fit. Failures are for those that ask later.
   */
  begin(): void {
    this.#begun = Promise.allSettled([this.choice(), this.snapshotFacts()]);
  }

  /** Resolves when no such process runs any more. */
  async settled(): Promise<void> {
    await this.#begun;
  }

  /** What runs machines of the host's own kind, if it was chosen already: for the group's report. */
  get report(): GroupReport["accelerator"] {
    if (!this.#known) return undefined;
    const { accelerator, reason, isFallback } = this.#known.accelerator;
    return { name: accelerator, reason, ...(isFallback ? { fallback: true } : {}) };
  }

  /** What a restore must find equal of hypervisor and host. @throws {FleetboxError} `unavailable`: nothing can be saved here */
  async snapshotFacts(arch?: Architecture): Promise<string> {
    const binary = this.find(arch ?? Deno.build.arch);
    const chosen = this.choice(arch).then(({ accelerator }) => accelerator.accelerator);
    return await snapshotFacts(this.driver, binary, chosen);
  }

  async #choose(arch: Architecture): Promise<HypervisorChoice> {
    const binary = this.find(arch);
    const accelerator = await this.driver.choose(binary, this.store.acceleratorCache);
    const choice = { binary, accelerator };
    if (arch === Deno.build.arch) this.#known = choice;
    return choice;
  }
}

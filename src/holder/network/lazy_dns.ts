import type { DnsOptions } from "../../network/dns.ts";
import type { DnsAnswer } from "../../network/dns_frame.ts";
import type { DnsHook } from "../../network/switch.ts";

/**
 * DNS for the members, loaded when the first machine is connected: before that no member can ask, and its codec would
 * be a third of a holder's code at its start. A question during the loading gets no answer, and the guest repeats it.
 */
export class LazyDns implements DnsHook {
  #responder: DnsHook | undefined;
  #isLoading = false;

  constructor(private readonly options: DnsOptions) {}

  load(): void {
    if (this.#isLoading) return;
    this.#isLoading = true;
    void import("../../network/dns.ts").then(({ DnsResponder }) => this.#responder = new DnsResponder(this.options));
  }

  respond(message: Uint8Array, egress: boolean, asker: string): DnsAnswer {
    return this.#responder?.respond(message, egress, asker) ?? "drop";
  }
}

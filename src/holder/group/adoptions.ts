/** Machines of an earlier holder that this one adopts, and what that holder's record says of them until they are adopted. */

import { FleetboxError, type WireError } from "../../core/errors.ts";
import { type Options, optionsOf } from "../../core/options.ts";
import { resolveImage } from "../../image/image.ts";
import type { GroupRecord, Store } from "../../store.ts";
import { isSameProcess, type ProcessIdentity } from "../../system/process.ts";
import { describe, log } from "../log.ts";
import { NeverRan } from "../member/left_behind.ts";
import { rulesOf } from "../member/gateway_use.ts";
import type { Member } from "../member/member.ts";
import type { GroupNetwork } from "../network/group_network.ts";
import type { Recovery } from "./recovery.ts";

type Orphan = Recovery["adopt"][number];

export class Adoptions {
  /** Machines whose adoption is not over: the group's record goes on telling of them, for this holder may be killed, too. */
  readonly #pending = new Map<string, ProcessIdentity>();
  #before: GroupRecord | undefined;

  /**
   * @param options of the group: how long a guest may take, and what is waited for.
   * @param settle makes the faults of an adopted machine again; it does not reject
   */
  constructor(
    private readonly store: Store,
    private readonly options: Options,
    private readonly settle: (name: string) => Promise<void>,
  ) {}

  /** What is to be adopted, and the record of the group. */
  begin(orphans: readonly Orphan[], record: GroupRecord | undefined): void {
    this.#before = record;
    for (const { name, process } of orphans) this.#pending.set(name, process);
  }

  /** The network first, because the guest's connections wait for it. */
  plugEarly(name: string, network: GroupNetwork): void {
    const stored = this.store.readMember(name);
    if (!stored || !("config" in stored)) return; // its adoption reports that
    const { mac, ip } = stored.config;
    network.plugEarly({ name, mac, ip, netSocket: this.store.member(name).netSocket }, rulesOf(stored.config, network));
  }

  /**
   * Adopts one. A failure is in the member's phase, and in the log.
   * @returns whether its machine was ended because nothing had run in it yet
   */
  async run(member: Member, { process, wasRunning }: Orphan): Promise<boolean> {
    try {
      await this.#adopt(member, process, wasRunning);
    } catch (thrown) {
      log(`${member.name}: cannot adopt it: ${describe(thrown)}`);
      return thrown instanceof NeverRan;
    } finally {
      this.#pending.delete(member.name);
    }
    await this.settle(member.name);
    return false;
  }

  /** @throws {FleetboxError} why it cannot be adopted; its machine goes on. */
  async adopt(member: Member, process: ProcessIdentity, wasRunning: boolean): Promise<void> {
    await this.#adopt(member, process, wasRunning);
    await this.settle(member.name);
  }

  async #adopt(member: Member, process: ProcessIdentity, wasRunning: boolean): Promise<void> {
    const { store } = this;
    const { name } = member;
    const since = this.sinceBefore(name, process);
    const orphan = {
      ...{ process, wasRunning, maybeStopped: this.mayBeStopped(name) },
      since: since === undefined ? undefined : new Date(since),
      problem: this.problemBefore(name),
    };
    await member.adopt(orphan, async () => {
      const config = store.config(name);
      if (!config) {
        throw new FleetboxError("not-found", `The directory of "${name}" was deleted, and its machine runs`, {
          hint: `End it: fleetbox stop ${name}`,
        });
      }
      return { config, image: await resolveImage(store, config.image, config.image_id, config), created: false };
    }, optionsOf(this.options, name));
    log(`${name}: adopted, process ${process.pid}`);
  }

  /** The process of a machine whose adoption is not over. */
  pending(name: string): ProcessIdentity | undefined {
    return this.#pending.get(name);
  }

  /** Whether its guest had answered the earlier holder, and its adoption is not over. */
  hadAnswered(name: string): boolean {
    return this.#pending.has(name) && this.#before!.running.includes(name);
  }

  /** Whether the earlier holder may have left its machine standing still, and it was not continued yet. */
  mayBeStopped(name: string): boolean {
    return this.#pending.has(name) && (this.#before!.squeezed?.includes(name) ?? false);
  }

  /** What had failed in it under the earlier holder, while its adoption is not over. */
  problemBefore(name: string): WireError | undefined {
    return this.#pending.has(name) ? this.#before!.problems?.[name] : undefined;
  }

  /** Since when a machine was running under the earlier holder, ISO 8601. */
  sinceBefore(name: string, process: ProcessIdentity | undefined): string | undefined {
    return isSameProcess(this.#before?.hypervisors[name], process) ? this.#before?.since?.[name] : undefined;
  }

  /** The port of this host that led to its SSH server. */
  sshPortBefore(name: string): number | undefined {
    return this.#before?.ssh_ports[name];
  }
}

/**
 * Whether a group that is to be adopted is as it was when that was decided: between the look and the claim another
 * holder may have adopted it, and even have ended it.
 */
export function isUnchanged(store: Store, { id, holder }: GroupRecord): boolean {
  return isSameProcess(store.groupRecords().find((record) => record.id === id)?.holder, holder);
}

export function adoptedByOthers(group: string): FleetboxError {
  return new FleetboxError("conflict", `The group of "${group}" was adopted by another process meanwhile`, {
    hint: "Try again.",
  });
}

/**
 * The group that this holder serves: its members, its network, its record, and its end.
 *
 * A first boot is all or nothing: when one member fails, the others of that boot are stopped again, and new members are
 * removed; the names stay claimed until a client has asked for the reason. A member that is added later and fails
 * leaves the group as it was. A member whose machine dies by itself stays, in `error`, until it is stopped or started
 * again. The group ends with its last member; its gateway, its record and its sockets go with it. The number of active
 * members is counted from their states, never stored.
 */

import { checkName } from "../../core/names.ts";
import { type Options, optionsOf } from "../../core/options.ts";
import { endProcesses } from "../../system/end_processes.ts";
import type { ProcessIdentity } from "../../system/process.ts";
import type { GroupRecord, Store } from "../../store.ts";
import { driver } from "../../vmm/driver.ts";
import type { GroupReport } from "../../wire.ts";
import { Claims } from "./claims.ts";
import { FirstBoot } from "./first_boot.ts";
import { EventHub } from "../server/events.ts";
import type { HypervisorHost } from "../host.ts";
import { wasRestricted } from "./egress.ts";
import { GroupUses } from "./uses.ts";
import { describe, log } from "../log.ts";
import type { Identity } from "../member/identity.ts";
import { Member, type MemberContext } from "../member/member.ts";
import type { StopRequest } from "../member/stop.ts";
import { type GroupNetwork, networkOf } from "./network_of.ts";
import { checkBeforeBoot } from "../member/prepare.ts";
import { checkHostNames, Identities } from "./identities.ts";
import { adoptedByOthers, Adoptions, isUnchanged } from "./adoptions.ts";
import { ending, Joins } from "./joins.ts";
import { Gate } from "./gate.ts";
import { LaterWork } from "./later.ts";
import { Leaves } from "./leaves.ts";
import { clearLeftovers, findRecovery } from "./leftovers.ts";
import { GroupLife } from "./life.ts";
import { removeQuietly, sweepGroup } from "./sweep.ts";
import { type GroupFacts, groupRecord, groupReport } from "./reports.ts";
import { removeCreated, removeOwned } from "./owned.ts";
import { checkCheckpoint } from "../snapshots/sources.ts";
import { GroupFaults } from "../faults/of_group.ts";
import { GroupSaves } from "./saves.ts";
import { RecordWriter } from "./record_writer.ts";
import type { Recovery } from "./recovery.ts";

interface GroupOptions {
  store: Store;
  host: HypervisorHost;
  names: readonly string[];
  options: Options;
  bound: boolean;
  /** Whether a guardian has started it, and no command. @default false */
  isComeback?: boolean;
  /** Gets each connection to a member's socket. */
  onConnection: (group: Group, name: string, conn: Deno.UnixConn) => void;
  /** Called when the group's record has been written. */
  onRecord: (record: GroupRecord) => Promise<void>;
}

export class Group {
  readonly hub = new EventHub();
  readonly name: string;
  readonly id: string;
  /** Resolved when the last member has left and everything is released. */
  readonly ended: Promise<void>;
  readonly #members = new Map<string, Member>();
  /** The group's members, stopped ones included. */
  readonly #belongs = new Set<string>();
  readonly #identities: Identities;
  readonly #uses: GroupUses;
  /** The removal of what failed boots made. */
  readonly #discards = new LaterWork();
  /** Templates that are being made. */
  readonly #later = new LaterWork();
  readonly #claims: Claims;
  readonly #network: GroupNetwork;
  readonly #context: MemberContext;
  readonly #adoptions: Adoptions;
  #guardian: ProcessIdentity | undefined;
  readonly #end = Promise.withResolvers<void>();
  readonly #life = new GroupLife();
  /** Leaving members: their names are still claimed. */
  readonly #leaves: Leaves;
  readonly firstBoot: FirstBoot = new FirstBoot({
    hub: this.hub,
    boot: (member) => this.#boot(member, optionsOf(this.options.options, member.name)),
    discard: (member) => this.#discard(member, { stays: true }),
    leave: (member) => this.#leaves.begin(member),
  });
  readonly saves: GroupSaves;
  readonly faults: GroupFaults;
  readonly #record: RecordWriter;
  readonly #joins: Joins;
  /** Resolved when every initial member is being adopted or booted. */
  readonly #begun = Promise.withResolvers<void>();

  /**
   * Finds leftovers of earlier holders, ends bound ones, and returns a group that has not claimed its members yet.
   * @throws {FleetboxError} `conflict`: such a group cannot adopt running machines; `unavailable`: no hypervisor; …
   */
  static async prepare(options: GroupOptions): Promise<{ group: Group; recovery: Recovery }> {
    const { store, host } = options;
    const { names, recovery } = await findRecovery(options);
    checkBeforeBoot(store, recovery.boot, options.options);
    checkHostNames(store, recovery.boot, recovery.record?.members ?? [], options.options);
    await checkCheckpoint(store, host, options.options);
    await endProcesses(recovery.doomed, "A hypervisor of a group whose holder is gone");
    return { group: new Group({ ...options, names }, recovery), recovery };
  }

  /**
   * Claims the members, and removes the remains of groups without running processes.
   * @throws {FleetboxError} `conflict`: another holder serves one of them; `interrupted`: the group was ended meanwhile
   */
  async claim({ adopt, stale, record }: Recovery): Promise<void> {
    const { store, names } = this.options;
    const all = new Set([...adopt.map(({ name }) => name), ...names]);
    await this.#claims.endLastWords(names);
    for (const name of await clearLeftovers(store, this.#claims, { stale, record }, all)) this.#belongs.add(name);
    // Before any claim, so that there is a record for the sweep if we are killed from now on.
    if (!record) {
      this.#life.hold("record");
      await this.#record.write();
    }
    try {
      await this.#claims.take([...all]);
    } catch (thrown) {
      if (!record) removeQuietly([store.group(this.id).record]);
      throw thrown;
    }
    if (record && !isUnchanged(store, record)) {
      await this.#claims.releaseAll();
      throw adoptedByOthers(this.name);
    }
    this.#life.hold("members");
    this.#adoptions.begin(adopt, record);
    for (const name of all) this.#members.set(name, new Member(name, this.#context));
    // They must not look stopped until their turn comes.
    for (const { name, process } of adopt) this.#members.get(name)!.phases.to({ kind: "orphaned", process });
    if (this.#life.isOpen) return;
    this.#begun.resolve();
    await this.shutDown({ force: true, graceMs: 0 });
    throw ending(this.name);
  }

  private constructor(private readonly options: GroupOptions, { record: before, boot }: Recovery) {
    const { store, names, bound, host } = options;
    this.name = before?.group ?? names[0];
    this.id = before?.id ?? crypto.randomUUID().replaceAll("-", "").slice(0, 12);
    this.ended = this.#end.promise;
    this.#record = new RecordWriter(store, () => groupRecord(this, this.#facts), options.onRecord);
    this.#identities = new Identities(store);
    this.#adoptions = new Adoptions(store, options.options, (name) => this.faults.settle(name));
    this.#claims = new Claims(store, (name, conn) => options.onConnection(this, name, conn));
    const onNote = (message: string) => this.hub.tell({ event: "note", message });
    this.#network = networkOf({
      store,
      id: this.id,
      binary: host.binary,
      bound,
      identities: this.#identities,
      isActive: (name) => /^(running|starting)$/.test(this.#members.get(name)?.state ?? ""),
      belongs: this.#belongs,
      isOpen: () => this.#uses.needOpenGateway(),
      onChange: () => void this.#record.note(),
      onNote,
    });
    this.#uses = new GroupUses(store, this.#belongs, before, (name) => this.#members.get(name)?.config);
    this.#context = {
      gate: Gate.of({ store, names, boot, options: options.options, roster: this.#members, hub: this.hub }),
      store,
      group: this.name,
      groupId: this.id,
      bound,
      driver,
      host,
      network: this.#network,
      writePid: (name) => this.#claims.writePid(name),
      onNote,
      inTurn: (work) => this.saves.inTurn(work),
      later: (work) => void this.#later.add(work),
      onDetail: (detail) => this.hub.tell(detail),
      onOutput: (output) => this.hub.tell(output),
      onChange: (member) => {
        this.hub.tell({ event: "member", member: member.report() });
        void this.#record.note();
      },
      onPowerOff: (member) => void this.#leaves.begin(member),
      onSqueeze: () => this.#record.note(),
      faults: () => this.faults,
    };
    this.faults = new GroupFaults(this.#network, this.#members, this.hub, this.#record);
    this.saves = new GroupSaves({
      store,
      name: this.name,
      network: this.#network,
      members: () => this.members,
      hub: this.hub,
      facts: () => host.snapshotFacts(),
      end: (member) => this.stop(member.name, { force: true, graceMs: 0 }),
    });
    const shared = {
      store,
      roster: this.#members,
      belongs: this.#belongs,
      claims: this.#claims,
      life: this.#life,
      record: this.#record,
      firstBoot: this.firstBoot,
      finish: () => this.#finish(),
    };
    this.#leaves = new Leaves({ ...shared, identities: this.#identities, network: this.#network, hub: this.hub });
    this.#joins = new Joins({
      ...shared,
      context: this.#context,
      options: options.options,
      adoptions: this.#adoptions,
      boot: (member, options) => this.#boot(member, options),
      discard: (member) => this.#discard(member),
      leave: (member) => this.#leaves.begin(member),
    });
  }

  async #boot(member: Member, options: Options): Promise<void> {
    const decided = this.#uses.decide(member.name, options);
    try {
      await member.boot(this.#assign(member.name, decided), decided);
    } finally {
      if (!member.booting) this.#uses.decided(member.name);
    }
  }

  /** The guardian, which adopts the group if this process is killed; undefined: there is none. */
  guardedBy(guardian: ProcessIdentity | undefined): void {
    this.#guardian = guardian;
    void this.#record.note();
  }

  get members(): Member[] {
    return [...this.#members.values()];
  }

  member(name: string): Member | undefined {
    return this.#members.get(name);
  }

  /** Adopts and boots the members of the verdict. Failures are in the members' states and in the log. */
  async start(recovery: Recovery): Promise<void> {
    try {
      await this.#start(recovery);
    } finally {
      this.#begun.resolve();
    }
  }

  async #start({ adopt, boot, record }: Recovery): Promise<void> {
    const adopted = adopt.map(({ name }) => this.#identities.adopt(name) ?? this.#assign(name, {}));
    const ips = [...adopted, ...boot.map((name) => this.#assign(name, this.options.options))].map(({ ip }) => ip);
    if (record) {
      await this.faults.adopt(record);
      await this.#uses.settle(record).catch((thrown) => log(`cannot note its members' egress: ${describe(thrown)}`));
    }
    for (const name of boot) this.#uses.decide(name, optionsOf(this.options.options, name)); // the gateway is made for them
    const ports = this.#identities.byAddress(record?.ssh_ports ?? {});
    for (const { name, wasRunning } of adopt) if (wasRunning) this.#adoptions.plugEarly(name, this.#network);
    await this.#record.note(); // before any machine runs, so that a dying holder's hypervisors can be found
    if (!this.#life.isOpen) return;
    this.#network.open(ips, record && { process: record.gateway, ports, restricted: wasRestricted(record) });
    // All of them begin in this very turn, so that a waiting stop finds them.
    const begun = adopt.map((one) => this.#adopt(one));
    if (this.#life.isOpen) begun.push(this.firstBoot.run(boot.map((name) => this.#members.get(name)!)));
    this.#begun.resolve();
    await Promise.all(begun);
  }

  async #adopt(orphan: Recovery["adopt"][number]): Promise<void> {
    const member = this.#members.get(orphan.name)!;
    if (await this.#adoptions.run(member, orphan)) await this.#joins.startAgain(member, this.options.isComeback);
    void this.#record.note();
  }

  /** Removes the files of a failed boot; releases the member unless it `stays` to report the reason. */
  async #discard(member: Member, { stays = false } = {}): Promise<void> {
    await this.#discards.add(this.#removeCreated(member));
    if (!stays) return await this.#leaves.begin(member);
    await this.#claims.writePid(member.name).catch((thrown) => log(`${member.name}: ${describe(thrown)}`));
  }

  async #removeCreated(member: Member): Promise<void> {
    if (this.#members.get(member.name) !== member) return;
    const { store, options: { remove_on_failure: isWanted = true } } = this.options;
    if (!await removeCreated(store, member, isWanted)) return;
    this.#uses.decided(member.name);
    this.#network.settle();
  }

  /** Boots a member onto this network, see {@link Joins.add}. */
  async add(name: string, options: Options = {}): Promise<void> {
    await this.#begun.promise;
    await this.#joins.add(checkName(name), options);
  }

  /** Stops a member; returns when its machine is gone and its name is free. */
  async stop(name: string, request: StopRequest): Promise<void> {
    await this.#begun.promise;
    const member = this.#members.get(name);
    if (!member) return await this.#leaves.of(name);
    await member.stop(request);
    await this.#leaves.begin(member);
  }

  /** Ends the group: every member at once, `force` without asking the guests. */
  async shutDown(request: StopRequest): Promise<void> {
    this.#life.advance("ending");
    await Promise.all(
      this.members.map((member) => this.stop(member.name, request).catch(() => this.#leaves.begin(member))),
    );
    await this.ended;
  }

  /** Resolves when the files of failed boots are removed; the group may end before that. */
  discarded(): Promise<void> {
    return this.#discards.settled();
  }

  /** Resolves when nothing goes on beside the members' lives any more. */
  settled(): Promise<void> {
    return this.#later.settled();
  }

  /**
   * Removes the members of this holder's client with their disks, and the holder's log when no member is left. For use
   * after the client is gone and the group has ended; a member that another process has started meanwhile stays.
   */
  async removeOwned(): Promise<void> {
    const { store, names, options: { owner } } = this.options;
    await this.discarded();
    if (owner) await removeOwned(store, [...this.#belongs], { owner, holderLog: store.holderLog(names[0]) });
  }

  async #finish(): Promise<void> {
    if (!this.#life.advance("ended")) return;
    this.#record.end();
    this.faults.close();
    await this.#network.close();
    await this.#record.written();
    await this.#claims.releaseAll(); // others may still be leaving
    removeQuietly(Object.values(this.options.store.group(this.id)));
    this.#end.resolve();
  }

  /** Whether the members are claimed: before that, the group has only its record. */
  get hasClaimed(): boolean {
    return this.#life.holds === "members";
  }

  /** Resolves when a pending write of the record is done. Never rejects. */
  written(): Promise<void> {
    return this.#record.written();
  }

  /** Removes all files of the group in the store's `run` at once, just before this process exits. */
  sweep(): void {
    const { store } = this.options;
    this.#life.advance("ended");
    this.#record.end();
    const names = this.#claims.abandon();
    store.sweepTemporary(names, Deno.pid);
    sweepGroup(store, this.id, names, this.#life.holds);
  }

  /** Who a member is on this network. @throws why it cannot be what it is asked to be */
  #assign(name: string, options: Options): Identity {
    const identity = this.#identities.assign(name, this.#belongs, options);
    const member = this.#members.get(name);
    if (member) member.identity = identity;
    return identity;
  }

  /** The whole group, after asking all hypervisors at once whether they answer. */
  async askedReport(): Promise<GroupReport> {
    const members = await Promise.all(this.members.map((member) => member.askedReport()));
    return groupReport(this, this.#facts, this.options.host.report, members);
  }

  get #facts(): GroupFacts {
    return {
      bound: this.options.bound,
      belongs: this.#belongs,
      uses: this.#uses.all(),
      network: this.#network,
      adoptions: this.#adoptions,
      faults: this.faults.stored(),
      guardian: this.#guardian,
    };
  }
}

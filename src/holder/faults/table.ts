/**
 * The faults of a group: one table with ids, ends and counts, which outlives clients and holders.
 *
 * A fault begins here and ends here: at its time, when it is healed, when the member that it stands for leaves, or with the
 * group. What it means for the links is computed anew at each change (`pairs.ts`), and the switch is told what is
 * different. The group's record has the table, so that the holder that adopts the group goes on with it.
 */

import { startLimit } from "../../core/deadline.ts";
import { FleetboxError, messageOf } from "../../core/errors.ts";
import { faultText } from "../../core/faults/text.ts";
import {
  checkFault,
  checkFaultTimes,
  type FaultWish,
  GATEWAY,
  isOfMachine,
  type MachineFault,
  type MachineFaultKind,
  namesOfFault,
} from "../../core/faults.ts";
import { IN_GUEST } from "../../core/faults/machines.ts";
import { listed } from "../../core/names.ts";
import { newSeed } from "../../core/random.ts";
import type { FaultCounts, LinkConditions } from "../../network/faults/conditions.ts";
import type { GroupRecord, StoredFault } from "../../store/records.ts";
import type { FaultEvent, FaultReport } from "../../wire.ts";
import { log } from "../log.ts";
import {
  type AllConditions,
  areSame,
  conditionsOf,
  type Fault,
  faultEvent,
  fixedPairs,
  isOn,
  linkCounts,
  membersOf,
  type PresentFault,
} from "./pairs.ts";
import type { FaultyMember } from "./machine/maker.ts";
import { faultsIn, newFaultId, ownClock, storedFault, type Timed, timedFault } from "./stored.ts";
import { Turns } from "./turns.ts";
import { UnsettledFaults } from "./unsettled.ts";

/** How many faults a group may have at once. */
const MAX_FAULTS = 10_000;

/** How many faults a member's report tells. */
const MAX_TOLD = 20;

/** The network's part. */
export interface FaultyNetwork {
  setConditions(from: string, to: string, conditions: LinkConditions | undefined): void;
  faultCounts(): ReadonlyMap<string, FaultCounts>;
  forgetFault(id: string): void;
}

interface TableContext {
  network: FaultyNetwork;
  members(): readonly FaultyMember[];
  /** Called when the table has changed, with the names of the members that are concerned. */
  onChange(names: readonly string[]): void;
  /** Writes the group's record. */
  note(): Promise<void>;
  /** Called for each fault that begins or ends. */
  onFault(event: FaultEvent): void;
}

interface Entry extends Timed, PresentFault {
  /** Ends what ends it at its time. */
  endLimit: () => void;
  /** Ends a flap's turns. */
  endTurns: () => void;
}

export class FaultTable {
  readonly #faults = new Map<string, Entry>();
  /** Those of machines that are just beginning. */
  readonly #beginning = new Set<Fault>();
  readonly #unsettled = new UnsettledFaults();
  /** Members that stood still when they were adopted, with faults in their guests. */
  readonly #still = new Set<string>();
  /** What is done to the machines, by member and kind: one after the other. */
  readonly #turns = new Turns();
  #isClosed = false;
  /** What the switch was told of each pair. */
  #told = new Map<string, AllConditions>();
  /** The members that were counted then. */
  #roster = "";

  constructor(private readonly context: TableContext) {}

  /**
   * Begins a fault; returns when it has an effect.
   * @throws {FleetboxError} `misuse`; `not-found`: a name is no member of this group; `conflict`
   */
  async begin({ spec: asked, forMs, seed: wish }: FaultWish): Promise<FaultReport> {
    const spec = checkFault(asked);
    checkFaultTimes({ forMs, seed: wish });
    this.#checkNames(namesOfFault(spec));
    if (this.#faults.size >= MAX_FAULTS) {
      throw new FleetboxError("conflict", `The group has ${MAX_FAULTS} faults, which is the most`, {
        hint: "End some of them: fleetbox heal",
      });
    }
    const seed = wish ?? newSeed();
    const pairs = fixedPairs(spec, this.#names(), seed);
    if (pairs?.length === 0) {
      throw new FleetboxError("conflict", `This fault would hit nothing: ${faultText(spec)}`, {
        hint: "A partition needs at least two members that run.",
      });
    }
    const now = performance.now();
    const fault = {
      ...{ id: newFaultId(this.#faults), spec, seed, since: new Date().toISOString(), beganMs: now },
      ...(forMs === undefined ? {} : { endsMs: now + forMs }),
      ...(pairs ? { pairs } : {}),
    };
    const entry = isOfMachine(spec) ? await this.#beginOnMachine({ ...fault, spec }) : this.#enter(fault);
    log(`fault ${fault.id}: ${faultText(spec)}, seed ${seed}`);
    this.#apply();
    this.context.onFault(faultEvent("fault-began", fault, this.#names()));
    this.context.onChange(membersOf(fault, this.#names()));
    return (await this.#reports([entry]))[0];
  }

  async #beginOnMachine(fault: Timed & { spec: MachineFault }): Promise<Entry> {
    const { spec: { kind, member } } = fault;
    this.#beginning.add(fault);
    const noted = [storedFault(fault, ownClock())]; // a holder that is killed amid this is followed by one that undoes it
    this.#unsettled.add(noted);
    try {
      await this.context.note();
      return await this.#turns.take(turnOf(fault.spec), async () => {
        await this.#member(member)?.apply(kind, [...this.#onMachine(member, kind), fault]);
        if (!this.#isClosed && this.#member(member)?.hasMachine) return this.#enter(fault);
        throw new FleetboxError("conflict", `"${member}" has ended meanwhile`);
      });
    } finally {
      this.#beginning.delete(fault);
      this.#unsettled.delete(noted);
    }
  }

  /**
   * Goes on with an earlier holder's. Those that have ended meanwhile are left out, and undone by {@link settle}, which follows for each
   * machine that was adopted.
   */
  adopt(record: Pick<GroupRecord, "faults">): void {
    const faults = faultsIn(record);
    this.#unsettled.add(faults);
    const clock = ownClock(), now = performance.now();
    for (const fault of faults.map((one) => timedFault(one, clock))) {
      if ((fault.endsMs ?? Infinity) > now) this.#enter(fault);
    }
    if (faults.length > 0) log(`faults: ${this.#faults.size} of ${faults.length} go on`);
    this.#apply();
  }

  /**
   * Makes the faults of a machine again, when it was adopted, and undoes those that have ended since its holder died: in a guest that
   * stands still when it goes on. A failure is in the log, and ends the fault.
   */
  async settle(name: string): Promise<void> {
    const left = this.#unsettled.of(name);
    const kinds = new Set([...left, ...this.#onMachine(name)].map(({ spec }) => spec.kind));
    await Promise.all([...kinds].map(async (kind) => {
      try {
        await this.#turns.take(turnOf({ member: name, kind }), async () => {
          await this.#member(name)?.apply(kind, this.#onMachine(name, kind), true);
        });
      } catch (thrown) {
        const faults = this.#onMachine(name, kind);
        const ids = new Set([...faults, ...left.filter(({ spec }) => spec.kind === kind)].map(({ id }) => id));
        log(`faults ${listed([...ids])}: cannot be made again, or undone: ${messageOf(thrown)}`);
        this.#end(faults);
      }
    }));
    if (this.#member(name)?.standsStill && IN_GUEST.some((kind) => kinds.has(kind))) this.#still.add(name);
    else this.#unsettled.delete(left);
  }

  /** What made these faults of a machine is gone, and so they end: its guest has restarted, say. */
  async lost(name: string, kinds: readonly MachineFaultKind[], why: string): Promise<void> {
    await Promise.all(kinds.map((kind) =>
      this.#turns.take(turnOf({ member: name, kind }), () => {
        const gone = this.#onMachine(name, kind);
        if (gone.length === 0) return Promise.resolve();
        log(`${name}: its faults of the kind ${kind} are gone: ${why}`);
        this.#member(name)?.forget(kind);
        this.#end(gone);
        this.context.onChange([name]);
        return Promise.resolve();
      })
    ));
  }

  /** Whether a member is to stand still. */
  isPaused(name: string): boolean {
    return this.#onMachine(name, "pause").length > 0;
  }

  /** The faults of a member's machine, those that are just beginning among them. */
  onMachine(name: string): { id: string; what: string }[] {
    return [...this.#onMachine(name), ...[...this.#beginning].filter(({ spec }) => isOn(spec, name))]
      .map(({ id, spec }) => ({ id, what: faultText(spec) }));
  }

  /**
   * Ends faults: these, or all.
   * @throws {FleetboxError} `not-found`: there is none of that id; `failed`: they have ended, and a machine is not as it was before
   */
  async heal(ids: readonly string[] = [...this.#faults.keys()]): Promise<FaultReport[]> {
    const ending = ids.map((id) => this.#require(id));
    const reports = await this.#reports(ending);
    const failures = await this.#finish(ending);
    if (failures.length === 0) return reports;
    throw new FleetboxError("failed", failures.join("; "), { hint: "Its power can be cut: fleetbox stop --force" });
  }

  async reports(): Promise<FaultReport[]> {
    return await this.#reports([...this.#faults.values()]);
  }

  /** The faults that a member is under, in words: the first of them, and how many there are. */
  of(name: string): { first: { id: string; what: string }[]; count: number } {
    if (this.#faults.size === 0) return { first: [], count: 0 };
    const names = this.#names();
    const all = [...this.#faults.values()].filter((entry) => membersOf(entry, names).includes(name));
    const first = all.slice(0, MAX_TOLD).map(({ id, spec }) => ({ id, what: faultText(spec) }));
    return { first, count: all.length };
  }

  /** For the group's record. */
  stored(): StoredFault[] {
    const clock = ownClock();
    const present = [...this.#faults.values()].map((fault) => storedFault(fault, clock));
    return [...present, ...this.#unsettled.ended((id) => this.#faults.has(id))];
  }

  /** A member has come or gone, or its machine: who is meant by "all" is others now, and faults of a machine end with it. */
  rosterChanged(): void {
    const there = new Set(this.context.members().filter(({ hasMachine }) => hasMachine).map(({ name }) => name));
    this.#unsettled.keep(there);
    for (const name of this.#still) {
      if (this.#member(name)?.standsStill) continue;
      this.#still.delete(name);
      if (there.has(name)) void this.settle(name);
    }
    if (this.#faults.size === 0) return;
    const gone = [...this.#faults.values()].filter(({ spec }) => isOfMachine(spec) && !there.has(spec.member));
    if (gone.length > 0) this.#end(gone);
    else if (this.#names().join() !== this.#roster) this.#apply();
  }

  /** The group has ended. */
  close(): void {
    this.#isClosed = true;
    this.#still.clear();
    for (const entry of this.#faults.values()) {
      entry.endLimit();
      entry.endTurns();
    }
    this.#faults.clear();
  }

  #enter(fault: Timed): Entry {
    const entry: Entry = { ...fault, isOn: true, endLimit: () => {}, endTurns: () => {} };
    this.#faults.set(fault.id, entry);
    if (fault.endsMs !== undefined) {
      entry.endLimit = startLimit(Math.max(1, fault.endsMs - performance.now()), () => void this.#finish([entry]));
    }
    if (fault.spec.kind === "flap") this.#turn(entry, fault.spec);
    return entry;
  }

  /** A flap is on, then off, and so on. */
  #turn(entry: Entry, { downMs, upMs }: { downMs: number; upMs: number }): void {
    const timer = setTimeout(() => {
      entry.isOn = !entry.isOn;
      this.#turn(entry, { downMs, upMs });
      this.#apply();
    }, entry.isOn ? downMs : upMs);
    entry.endTurns = () => clearTimeout(timer);
  }

  /** Ends faults, and what they do to machines. @returns what could not be undone: it is in the log, too */
  async #finish(ending: readonly Entry[]): Promise<string[]> {
    const present = ending.filter(({ id }) => this.#faults.has(id));
    if (present.length === 0) return [];
    const names = this.#names();
    const concerned = new Set(present.flatMap((entry) => membersOf(entry, names)));
    this.#end(present);
    const specs = present.map(({ spec }) => spec).filter(isOfMachine);
    const changed = Map.groupBy(specs, turnOf);
    const failures: string[] = [];
    await Promise.all([...changed.values()].map(async ([spec]) => {
      const { member, kind } = spec;
      try {
        await this.#turns.take(turnOf(spec), async () => {
          await this.#member(member)?.apply(kind, this.#onMachine(member, kind));
        });
      } catch (thrown) {
        const failure = `${member} is not as it was before the fault (${faultText(spec)}): ${messageOf(thrown)}`;
        log(failure);
        failures.push(failure);
      }
    }));
    this.context.onChange([...concerned]);
    return failures;
  }

  #end(ending: readonly Entry[]): void {
    const counts = this.context.network.faultCounts();
    for (const entry of ending) {
      const did = linkCounts(entry, counts);
      log(`fault ${entry.id}: ended; it did ${JSON.stringify(did)}`);
      entry.endLimit();
      entry.endTurns();
      this.#faults.delete(entry.id);
      const ended = faultEvent("fault-ended", entry, this.#names());
      this.context.onFault(Object.keys(did).length > 0 ? { ...ended, counts: did } : ended);
    }
    this.#apply();
    for (const { id } of ending) this.context.network.forgetFault(id);
  }

  /** Tells the switch what is different since the last time. */
  #apply(): void {
    const { network } = this.context;
    const names = this.#names();
    this.#roster = names.join();
    const all = conditionsOf([...this.#faults.values()], names);
    for (const key of new Set([...all.keys(), ...this.#told.keys()])) {
      if (areSame(all.get(key), this.#told.get(key))) continue;
      const [from, to] = key.split(" ");
      network.setConditions(from, to, all.get(key));
    }
    this.#told = all;
  }

  async #reports(entries: readonly Entry[]): Promise<FaultReport[]> {
    const [names, counts, now] = [this.#names(), this.context.network.faultCounts(), performance.now()];
    return await Promise.all(entries.map(async (entry) => {
      const { id, spec, seed, since, endsMs, isOn } = entry;
      return {
        ...{ id, kind: spec.kind, what: faultText(spec), spec, seed, members: membersOf(entry, names), since },
        ...(endsMs === undefined ? {} : { left_ms: Math.max(0, Math.round(endsMs - now)) }),
        ...(isOn ? {} : { is_off: true }),
        counts: isOfMachine(spec) ? await this.#machineCounts(entry, spec) : linkCounts(entry, counts),
      };
    }));
  }

  /** A machine that does not tell has no counts. */
  async #machineCounts({ id, beganMs }: Entry, { kind, member }: MachineFault): Promise<Record<string, number>> {
    if (kind === "pause") return { paused_ms: Math.round(performance.now() - beganMs) };
    try {
      return await this.#member(member)?.counts(kind, id) ?? {};
    } catch (thrown) {
      log(`fault ${id}: ${member} does not tell what it has done: ${messageOf(thrown)}`);
      return {};
    }
  }

  #checkNames(asked: readonly string[]): void {
    const names = this.#names();
    const unknown = asked.find((name) => name !== GATEWAY && !names.includes(name));
    if (unknown === undefined) return;
    throw new FleetboxError("not-found", `"${unknown}" is not running in this group`, {
      hint: `In it: ${listed(names)}, and ${GATEWAY}`,
    });
  }

  #require(id: string): Entry {
    const entry = this.#faults.get(id);
    if (entry) return entry;
    throw new FleetboxError("not-found", `There is no fault "${id}"`, { hint: "List them: fleetbox fault ls" });
  }

  #onMachine(name: string, kind?: MachineFaultKind): (Entry & { spec: MachineFault })[] {
    return [...this.#faults.values()].filter((entry): entry is Entry & { spec: MachineFault } =>
      isOn(entry.spec, name) && (kind === undefined || entry.spec.kind === kind)
    );
  }

  #member(name: string): FaultyMember | undefined {
    return this.context.members().find((one) => one.name === name);
  }

  #names(): string[] {
    return this.context.members().map(({ name }) => name);
  }
}

/** What is done to a machine because of its faults of one kind is done one after the other. */
function turnOf({ member, kind }: Pick<MachineFault, "member" | "kind">): string {
  return `${member} ${kind}`;
}

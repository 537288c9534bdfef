/**
 * The faults of a group: one table with ids, ends and counts, which outlives clients and holders.
 *
 * A fault begins here and ends here: at its time, when it is healed, when the member that it stands for leaves, or with the
 * group. What it means for the links is computed anew at each change (`pairs.ts`), and the switch is told what is
 * different. The group's record has the table, so that the holder that adopts the group goes on with it.
 */

import { startLimit } from "../../core/deadline.ts";
import { FleetboxError, messageOf } from "../../core/errors.ts";
import { faultText } from "../../core/fault_text.ts";
import { checkFault, checkFaultTimes, type FaultWish, GATEWAY, namesOfFault } from "../../core/faults.ts";
import { listed } from "../../core/names.ts";
import { newSeed } from "../../core/random.ts";
import type { FaultCounts, LinkConditions } from "../../network/faults/conditions.ts";
import type { GroupRecord, StoredFault } from "../../store/records.ts";
import type { FaultReport } from "../../wire.ts";
import { log } from "../log.ts";
import {
  type AllConditions,
  areSame,
  conditionsOf,
  type Fault,
  fixedPairs,
  membersOf,
  type PresentFault,
} from "./pairs.ts";
import { faultsIn } from "./stored.ts";

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

/** What the table needs of a member. */
export interface FaultyMember {
  readonly name: string;
  /** Stops its virtual CPUs. @throws {FleetboxError} `conflict`: it does not run, or is paused for another reason */
  hold(why: string): Promise<void>;
  /** Lets them run again, unless they are paused for another reason. */
  release(): Promise<void>;
}

interface TableContext {
  network: FaultyNetwork;
  members(): readonly FaultyMember[];
  /** Called when the table has changed, with the names of the members that are concerned. */
  onChange(names: readonly string[]): void;
}

/** A fault with its times on the clock of this process. */
interface Timed extends Fault {
  beganMs: number;
  endsMs?: number;
}

interface Entry extends Timed, PresentFault {
  /** Ends what ends it at its time. */
  endLimit: () => void;
  /** Ends a flap's turns. */
  endTurns: () => void;
}

export class FaultTable {
  readonly #faults = new Map<string, Entry>();
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
      ...{ id: this.#newId(), spec, seed, since: new Date().toISOString(), beganMs: now },
      ...(forMs === undefined ? {} : { endsMs: now + forMs }),
      ...(pairs ? { pairs } : {}),
    };
    if (spec.kind === "pause") await this.#member(spec.member)!.hold(byFault(fault));
    const entry = this.#enter(fault);
    log(`fault ${fault.id}: ${faultText(spec)}, seed ${seed}`);
    this.#apply();
    this.context.onChange(membersOf(fault, this.#names()));
    return this.#reports([entry])[0];
  }

  /** Goes on with an earlier holder's. Those that have ended meanwhile are left out. {@link settle} follows for each member. */
  adopt(record: Pick<GroupRecord, "faults">): void {
    const faults = faultsIn(record);
    const [now, uptime] = [performance.now(), Deno.osUptime()];
    const monotonic = (seconds: number) => now + (seconds - uptime) * 1_000;
    for (const { began_at, ends_at, ...fault } of faults) {
      const endsMs = ends_at === undefined ? Infinity : monotonic(ends_at);
      if (endsMs <= now) continue;
      this.#enter({ ...fault, beganMs: monotonic(began_at), ...(ends_at === undefined ? {} : { endsMs }) });
    }
    if (faults.length > 0) log(`faults: ${this.#faults.size} of ${faults.length} go on`);
    this.#apply();
  }

  /** Pauses a member again that was adopted, when a fault pauses it. A failure is in the log, and ends the fault. */
  async settle(name: string): Promise<void> {
    for (const pause of this.#pausesOf(name)) {
      try {
        await this.#member(name)?.hold(byFault(pause));
      } catch (thrown) {
        log(`fault ${pause.id}: ${name} cannot be paused again: ${messageOf(thrown)}`);
        this.#end([pause]);
      }
    }
  }

  /** Whether a member is to stand still. */
  isPaused(name: string): boolean {
    return this.#pausesOf(name).length > 0;
  }

  /**
   * Ends faults: these, or all.
   * @throws {FleetboxError} `not-found`: there is none of that id
   */
  async heal(ids: readonly string[] = [...this.#faults.keys()]): Promise<FaultReport[]> {
    const ending = ids.map((id) => this.#require(id));
    const reports = this.#reports(ending);
    await this.#finish(ending);
    return reports;
  }

  reports(): FaultReport[] {
    return this.#reports([...this.#faults.values()]);
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
    const [now, uptime] = [performance.now(), Deno.osUptime()];
    const seconds = (ms: number) => uptime + (ms - now) / 1_000;
    return [...this.#faults.values()].map(({ id, spec, seed, since, beganMs, endsMs, pairs }) => ({
      ...{ id, spec, seed, since, began_at: seconds(beganMs) },
      ...(endsMs === undefined ? {} : { ends_at: seconds(endsMs) }),
      ...(pairs ? { pairs } : {}),
    }));
  }

  /** A member has come or gone: who is meant by "all" is others now, and nobody stands still for one that is gone. */
  rosterChanged(): void {
    const names = this.#names();
    if (this.#faults.size === 0 || names.join() === this.#roster) return;
    const gone = [...this.#faults.values()].filter(({ spec }) => spec.kind === "pause" && !names.includes(spec.member));
    if (gone.length > 0) this.#end(gone);
    else this.#apply();
  }

  /** The group has ended. */
  close(): void {
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

  /** Ends faults, and what they stand for. A machine that cannot go on is in the log. */
  async #finish(ending: readonly Entry[]): Promise<void> {
    const present = ending.filter(({ id }) => this.#faults.has(id));
    if (present.length === 0) return;
    const names = this.#names();
    const concerned = new Set(present.flatMap((entry) => membersOf(entry, names)));
    this.#end(present);
    await Promise.all(present.map(async ({ id, spec }) => {
      if (spec.kind !== "pause" || this.isPaused(spec.member)) return;
      try {
        await this.#member(spec.member)?.release();
      } catch (thrown) {
        log(`fault ${id}: ${spec.member} does not go on: ${messageOf(thrown)}`);
      }
    }));
    this.context.onChange([...concerned]);
  }

  #end(ending: readonly Entry[]): void {
    const counts = this.context.network.faultCounts();
    for (const entry of ending) {
      log(`fault ${entry.id}: ended; it did ${JSON.stringify(countsOf(entry, counts))}`);
      entry.endLimit();
      entry.endTurns();
      this.#faults.delete(entry.id);
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

  #reports(entries: readonly Entry[]): FaultReport[] {
    const [names, counts, now] = [this.#names(), this.context.network.faultCounts(), performance.now()];
    return entries.map((entry) => {
      const { id, spec, seed, since, endsMs, isOn } = entry;
      return {
        ...{ id, kind: spec.kind, what: faultText(spec), spec, seed, members: membersOf(entry, names), since },
        ...(endsMs === undefined ? {} : { left_ms: Math.max(0, Math.round(endsMs - now)) }),
        ...(isOn ? {} : { is_off: true }),
        counts: countsOf(entry, counts),
      };
    });
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

  #pausesOf(name: string): Entry[] {
    return [...this.#faults.values()].filter(({ spec }) => spec.kind === "pause" && spec.member === name);
  }

  #member(name: string): FaultyMember | undefined {
    return this.context.members().find((one) => one.name === name);
  }

  #names(): string[] {
    return this.context.members().map(({ name }) => name);
  }

  /** Four hexadecimal digits after an f; more when these are taken. */
  #newId(): string {
    for (let digits = 4;; digits++) {
      const id = `f${crypto.randomUUID().replaceAll("-", "").slice(0, digits)}`;
      if (!this.#faults.has(id)) return id;
    }
  }
}

/** Without what it has not done. */
function countsOf({ id, spec, beganMs }: Timed, counts: ReadonlyMap<string, FaultCounts>): Record<string, number> {
  if (spec.kind === "pause") return { paused_ms: Math.round(performance.now() - beganMs) };
  return Object.fromEntries(Object.entries(counts.get(id) ?? {}).filter(([, count]) => count > 0));
}

function byFault({ id }: Fault): string {
  return `by the fault ${id}`;
}

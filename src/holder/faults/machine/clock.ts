/**
 * The faults of a guest's clock: what they make of it all together is told to its kernel, and strobes are timed here.
 *
 * A holder that dies leaves the clock as it is; the next one finds what it was before in the guest (`guest/faults/clock.ts`).
 */

import { Limit } from "../../../core/deadline.ts";
import { FleetboxError, messageOf } from "../../../core/errors.ts";
import { type ClockFault, STROBE_PERIOD_MS } from "../../../core/faults/clock.ts";
import { changeClock, type ClockWish } from "../../../guest/faults/clock.ts";
import { startTimeSync, stopTimeSync } from "../../../guest/faults/time_sync.ts";
import { MAX_RATE, MIN_RATE } from "../../../guest/faults/timex.ts";
import { log } from "../../log.ts";
import type { Member } from "../../member/member.ts";
import { Turns } from "../turns.ts";
import { GuestLine } from "./guest_line.ts";
import { lineFor } from "./in_guest.ts";
import type { FaultMaker, MachineFaultEntry } from "./maker.ts";

/** How long a guest may take to stop or to start its time synchronisation. */
const SYNC_MS = 20_000;
/** A strobe whose guest does not answer so many times in a row has ended. */
const MAX_FAILURES = 3;

type ClockEntry = MachineFaultEntry<ClockFault>;

interface Strobe {
  isOn: boolean;
  steps: number;
  timer: ReturnType<typeof setTimeout> | undefined;
}

export class ClockMaker implements FaultMaker<ClockFault> {
  readonly #turns = new Turns();
  readonly #strobes = new Map<string, Strobe>();
  #faults: readonly ClockEntry[] = [];
  #beganMs = new Map<string, number>();
  #failures = 0;

  constructor(private readonly member: Member) {}

  async apply(faults: readonly ClockEntry[], isAdopted = false): Promise<void> {
    const before = this.#faults;
    await this.#turns.take("", async () => {
      checkRate(faults);
      if (isAdopted && this.member.phases.now.kind === "paused") return this.#take(faults); // its strobes go on when it does
      const line = lineFor(this.member, faults, "change the clock");
      if (!line) return this.#take(faults);
      if (before.length === 0 && faults.length > 0) await this.#sync(line, stopTimeSync);
      this.#take(faults);
      try {
        await this.#tell(line);
      } catch (thrown) {
        if (faults.length > before.length) this.#take(before); // else one has ended, whatever came of it
        if (this.#faults.length === 0) await this.#sync(line, startTimeSync).catch((error) => log(messageOf(error)));
        throw thrown;
      }
      if (faults.length === 0) await this.#sync(line, startTimeSync);
    });
  }

  forget(): void {
    this.#take([]);
  }

  counts(id: string): Promise<Record<string, number>> {
    const spec = this.#faults.find((fault) => fault.id === id)?.spec;
    const { steps } = this.#strobes.get(id) ?? { steps: 0 };
    const began = this.#beganMs.get(id);
    return Promise.resolve({
      ...(spec?.bumpMs === undefined ? {} : { moved_ms: spec.bumpMs }),
      ...(steps === 0 ? {} : { steps }),
      ...(spec?.rate === undefined || began === undefined ? {} : { rated_ms: Math.round(performance.now() - began) }),
    });
  }

  /** These are its faults from now on. */
  #take(faults: readonly ClockEntry[]): void {
    this.#faults = faults;
    const ids = new Set(faults.map(({ id }) => id));
    for (const [id, { timer }] of this.#strobes) {
      if (ids.has(id)) continue;
      clearTimeout(timer);
      this.#strobes.delete(id);
    }
    for (const { id, spec } of faults) {
      if (!this.#beganMs.has(id)) this.#beganMs.set(id, performance.now());
      if (spec.strobeMs === undefined || this.#strobes.has(id)) continue;
      const strobe: Strobe = { isOn: true, steps: 1, timer: undefined };
      this.#strobes.set(id, strobe);
      this.#time(strobe, spec);
    }
    for (const id of this.#beganMs.keys()) if (!ids.has(id)) this.#beganMs.delete(id);
    const isHeld = this.#strobes.size > 0;
    const { phases: { now } } = this.member;
    if (!("run" in now) || !now.run?.guest) return;
    const line = GuestLine.of(this.member);
    if (isHeld) line.hold("clock", () => {}); // a session for each step would be slow; the clock itself outlives it
    else line.release("clock");
  }

  /** A strobe moves the clock again after its period. */
  #time(strobe: Strobe, spec: ClockFault): void {
    strobe.timer = setTimeout(() => void this.#step(strobe, spec), spec.periodMs ?? STROBE_PERIOD_MS);
  }

  async #step(strobe: Strobe, spec: ClockFault): Promise<void> {
    const isPresent = () => [...this.#strobes.values()].includes(strobe);
    await this.#turns.take("", async () => {
      if (!isPresent()) return;
      this.#time(strobe, spec); // from now, so that it keeps its time while the guest is told
      if (this.member.phases.now.kind !== "running") return;
      strobe.isOn = !strobe.isOn;
      try {
        await this.#tell(GuestLine.of(this.member));
        strobe.steps++;
        this.#failures = 0;
      } catch (thrown) {
        strobe.isOn = !strobe.isOn;
        const { name, context } = this.member;
        log(`${name}: its clock was not moved: ${messageOf(thrown)}`);
        if (++this.#failures >= MAX_FAILURES) void context.faults().lost(name, ["clock"], messageOf(thrown));
      }
    });
  }

  async #tell(line: GuestLine): Promise<void> {
    const wish = this.#faults.length === 0 ? undefined : this.#wish();
    await line.talk((guest) => changeClock(guest, wish));
  }

  #wish(): ClockWish {
    const moved = this.#faults.map(({ id, spec: { bumpMs = 0, strobeMs = 0 } }) =>
      bumpMs + (this.#strobes.get(id)?.isOn ? strobeMs : 0)
    );
    return { movedMs: moved.reduce((sum, ms) => sum + ms, 0), rate: rateOf(this.#faults) };
  }

  /** An image of ours has nothing that keeps its clock right. */
  async #sync(line: GuestLine, change: typeof stopTimeSync): Promise<void> {
    if (line.isAgent) return;
    using limit = new Limit(SYNC_MS);
    await change({ endpoint: line.endpoint, key: this.member.context.store.key, signal: limit.signal });
  }
}

function rateOf(faults: readonly ClockEntry[]): number {
  return faults.reduce((rate, { spec }) => rate * (spec.rate ?? 1), 1);
}

/** @throws {FleetboxError} `conflict`: no clock can be as fast, or as slow, as all of them together want it */
function checkRate(faults: readonly ClockEntry[]): void {
  const rate = rateOf(faults);
  if (rate >= MIN_RATE && rate <= MAX_RATE) return;
  throw new FleetboxError(
    "conflict",
    `The clock would be ${
      Number(rate.toFixed(4))
    } times as fast with its other faults, expected ${MIN_RATE} to ${MAX_RATE}`,
    { hint: "End one of them first: fleetbox fault ls, fleetbox heal ID" },
  );
}

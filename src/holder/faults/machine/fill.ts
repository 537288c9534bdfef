/** The faults that fill the file systems of a guest: each has files of its own, and fills up to its share. */

import { FleetboxError } from "../../../core/errors.ts";
import { DEFAULT_FILL_PATH, type FillFault } from "../../../core/faults/fill.ts";
import { fill, free, keep, MAX_FILES, missingTo, readSpace } from "../../../guest/faults/space.ts";
import type { GuestCalls } from "../../../guest/faults/guest_calls.ts";
import type { Member } from "../../member/member.ts";
import type { GuestLine } from "./guest_line.ts";
import { isHeldStill, lineFor, percent } from "./in_guest.ts";
import type { FaultMaker, MachineFaultEntry } from "./maker.ts";

type FillEntry = MachineFaultEntry<FillFault>;

/** What a fault has used: the numbers of its files, and their bytes. */
interface Held {
  numbers: number[];
  bytes: number;
}

const ALL = Array.from({ length: MAX_FILES }, (_, number) => number);

export class FillMaker implements FaultMaker<FillFault> {
  readonly #held = new Map<string, Held>();
  /** The files of an earlier holder, whose faults go on: nobody knows which is whose, so they stay until one of these ends. */
  #found: readonly number[] = [];
  /** Whether the guest has no files but those that are known. */
  #isKnown = false;

  constructor(private readonly member: Member) {}

  async apply(faults: readonly FillEntry[], isAdopted = false): Promise<void> {
    const line = isHeldStill(this.member, isAdopted) ? undefined : lineFor(this.member, faults, "fill a file system");
    if (!line) return this.forget();
    const { name, context } = this.member;
    line.hold("fill", (why) => void context.faults().lost(name, ["fill"], why));
    try {
      await line.talk((guest) => this.#change(guest, line, faults, isAdopted));
    } finally {
      if (this.#held.size === 0) line.release("fill");
    }
  }

  forget(): void {
    this.#held.clear();
    this.#found = [];
  }

  counts(id: string): Promise<Record<string, number>> {
    const held = this.#held.get(id);
    return Promise.resolve<Record<string, number>>(held ? { filled_bytes: held.bytes } : {});
  }

  async #change(
    guest: GuestCalls,
    { way }: GuestLine,
    faults: readonly FillEntry[],
    isAdopted: boolean,
  ): Promise<void> {
    if (!this.#isKnown) await this.#keep(guest, isAdopted ? faults : []);
    const ended = [...this.#held.keys()].filter((id) => !faults.some((fault) => fault.id === id));
    if (ended.length > 0) {
      await free(guest, [...this.#found, ...ended.flatMap((id) => this.#held.get(id)!.numbers)]);
      this.#found = [];
    }
    for (const id of ended) this.#held.delete(id);
    for (
      const { id, spec: { share, path = DEFAULT_FILL_PATH } } of faults.toSorted((a, b) => a.spec.share - b.spec.share)
    ) {
      const before = this.#held.get(id);
      if (!before && !isAdopted) {
        const space = await readSpace(guest, path);
        if (missingTo(share, space) <= 0) throw tooFull(path, share, space.used / space.total);
      }
      const used = new Set([...this.#found, ...[...this.#held.values()].flatMap(({ numbers }) => numbers)]);
      const numbers = ALL.filter((number) => !used.has(number));
      const { taken, bytes } = await fill(guest, way.arch, { at: path, share, numbers });
      this.#held.set(id, { numbers: [...before?.numbers ?? [], ...taken], bytes: (before?.bytes ?? 0) + bytes });
    }
  }

  async #keep(guest: GuestCalls, faults: readonly FillEntry[]): Promise<void> {
    const wishes = faults.map(({ id, spec: { share, path = DEFAULT_FILL_PATH } }) => ({ id, at: path, share }));
    const kept = await keep(guest, wishes);
    this.#isKnown = true;
    this.#found = kept.map(({ number }) => number);
    for (const { bytes, wish: { id } } of kept) {
      this.#held.set(id, { numbers: [], bytes: bytes + (this.#held.get(id)?.bytes ?? 0) });
    }
  }
}

function tooFull(path: string, share: number, used: number): FleetboxError {
  return new FleetboxError(
    "conflict",
    `Cannot fill ${path} to ${percent(share)}: ${percent(used)} of it are used already`,
    { hint: `Ask for more than that: ${percent(Math.min(1, Math.ceil(used * 100 + 1) / 100))}` },
  );
}

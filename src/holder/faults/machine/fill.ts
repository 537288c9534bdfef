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

/** What a fault has used. */
interface Held {
  /** Its files. */
  numbers: number[];
  bytes: number;
  /** Which file system. */
  fileSystem: string;
  /** The share that it is up to. */
  share: number;
}

const ALL = Array.from({ length: MAX_FILES }, (_, number) => number);

export class FillMaker implements FaultMaker<FillFault> {
  readonly #held = new Map<string, Held>();
  /** Whether the guest has no files but those that are known. */
  #isKnown = false;

  constructor(private readonly member: Member) {}

  async apply(faults: readonly FillEntry[], isAdopted = false): Promise<void> {
    const line = isHeldStill(this.member, isAdopted) ? undefined : lineFor(this.member, faults, "fill a file system");
    if (!line) return this.#held.clear();
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
    for (const id of ended) await this.#end(guest, id, faults);
    for (
      const { id, spec: { share, path = DEFAULT_FILL_PATH } } of faults.toSorted((a, b) => a.spec.share - b.spec.share)
    ) {
      const before = this.#held.get(id);
      if (!before && !isAdopted) {
        const space = await readSpace(guest, path);
        if (missingTo(share, space) <= 0) throw tooFull(path, share, space.used / space.total);
      }
      const used = new Set([...this.#held.values()].flatMap(({ numbers }) => numbers));
      const numbers = ALL.filter((number) => !used.has(number));
      const done = await fill(guest, way.arch, { at: path, share, numbers });
      this.#hold(id, { numbers: done.taken, bytes: done.bytes, fileSystem: done.id, share });
    }
  }

  /**
   * Gives up what a fault has used. Another one that fills as much of the same file system gets it, so that no program of the guest
   * finds room in the meantime.
   */
  async #end(guest: GuestCalls, id: string, others: readonly FillEntry[]): Promise<void> {
    const held = this.#held.get(id)!;
    const heir = others.find((other) =>
      other.spec.share >= held.share && this.#held.get(other.id)?.fileSystem === held.fileSystem
    );
    if (heir) this.#hold(heir.id, { ...held, share: heir.spec.share });
    else await free(guest, held.numbers);
    this.#held.delete(id);
  }

  /** Looks for what an earlier holder has used. Nobody knows for which of its faults, so the largest one gets it. */
  async #keep(guest: GuestCalls, faults: readonly FillEntry[]): Promise<void> {
    const wishes = faults.map(({ id, spec: { share, path = DEFAULT_FILL_PATH } }) => ({ id, at: path, share }));
    const kept = await keep(guest, wishes);
    this.#isKnown = true;
    for (const { number, bytes, id, wish } of kept) {
      this.#hold(wish.id, { numbers: [number], bytes, fileSystem: id, share: wish.share });
    }
  }

  /** More that a fault has used. */
  #hold(id: string, more: Held): void {
    const { numbers, bytes } = this.#held.get(id) ?? { numbers: [], bytes: 0 };
    this.#held.set(id, { ...more, numbers: [...numbers, ...more.numbers], bytes: bytes + more.bytes });
  }
}

function tooFull(path: string, share: number, used: number): FleetboxError {
  return new FleetboxError(
    "conflict",
    `Cannot fill ${path} to ${percent(share)}: ${percent(used)} of it are used already`,
    { hint: `Ask for more than that: ${percent(Math.min(1, Math.ceil(used * 100 + 1) / 100))}` },
  );
}

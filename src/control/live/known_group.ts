/**
 * What is known of a group, and what is news in what a holder tells of it. Pure.
 *
 * A holder tells every change of a member's report; another holder tells everything anew. Here a thing is told once.
 */

import { endKey, sideOf } from "../../core/port_forwards.ts";
import type { Event, FaultEvent, ForwardReport, MemberReport } from "../../wire.ts";
import type { Happening } from "./store_events.ts";

interface KnownMember {
  state: string;
  forwards: readonly ForwardReport[];
}

type Fault = Omit<FaultEvent, "event">;

export class KnownGroup {
  readonly #members = new Map<string, KnownMember>();
  readonly #faults = new Map<string, Fault>();
  /** The faults that have ended: an answer that was on its way may still name one. */
  readonly #over = new Set<string>();
  /** The members that the present holder has told of. */
  readonly #seen = new Set<string>();

  /** A stream begins. @returns what was known before: what of that its holder does not tell is gone */
  begin(): { members: string[]; faults: string[] } {
    this.#seen.clear();
    return { members: [...this.#members.keys()], faults: [...this.#faults.keys()] };
  }

  /** What is news in an event. */
  take(event: Event): Happening[] {
    switch (event.event) {
      case "member":
        return this.#member(event.member);
      case "gone":
        return this.gone([event.name]);
      case "note":
        return [{ event: "notice", message: event.message }];
      case "fault-began":
        return this.faultsBegan([event]);
      case "fault-ended":
        return this.faultsEnded([event.id], event.counts);
      case "saved":
        return [event];
      default:
        return [];
    }
  }

  faultsBegan(faults: readonly Fault[]): Happening[] {
    return faults.filter(({ id }) => !this.#faults.has(id) && !this.#over.has(id)).map(
      ({ id, kind, what, members }) => {
        this.#faults.set(id, { id, kind, what, members });
        return { event: "fault-began", id, kind, what, members };
      },
    );
  }

  /** @param counts what it has done, when that is told */
  faultsEnded(ids: readonly string[], counts?: Record<string, number>): Happening[] {
    return ids.flatMap((id): Happening[] => {
      const fault = this.#faults.get(id);
      this.#over.add(id);
      if (!fault) return [];
      this.#faults.delete(id);
      return [{ event: "fault-ended", ...fault, ...(counts && { counts }) }];
    });
  }

  gone(names: readonly string[]): Happening[] {
    return names.filter((name) => this.#members.delete(name)).map((name) => ({ event: "state", name, state: "gone" }));
  }

  /** Members that were known before, and that the present holder neither tells of nor serves. */
  missing(before: readonly string[], served: readonly string[]): string[] {
    return before.filter((name) => !this.#seen.has(name) && !served.includes(name));
  }

  /** The group has ended. */
  end(): Happening[] {
    return [...this.gone([...this.#members.keys()]), ...this.faultsEnded([...this.#faults.keys()])];
  }

  #member({ name, state, stage, ip, since, error, failure, forwards = [] }: MemberReport): Happening[] {
    const reason = failure?.message ?? error;
    const hint = failure?.hint;
    const told = {
      ...{ name, state },
      ...(stage && { stage }),
      ...(ip && { ip }),
      ...(since && { since }),
      ...(reason && { reason }),
      ...(hint && { hint }),
    };
    const before = this.#members.get(name);
    const now = JSON.stringify({ ...told, since: undefined });
    this.#seen.add(name);
    this.#members.set(name, { state: now, forwards });
    return [
      ...(before?.state === now ? [] : [{ event: "state" as const, ...told }]),
      ...forwardChanges(name, before?.forwards ?? [], forwards),
    ];
  }
}

function forwardChanges(name: string, before: readonly ForwardReport[], now: readonly ForwardReport[]): Happening[] {
  const told = (what: "added" | "open" | "closed" | "removed", one: ForwardReport): Happening => ({
    ...{ event: "forward", what, name, host_port: one.host_port, guest_port: one.guest_port, ...sideOf(one) },
    ...(one.problem && what !== "removed" && { problem: one.problem }),
  });
  const isSame = (one: ForwardReport) => (other: ForwardReport) =>
    endKey(one) === endKey(other) && one.guest_port === other.guest_port;
  return [
    ...before.filter((one) => !now.some(isSame(one))).map((one) => told("removed", one)),
    ...now.flatMap((one) => {
      const was = before.find(isSame(one));
      if (was && was.open === one.open && was.problem === one.problem) return [];
      return [told(one.open ? "open" : was ? "closed" : "added", one)];
    }),
  ];
}

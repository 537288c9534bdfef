/**
 * Which requests fail, as rules for QEMU's `blkdebug`, which is a state machine.
 *
 * A rule without an event is in force from the start. The others need the events of a `raw` node above: each request sends one just
 * before `blkdebug` sees it. Rules for an event take effect in the present state, and replace what was in force, so the first of each
 * event is one that nothing meets. A rule knows one sector, and takes effect on every request that touches it.
 */

import { type DiskFault, type DiskOperation, failuresOf, operationsOf, RATE_STEPS } from "../../../core/faults/disk.ts";
import { randomStream, shuffled } from "../../../core/random.ts";

/** QEMU's words. */
const EVENTS: Record<DiskOperation, string> = { read: "read_aio", write: "write_aio", flush: "flush_to_disk" };
const EIO = 5;
/** Beyond every disk. */
const NO_SECTOR = 2 ** 50;

interface ErrorRule {
  event: string;
  iotype?: string;
  state?: number;
  sector?: number;
  once?: boolean;
}

/** A fault's rules as a `blkdebug` configuration: as options, thousands take QEMU seconds. Pure. */
export function errorRules(fault: Omit<DiskFault, "kind" | "member"> & { seed: number }): string {
  const { once, rate, sectors, seed } = fault;
  const operations = operationsOf(fault);
  const places = sectors ? sectorsOf(sectors) : [undefined];
  if (once && sectors) {
    const iotype = operations.length === 1 ? operations[0] : undefined; // without one: reads and writes
    return text({ event: "none", iotype, sector: sectors[0], once: true });
  }
  if (once) return machine(operations, [true], false, places);
  if (rate !== undefined && failuresOf(rate) < RATE_STEPS) {
    const verdicts = Array.from({ length: RATE_STEPS }, (_, at) => at < failuresOf(rate));
    return machine(operations, shuffled(randomStream(seed, "disk"), verdicts), true, places);
  }
  // What writes zeroes without their data is a write, too.
  const types = sectors && operations.length > 1
    ? [undefined]
    : operations.flatMap((one) => one === "write" && !sectors ? [one, "write-zeroes"] : [one]);
  return types.flatMap((iotype) => places.map((sector) => text({ event: "none", iotype, sector }))).join("");
}

/** One state for each verdict; each request leads to the next one, the last one to the first, or to an end in which nothing fails. */
function machine(
  operations: readonly DiskOperation[],
  verdicts: readonly boolean[],
  isCycle: boolean,
  places: readonly (number | undefined)[],
): string {
  const next = (state: number) => isCycle && state === verdicts.length ? 1 : state + 1;
  return operations.flatMap((iotype) => {
    const event = EVENTS[iotype];
    return [
      text({ event, sector: NO_SECTOR }),
      ...verdicts.flatMap((fails, index) => {
        const state = index + 1;
        return [
          `[set-state]\nevent = "${event}"\nstate = "${state}"\nnew_state = "${next(state)}"\n\n`,
          ...(fails ? places.map((sector) => text({ event, iotype, state, sector })) : []),
        ];
      }),
    ];
  }).join("");
}

function sectorsOf([first, last]: readonly [number, number]): number[] {
  return Array.from({ length: last - first + 1 }, (_, at) => first + at);
}

function text({ event, iotype, state, sector, once = false }: ErrorRule): string {
  const values = { event, iotype, state, sector, errno: EIO, once: once ? "on" : "off", immediately: "on" };
  const lines = Object.entries(values).filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key} = "${value}"\n`);
  return `[inject-error]\n${lines.join("")}\n`;
}

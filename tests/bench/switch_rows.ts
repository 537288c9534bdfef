/** The rows of `switch.ts`: frames between two local ports. */

import { type Bench, median, type Row } from "./bench.ts";
import { benchSwitch, type SwitchFault } from "./switch.ts";

const RUNS = 3;

export async function switchRows(bench: Bench): Promise<Row[]> {
  const gbit: number[] = [], frames: number[] = [], elsewhere: number[] = [], delayed: number[] = [];
  for (let run = 0; run < RUNS; run++) {
    const figures = await benchSwitch();
    bench.say(`switch ${figures.gbitPerSecond} Gbit/s, ${figures.framesPerSecond} frames/s`);
    gbit.push(figures.gbitPerSecond);
    frames.push(figures.framesPerSecond);
    const faults: [SwitchFault, number[]][] = [["elsewhere", elsewhere], ["delayed", delayed]];
    for (const [fault, into] of faults) {
      const { gbitPerSecond } = await benchSwitch(undefined, fault);
      bench.say(`switch, faults: ${fault}, ${gbitPerSecond} Gbit/s`);
      into.push(gbitPerSecond);
    }
  }
  return [
    {
      what: "switch, 1,514-byte frames",
      measured: median(gbit),
      unit: "Gbit/s",
      limit: { kind: "at least", value: 3 },
      runs: { measured: gbit },
    },
    {
      what: "switch, 1,514-byte frames",
      measured: median(frames),
      unit: "frames/s",
      limit: { kind: "at least", value: 250_000 },
      runs: { measured: frames },
    },
    {
      what: "switch, with faults on other links",
      measured: median(elsewhere),
      unit: "Gbit/s",
      against: { what: "the switch without faults", value: median(gbit) },
      limit: { kind: "at least", value: 3 },
      runs: { measured: elsewhere, against: gbit },
    },
    {
      what: "switch, with a delay of 10 ms on each link",
      measured: median(delayed),
      unit: "Gbit/s",
      against: { what: "the switch without faults", value: median(gbit) },
      limit: { kind: "at least", value: 2 },
      runs: { measured: delayed, against: gbit },
    },
  ];
}

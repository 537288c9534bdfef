/** The rows of `switch.ts`: frames between two local ports. */

import { type Bench, median, type Row } from "./bench.ts";
import { benchSwitch } from "./switch.ts";

const RUNS = 3;

export async function switchRows(bench: Bench): Promise<Row[]> {
  const gbit: number[] = [], frames: number[] = [];
  for (let run = 0; run < RUNS; run++) {
    const figures = await benchSwitch();
    bench.say(`switch ${figures.gbitPerSecond} Gbit/s, ${figures.framesPerSecond} frames/s`);
    gbit.push(figures.gbitPerSecond);
    frames.push(figures.framesPerSecond);
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
  ];
}

/** The rows of `switch.ts`: frames between two local ports. */

import { type Bench, median, type Row } from "./bench.ts";
import { DELAY_MS, delayErrors, quantile } from "./delay_error.ts";
import { benchSwitch, type SwitchFault } from "./switch.ts";

const RUNS = 3;

export async function switchRows(bench: Bench): Promise<Row[]> {
  const gbit: Record<SwitchFault, number[]> = { none: [], elsewhere: [], delayed: [], captured: [], traced: [] };
  const frames: number[] = [];
  for (let run = 0; run < RUNS; run++) {
    const order = Object.keys(gbit) as SwitchFault[];
    for (const fault of run % 2 === 0 ? order : order.reverse()) { // a host that is slower at first slows each of them
      const { gbitPerSecond, framesPerSecond } = await benchSwitch(undefined, fault);
      bench.say(`switch, faults: ${fault}, ${gbitPerSecond} Gbit/s, ${framesPerSecond} frames/s`);
      gbit[fault].push(gbitPerSecond);
      if (fault === "none") frames.push(framesPerSecond);
    }
  }
  const late: number[] = [], timers: number[] = [];
  for (let run = 0; run < RUNS; run++) {
    const errors = await delayErrors();
    late.push(quantile(errors.frames, 0.99));
    timers.push(quantile(errors.timers, 0.99));
    bench.say(`a delay of ${DELAY_MS} ms is late by ${late.at(-1)} ms, a timer by ${timers.at(-1)} ms`);
  }
  const beside = (what: string, fault: SwitchFault, without: string, least: number): Row => ({
    what,
    measured: median(gbit[fault]),
    unit: "Gbit/s",
    against: { what: without, value: median(gbit.none) },
    limit: { kind: "at least", value: least },
    runs: { measured: gbit[fault], against: gbit.none },
  });
  return [
    {
      what: "switch, 1,514-byte frames",
      measured: median(gbit.none),
      unit: "Gbit/s",
      limit: { kind: "at least", value: 3 },
      runs: { measured: gbit.none },
    },
    {
      what: "switch, 1,514-byte frames",
      measured: median(frames),
      unit: "frames/s",
      limit: { kind: "at least", value: 250_000 },
      runs: { measured: frames },
    },
    beside("switch, with faults on other links", "elsewhere", "the switch without faults", 3),
    beside("switch, with a delay of 10 ms on each link", "delayed", "the switch without faults", 2),
    beside("switch, while all frames are captured", "captured", "the switch without a capture", 2),
    {
      ...beside("switch, while a trace captures, 256 bytes of each frame", "traced", "the switch without a capture", 0),
      limit: { kind: "ratio at least", value: 0.9 },
    },
    {
      what: `switch, error of a delay of ${DELAY_MS} ms, p99`,
      measured: median(late),
      unit: "ms",
      against: { what: "a timer of the same length, at the same time", value: median(timers) },
      limit: { kind: "at most", value: 2 },
      runs: { measured: late, against: timers },
    },
  ];
}

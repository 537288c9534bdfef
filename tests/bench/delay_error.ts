/**
 * How exactly the switch delays: frames through a link with a delay, from one end of it to the other, in this process.
 *
 * The error is what a frame took beyond its delay, the way through two sockets and the event loop included; nothing else is sent.
 */

import { data, Network } from "../../src/network/testing.ts";

export const DELAY_MS = 20;
const FRAMES = 400;
const PAUSE_MS = 7;

/** How late frames and bare timers were, in milliseconds, in order of size: timers of the same length, at the same time. */
export interface DelayErrors {
  frames: number[];
  timers: number[];
}

export async function delayErrors(): Promise<DelayErrors> {
  await using network = new Network();
  const [a, b] = [await network.plug("a"), await network.plug("b")];
  network.switch.setConditions("a", "b", { shapes: [{ id: "f1", seed: 1, shape: { delayMs: DELAY_MS } }] });
  const sent: number[] = [], errors: number[] = [], timers: number[] = [];
  const receiving = (async () => {
    for (let frame = 0; frame < FRAMES; frame++) {
      await b.receive();
      errors.push(performance.now() - sent[frame] - DELAY_MS);
    }
  })();
  for (let frame = 0; frame < FRAMES; frame++) {
    const now = performance.now();
    sent.push(now);
    setTimeout(() => timers.push(performance.now() - now - DELAY_MS), DELAY_MS);
    await a.send(data("b", "a", 1));
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS + Math.random()));
  }
  await receiving;
  await new Promise((resolve) => setTimeout(resolve, 2 * DELAY_MS)); // the last timers
  return { frames: errors.toSorted((a, b) => a - b), timers: timers.toSorted((a, b) => a - b) };
}

/** The error that so large a share of them is below. */
export function quantile(errors: readonly number[], share: number): number {
  return Math.round(errors[Math.min(errors.length - 1, Math.floor(errors.length * share))] * 100) / 100;
}

if (import.meta.main) {
  const { frames, timers } = await delayErrors();
  const figures = (errors: number[]) => [0.01, 0.5, 0.99].map((share) => quantile(errors, share));
  console.log(JSON.stringify({ quantiles: [0.01, 0.5, 0.99], frames: figures(frames), timers: figures(timers) }));
}

import * as assert from "#assert";
import { randomStream } from "../../core/random.ts";
import { type FaultCounts, NO_COUNTS, type Shape } from "./conditions.ts";
import { INTACT, Shaper } from "./shaper.ts";

const FRAMES = 100_000;
const LENGTH = 1514, BITS = 1500 * 8;

function shaper(shape: Shape, seed = 1): Shaper {
  return new Shaper({ limit: 100_000, ...shape }, randomStream(seed, "a", "b", "f1"), { ...NO_COUNTS });
}

function near(found: number, expected: number, by: number, what: string): void {
  assert.ok(Math.abs(found - expected) <= by, `${what}: found ${found}, expected ${expected} ± ${by}`);
}

/** The delays of many frames that come at the same time. */
function delays(shape: Shape): { mean: number; sd: number; values: number[]; counts: FaultCounts } {
  const one = shaper(shape);
  const values: number[] = [];
  for (let frame = 0; frame < FRAMES; frame++) {
    if (one.judge(1000, LENGTH, BITS) > 0) values.push(one.times[0] - 1000);
  }
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const sd = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
  return { mean, sd, values, counts: one.counts };
}

Deno.test("a delay without jitter is the same for each frame", () => {
  const { values, counts } = delays({ delayMs: 50 });
  assert.ok(values.every((value) => value === 50));
  assert.deepEqual(counts, { ...NO_COUNTS, frames: FRAMES, delayed: FRAMES });
});

Deno.test("jitter spreads delays around their mean, by its distribution", () => {
  const uniform = delays({ delayMs: 50, jitterMs: 10 });
  near(uniform.mean, 50, 0.1, "mean of uniform");
  near(uniform.sd, 10 / Math.sqrt(3), 0.1, "spread of uniform");
  const normal = delays({ delayMs: 50, jitterMs: 10, distribution: "normal" });
  near(normal.mean, 50, 0.15, "mean of normal");
  near(normal.sd, 10, 0.1, "spread of normal");
  near(delays({ delayMs: 50, jitterMs: 10, distribution: "pareto" }).mean, 49.7, 0.15, "mean of pareto");
  assert.ok(
    delays({ delayMs: 1, jitterMs: 10 }).values.every((value) => value >= 0),
    "no frame arrives before it came",
  );
});

Deno.test("a correlated delay is close to the one before", () => {
  const change = (correlation: number) => {
    const { values, sd } = delays({ delayMs: 50, jitterMs: 10, correlation });
    let sum = 0;
    for (let at = 1; at < values.length; at++) sum += (values[at] - values[at - 1]) ** 2;
    return Math.sqrt(sum / values.length) / sd;
  };
  near(change(0), Math.sqrt(2), 0.02, "the change from frame to frame, without correlation");
  near(change(0.9), Math.sqrt(2 * (1 - 0.9)), 0.02, "with a correlation of 0.9");
});

Deno.test("each frame comes twice with the probability of duplicates; what is lost does not come twice", () => {
  const one = shaper({ duplicate: 0.1, loss: 0.3 });
  let copies = 0, twice = 0;
  for (let frame = 0; frame < FRAMES; frame++) {
    const here = one.judge(0, LENGTH, BITS);
    copies += here;
    if (here === 2) twice++;
  }
  near(copies / FRAMES, 1 + 0.1 - 0.3, 0.006, "copies");
  near(twice / FRAMES, 0.1 * 0.7, 0.005, "twice");
  assert.equal(copies, one.counts.frames + one.counts.duplicated - one.counts.lost);
});

Deno.test("frames that are reordered are not delayed; a gap is kept between them", () => {
  const { values, counts } = delays({ delayMs: 10, reorder: 0.25 });
  near(values.filter((value) => value === 0).length / FRAMES, 0.25, 0.006, "reordered");
  assert.equal(counts.reordered + counts.delayed, FRAMES);
  const gaps = delays({ delayMs: 10, reorder: 1, gap: 5 }).values;
  assert.deepEqual(gaps.slice(0, 10), [10, 10, 10, 10, 0, 10, 10, 10, 10, 0], "each fifth frame overtakes");
  const seldom = delays({ delayMs: 10, reorder: 0.5, gap: 5 }).values;
  const at = seldom.flatMap((value, index) => value === 0 ? [index] : []);
  assert.ok(at.every((index, which) => which === 0 || index - at[which - 1] >= 5), "never closer than the gap");
});

Deno.test("one bit of the payload is flipped, anywhere in it, in the share that was asked for", () => {
  const one = shaper({ corrupt: 0.2 });
  const bits = new Set<number>();
  let corrupted = 0;
  for (let frame = 0; frame < FRAMES; frame++) {
    assert.equal(one.judge(0, 30, 16 * 8), 1);
    if (one.flips[0] === INTACT) continue;
    corrupted++;
    bits.add(one.flips[0]);
  }
  near(corrupted / FRAMES, 0.2, 0.005, "corrupted");
  assert.deepEqual([Math.min(...bits), Math.max(...bits), bits.size], [0, 127, 128]);
  assert.equal(one.counts.corrupted, corrupted);
  one.judge(0, 14, 0);
  assert.equal(one.flips[0], INTACT, "a frame without a payload stays as it is");
});

Deno.test("a rate spaces frames by their length, and idle time is not saved up", () => {
  const one = shaper({ rateBitsPerSecond: 1_000_000 });
  const perFrame = LENGTH * 8 / 1000;
  for (let frame = 1; frame <= 10; frame++) {
    one.judge(5, LENGTH, BITS);
    near(one.times[0], 5 + frame * perFrame, 1e-6, `frame ${frame}`);
  }
  one.judge(1000, LENGTH, BITS);
  near(one.times[0], 1000 + perFrame, 1e-6, "after a pause");
});

Deno.test("a delay and a rate together: the wait for the frames before is a part of the delay", () => {
  const one = shaper({ rateBitsPerSecond: 1_000_000, delayMs: 20 });
  const perFrame = LENGTH * 8 / 1000;
  const times = [1, 2, 3].map(() => (one.judge(0, LENGTH, BITS), one.times[0]));
  for (const [index, time] of times.entries()) near(time, 20 + (index + 1) * perFrame, 1e-6, `frame ${index}`);
});

Deno.test("more frames than the limit do not wait; those that do not wait are not limited", () => {
  const one = shaper({ delayMs: 10, limit: 3, reorder: 0.5 }, 4);
  let kept = 0;
  for (let frame = 0; frame < 1000; frame++) {
    if (one.judge(0, LENGTH, BITS) === 0) continue;
    if (one.times[0] > 0) one.waiting++;
    else kept++;
  }
  assert.equal(one.waiting, 3);
  assert.equal(kept, one.counts.reordered);
  assert.ok(kept > 400, `${kept} overtook`);
  assert.equal(one.counts.overLimit, 1000 - 3 - kept);
});

const EVERYTHING: Shape = {
  delayMs: 20,
  jitterMs: 10,
  correlation: 0.25,
  distribution: "paretonormal",
  lossGemodel: { p: 0.02, r: 0.3, h: 0.1, k: 0.999 },
  duplicate: 0.02,
  duplicateCorrelation: 0.1,
  reorder: 0.1,
  reorderCorrelation: 0.5,
  gap: 3,
  corrupt: 0.01,
  corruptCorrelation: 0.2,
};

Deno.test("the same frames and seed give the same verdicts over a million frames, at whatever time they come", () => {
  const verdicts = (seed: number, clock: (frame: number) => number, waiting: (frame: number) => number) => {
    const one = shaper(EVERYTHING, seed);
    let digest = 0;
    for (let frame = 0; frame < 1_000_000; frame++) {
      const now = clock(frame);
      one.waiting = waiting(frame);
      const copies = one.judge(now, LENGTH, BITS);
      digest = Math.imul(digest, 31) + copies | 0;
      for (let copy = 0; copy < copies; copy++) {
        const delay = Math.round((one.times[copy] - now) * 1000);
        digest = Math.imul(Math.imul(digest, 31) + delay | 0, 31) + one.flips[copy] | 0;
      }
    }
    return digest;
  };
  const first = verdicts(9, () => 0, () => 0);
  assert.equal(verdicts(9, (frame) => Math.floor(frame / 43) * 2, (frame) => frame % 999), first);
  assert.notEqual(verdicts(10, () => 0, () => 0), first, "another seed gives others");
});

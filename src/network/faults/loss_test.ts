import * as assert from "#assert";
import { randomStream } from "../../core/random.ts";
import type { Shape } from "./conditions.ts";
import { Correlated } from "./correlated.ts";
import { lossOf } from "./loss.ts";

const FRAMES = 100_000;

/** The share of lost frames, and the mean length of runs of them. */
function losses(shape: Shape): { share: number; run: number } {
  const isLost = lossOf(shape, randomStream(3, "loss"))!;
  let lost = 0, runs = 0, wasLost = false;
  for (let frame = 0; frame < FRAMES; frame++) {
    const is = isLost();
    if (is) lost++;
    if (is && !wasLost) runs++;
    wasLost = is;
  }
  return { share: lost / FRAMES, run: lost / runs };
}

function near(found: number, expected: number, by: number, what: string): void {
  assert.ok(Math.abs(found - expected) <= by, `${what}: found ${found}, expected ${expected} ± ${by}`);
}

Deno.test("random loss loses its share, each frame for itself", () => {
  for (const loss of [0.01, 0.1, 0.5]) {
    const { share, run } = losses({ loss });
    near(share, loss, 0.005, `loss ${loss}`);
    near(run, 1 / (1 - loss), 0.05, `runs at loss ${loss}`);
  }
  assert.equal(losses({ loss: 1 }).share, 1, "all");
  assert.equal(lossOf({ loss: 0 }, randomStream(1)), undefined, "none");
});

Deno.test("correlated loss comes in longer runs than loss of the same share alone", () => {
  const { share, run } = losses({ loss: 0.5, lossCorrelation: 0.8 });
  near(share, 0.5, 0.02, "the share of a loss of one half, where netem's correlation does not change it");
  assert.ok(run > 3, `runs of ${run}`);
});

Deno.test("correlated numbers have the correlation that was asked for", () => {
  for (const correlation of [0, 0.25, 0.9]) {
    // Of x' = (1 - c) fresh + c x, the correlation of neighbours is c.
    const numbers = new Correlated(randomStream(5, "c"), correlation);
    let last = numbers.next(), both = 0, squares = 0;
    for (let draw = 0; draw < FRAMES; draw++) {
      const value = numbers.next();
      both += (value - 0.5) * (last - 0.5);
      squares += (value - 0.5) ** 2;
      last = value;
    }
    near(both / squares, correlation, 0.02, "correlation");
  }
});

Deno.test("Gilbert and Elliott lose in bursts: their share and length are those of the chain", () => {
  const [p, r] = [0.02, 0.25];
  const bad = p / (p + r);
  const simple = losses({ lossGemodel: { p, r, h: 0, k: 1 } });
  near(simple.share, bad, 0.006, "Gilbert's: all is lost while the link is bad");
  near(simple.run, 1 / r, 0.2, "the bursts");
  const full = losses({ lossGemodel: { p, r, h: 0.4, k: 0.99 } });
  near(full.share, bad * 0.6 + (1 - bad) * 0.01, 0.006, "1 - h while it is bad, 1 - k while it is good");
});

Deno.test("the four states lose what their chain says", () => {
  // Without the states 2 and 4 the chain is Gilbert's: lost is p13 / (p13 + p31).
  const two = losses({ lossState: { p13: 0.03, p31: 0.3, p32: 0, p23: 1, p14: 0 } });
  near(two.share, 0.03 / 0.33, 0.006, "of two states");
  near(two.run, 1 / 0.3, 0.15, "the bursts of two states");
  const alone = losses({ lossState: { p13: 0, p31: 1, p32: 0, p23: 1, p14: 0.1 } });
  near(alone.share, 0.1 / 1.1, 0.005, "lost alone: the next one is received");
  assert.equal(alone.run, 1);
  // The chain 1 -p13-> 3 -p31-> 1, 3 -p32-> 2 -p23-> 3, solved for its stationary state.
  const [p13, p31, p32, p23] = [0.05, 0.2, 0.3, 0.6];
  const three = p13 / (p31 + p13 + p13 * p32 / p23);
  near(losses({ lossState: { p13, p31, p32, p23, p14: 0 } }).share, three, 0.008, "of three states");
});

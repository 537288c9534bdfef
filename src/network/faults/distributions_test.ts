import * as assert from "#assert";
import { randomStream } from "../../core/random.ts";
import { DEVIATION, type Distribution } from "./distributions.ts";

const DRAWS = 100_000;

/** The mean and the standard deviation of many draws. */
function moments(distribution: Distribution): { mean: number; sd: number; least: number; most: number } {
  const random = randomStream(7, distribution);
  let sum = 0, squares = 0, least = Infinity, most = -Infinity;
  for (let draw = 0; draw < DRAWS; draw++) {
    const value = DEVIATION[distribution](random.next());
    sum += value;
    squares += value * value;
    least = Math.min(least, value);
    most = Math.max(most, value);
  }
  const mean = sum / DRAWS;
  return { mean, sd: Math.sqrt(squares / DRAWS - mean * mean), least, most };
}

function near(found: number, expected: number, by: number, what: string): void {
  assert.ok(Math.abs(found - expected) <= by, `${what}: found ${found}, expected ${expected} ± ${by}`);
}

Deno.test("uniform delays are spread evenly over a jitter on both sides", () => {
  const { mean, sd, least, most } = moments("uniform");
  near(mean, 0, 0.01, "mean");
  near(sd, 1 / Math.sqrt(3), 0.01, "standard deviation");
  assert.ok(least >= -1 && least < -0.999 && most < 1 && most > 0.999, `${least} to ${most}`);
});

Deno.test("normal delays have the jitter as their standard deviation, and known quantiles", () => {
  const { mean, sd, least, most } = moments("normal");
  near(mean, 0, 0.015, "mean");
  near(sd, 1, 0.01, "standard deviation");
  assert.ok(least >= -4 && most <= 4, `${least} to ${most}`);
  for (const [quantile, expected] of [[0.5, 0], [0.841344746, 1], [0.975, 1.959963985], [0.01, -2.326347874]]) {
    near(DEVIATION.normal(quantile), expected, 1e-7, `quantile ${quantile}`);
  }
  assert.equal(DEVIATION.normal(0), -4, "a random number may be 0");
});

Deno.test("pareto delays are never much earlier, sometimes much later", () => {
  const { mean, sd, least, most } = moments("pareto");
  near(mean, -0.033, 0.015, "mean, with what is above 4 brought to 4");
  assert.ok(sd > 0.6 && sd < 1.1, `standard deviation ${sd}`);
  near(least, -2 / 3, 0.001, "least");
  assert.equal(most, 4);
  // Of Pareto's distribution with exponent 3, the quantile q is (1 - q)^(-1/3).
  near(DEVIATION.pareto(0.875), (2 - 1.5) * 4 / 3, 1e-9, "quantile 0.875");
});

Deno.test("paretonormal delays are one part normal, three parts pareto", () => {
  const { mean } = moments("paretonormal");
  near(mean, -0.025, 0.015, "mean");
  near(
    DEVIATION.paretonormal(0.7),
    (DEVIATION.normal(0.7) + 3 * DEVIATION.pareto(0.7)) / 4,
    1e-9,
    "the quantile 0.7",
  );
});

Deno.test("each distribution rises with its quantile, so that correlated numbers give correlated delays", () => {
  for (const [name, deviation] of Object.entries(DEVIATION)) {
    let last = -Infinity;
    for (let quantile = 0; quantile < 1; quantile += 0.001) {
      const value = deviation(quantile);
      assert.ok(value >= last, `${name} at ${quantile}: ${value} after ${last}`);
      last = value;
    }
  }
});

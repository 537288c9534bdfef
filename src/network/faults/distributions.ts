/**
 * How the delays of a link are spread: by how many jitters a delay differs from its mean, for a uniform number in [0, 1). Pure.
 *
 * The distributions and their scales are tc-netem's (iproute2, netem/*.c), by formula instead of by table. As there, what is
 * more than 4 jitters away is brought to 4; for that, the mean of `pareto` is 3 % of the jitter below the delay.
 */

import type { DISTRIBUTIONS } from "../../core/faults.ts";

export type Distribution = typeof DISTRIBUTIONS[number];

/** netem's tables have 16-bit entries in units of 1 / 8192. */
const MOST = 4;
/** The exponent of the Pareto distribution. */
const PARETO_A = 3;

/** The difference from the mean, in jitters. It rises with `quantile`, so correlated numbers give correlated delays. */
export const DEVIATION: Record<Distribution, (quantile: number) => number> = {
  uniform: (quantile) => 2 * quantile - 1,
  normal: (quantile) => within(normal(quantile)),
  pareto: (quantile) => within(pareto(quantile)),
  paretonormal: (quantile) => within((within(normal(quantile)) + 3 * within(pareto(quantile))) / 4),
};

function within(deviation: number): number {
  return Math.max(-MOST, Math.min(MOST, deviation));
}

/** Pareto with exponent 3, whose mean is 1.5: moved to mean 0, and scaled as NIST Net did. */
function pareto(quantile: number): number {
  return ((1 - quantile) ** (-1 / PARETO_A) - 1.5) * 4 / 3;
}

/** P. J. Acklam's rational approximation of the normal distribution's quantiles; its relative error is below 1.15e-9. */
function normal(quantile: number): number {
  if (quantile <= 0) return -Infinity;
  if (quantile > 1 - TAIL) return -tail(1 - quantile);
  if (quantile < TAIL) return tail(quantile);
  const q = quantile - 0.5;
  const r = q * q;
  return polynomial(CENTRE, r) * q / (polynomial(CENTRE_BELOW, r) * r + 1);
}

function tail(quantile: number): number {
  const q = Math.sqrt(-2 * Math.log(quantile));
  return polynomial(OUTER, q) / (polynomial(OUTER_BELOW, q) * q + 1);
}

const TAIL = 0.02425;
// deno-fmt-ignore
const CENTRE = [
  -3.969683028665376e1, 2.209460984245205e2, -2.759285104469687e2, 1.383577518672690e2, -3.066479806614716e1,
  2.506628277459239,
];
// deno-fmt-ignore
const CENTRE_BELOW = [
  -5.447609879822406e1, 1.615858368580409e2, -1.556989798598866e2, 6.680131188771972e1, -1.328068155288572e1,
];
// deno-fmt-ignore
const OUTER = [
  -7.784894002430293e-3, -3.223964580411365e-1, -2.400758277161838, -2.549732539343734, 4.374664141464968,
  2.938163982698783,
];
const OUTER_BELOW = [7.784695709041462e-3, 3.224671290700398e-1, 2.445134137142996, 3.754408661907416];

function polynomial(coefficients: readonly number[], x: number): number {
  let value = 0;
  for (const coefficient of coefficients) value = value * x + coefficient;
  return value;
}

import * as assert from "#assert";
import { newSeed, randomStream } from "./random.ts";

const draws = (count: number, ...name: (string | number)[]) => {
  const stream = randomStream(...name);
  return Array.from({ length: count }, () => stream.next());
};

Deno.test("a name repeats its stream, and another name has another one", () => {
  assert.deepEqual(draws(100, 7, "a"), draws(100, 7, "a"));
  assert.notDeepEqual(draws(100, 7, "a"), draws(100, 7, "b"));
  assert.notDeepEqual(draws(100, 7, "a"), draws(100, 8, "a"));
});

Deno.test("the numbers are spread evenly, and do not depend on the one before", () => {
  const numbers = draws(100_000, 1);
  const tenths = new Array(10).fill(0);
  for (const number of numbers) tenths[Math.floor(number * 10)]++;
  for (const count of tenths) assert.ok(Math.abs(count - 10_000) < 500, `${tenths}`);
  const products = numbers.slice(1).map((number, index) => (number - 0.5) * (numbers[index] - 0.5));
  const correlation = 12 * products.reduce((sum, one) => sum + one, 0) / products.length;
  assert.ok(Math.abs(correlation) < 0.02, `${correlation}`);
});

Deno.test("below(n) gives each of 0 to n - 1", () => {
  const stream = randomStream("dice");
  const seen = new Set(Array.from({ length: 1000 }, () => stream.below(6)));
  assert.deepEqual([...seen].sort(), [0, 1, 2, 3, 4, 5]);
});

Deno.test("a new seed is a whole number from 1 to 999999", () => {
  for (let count = 0; count < 1000; count++) {
    const seed = newSeed();
    assert.ok(Number.isInteger(seed) && seed >= 1 && seed <= 999_999, `${seed}`);
  }
});

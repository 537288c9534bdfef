import * as assert from "#assert";
import { merged } from "./merge.ts";

interface One {
  time: number;
  name: string;
}

/** A source of batches, which counts what was taken from it. */
function source(name: string, batches: number[][]): { batches: AsyncIterable<One[]>; taken: () => number } {
  let taken = 0;
  async function* all() {
    for (const times of batches) {
      taken += times.length;
      yield await Promise.resolve(times.map((time) => ({ time, name })));
    }
  }
  return { batches: all(), taken: () => taken };
}

Deno.test("events of several writers come in the order of their times; of the same time, the first writer's come first", async () => {
  const a = source("a", [[1, 3, 5], [7, 9]]), b = source("b", [[1], [2, 3], [20]]), none = source("c", []);
  const all = (await Array.fromAsync(merged([a.batches, none.batches, b.batches]))).flat();
  assert.deepEqual(
    all.map(({ time, name }) => `${name}${time}`),
    ["a1", "b1", "b2", "a3", "b3", "a5", "a7", "a9", "b20"],
  );
});

Deno.test("a writer's events that are a little late are put in their places, across batches too", async () => {
  const a = source("a", [[1, 4, 2], [3, 6], [5, 8, 7]]);
  const all = (await Array.fromAsync(merged([a.batches], 2))).flat();
  assert.deepEqual(all.map(({ time }) => time), [1, 2, 3, 4, 5, 6, 7, 8]);
});

Deno.test("events are given on before all are read", async () => {
  const times = Array.from({ length: 100 }, (_, index) => [index * 2, index * 2 + 1]);
  const a = source("a", times), b = source("b", times);
  const first = await merged([a.batches, b.batches], 10).next();
  assert.equal(first.value![0].time, 0);
  assert.ok(a.taken() <= 14 && b.taken() <= 14, `${a.taken()}, ${b.taken()}`);
});

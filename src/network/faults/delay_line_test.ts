import * as assert from "#assert";
import { DelayLine } from "./delay_line.ts";
import { randomStream } from "../../core/random.ts";

interface Item {
  timeMs: number;
  mark: number;
}

Deno.test("entries leave by their time, those of the same time in the order in which they came", () => {
  const left: Item[] = [];
  const line = new DelayLine<Item>((item) => left.push(item));
  const random = randomStream(2, "line");
  const items = Array.from({ length: 5000 }, (_, mark) => ({ timeMs: random.below(300), mark }));
  for (const item of items) line.add(item);
  line.run(98);
  assert.ok(left.length > 0 && left.every(({ timeMs }) => timeMs < 100));
  assert.equal(line.nextMs, 100);
  line.run(300);
  assert.deepEqual(left, items.toSorted((a, b) => a.timeMs - b.timeMs || a.mark - b.mark));
  assert.equal(line.size, 0);
});

Deno.test("entries leave by the timer alone, also when an earlier one comes later", async () => {
  const left: number[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const line = new DelayLine<Item>(({ mark }) => {
    left.push(mark);
    if (left.length === 3) resolve();
  });
  const now = performance.now();
  for (const [after, mark] of [[3_600_000, 9], [30, 3], [10, 1], [20, 2]]) {
    line.add({ timeMs: now + after, mark });
    line.arm(performance.now());
  }
  await promise;
  assert.deepEqual(left, [1, 2, 3]);
  line.remove(() => true, () => {}); // the timer ends with the last entry: the test would report it
});

Deno.test("what is taken out does not leave; the others do, in order", () => {
  const left: number[] = [], dropped: number[] = [];
  const line = new DelayLine<Item>(({ mark }) => left.push(mark));
  for (let mark = 0; mark < 100; mark++) line.add({ timeMs: (mark * 37) % 100, mark });
  line.remove(({ mark }) => mark % 3 === 0, ({ mark }) => dropped.push(mark));
  line.run(100);
  assert.equal(dropped.length, 34);
  assert.deepEqual(
    left,
    Array.from({ length: 100 }, (_, mark) => mark).filter((mark) => mark % 3 > 0)
      .sort((a, b) => (a * 37) % 100 - (b * 37) % 100),
  );
});

Deno.test("while the line is paused nothing leaves; what is due leaves at its end", () => {
  const left: number[] = [];
  let rounds = 0;
  const line = new DelayLine<Item>(({ mark }) => left.push(mark), () => rounds++);
  line.add({ timeMs: 5, mark: 1 });
  line.pause();
  line.add({ timeMs: 4, mark: 0 });
  line.arm(10);
  line.run(10);
  assert.deepEqual(left, []);
  line.resume(10);
  assert.deepEqual(left, [0, 1]);
  assert.equal(rounds, 1);
});

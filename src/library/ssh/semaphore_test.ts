import * as assert from "#assert";
import { Slots } from "./semaphore.ts";

Deno.test("slots: no more than so many at once, in the order in which they came", async () => {
  const slots = new Slots(2);
  const order: number[] = [];
  let now = 0;
  let most = 0;
  await Promise.all(Array.from({ length: 8 }, async (_, at) => {
    const free = await slots.take();
    order.push(at);
    most = Math.max(most, ++now);
    await new Promise((later) => setTimeout(later, 1));
    now--;
    free();
    free(); // twice counts once
  }));
  assert.equal(most, 2);
  assert.deepEqual(order, [0, 1, 2, 3, 4, 5, 6, 7]);
});

Deno.test("semaphore: a waiter that gives up leaves the queue, and takes no turn", async () => {
  const slots = new Slots(1);
  const free = await slots.take();
  const abort = new AbortController();
  const waiting = slots.take(abort.signal);
  const next = slots.take();
  abort.abort(new Error("enough"));
  await assert.rejects(waiting, /enough/);
  free();
  (await next)();
  (await slots.take())();
  await assert.rejects(slots.take(AbortSignal.abort(new Error("before"))), /before/);
});

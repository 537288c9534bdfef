import * as assert from "#assert";
import { Places, placesOn } from "./places.ts";

const turn = () => new Promise((resolve) => setTimeout(resolve));

Deno.test("so many members boot at once, the others in their order; a place that is given up twice is given up once", async () => {
  const places = new Places(2);
  const { signal } = new AbortController();
  const waited: string[] = [];
  const got: string[] = [];
  const take = async (name: string) => {
    const place = await places.take(60_000, signal, () => waited.push(name));
    got.push(name);
    return place;
  };
  const [a, b, c, d, e] = ["a", "b", "c", "d", "e"].map(take);
  await turn();
  assert.deepEqual([got, waited], [["a", "b"], ["c", "d", "e"]]);
  (await a).giveUp();
  (await a).giveUp();
  await turn();
  assert.deepEqual(got, ["a", "b", "c"]);
  for (const place of [b, c, d, e]) (await place).giveUp();
  assert.deepEqual(got, ["a", "b", "c", "d", "e"]);
});

Deno.test("a member that is stopped while it waits leaves the queue; a place that it has just got goes to the next", async () => {
  const places = new Places(1);
  const waits = () => {};
  const first = await places.take(60_000, new AbortController().signal, waits);
  const stops = [new AbortController(), new AbortController()];
  const stopped = stops.map(({ signal }) => assert.rejects(places.take(60_000, signal, waits), /it is stopped/));
  const last = places.take(60_000, new AbortController().signal, waits);
  stops[0].abort(new Error("it is stopped"));
  await stopped[0];
  stops[1].abort(new Error("it is stopped"));
  first.giveUp(); // the second is not told of its end yet
  await stopped[1];
  (await last).giveUp();
  (await places.take(60_000, new AbortController().signal, () => assert.fail("it is free"))).giveUp();
});

Deno.test("a boot that hangs goes on without its place", async () => {
  const places = new Places(1);
  const { signal } = new AbortController();
  let isWaiting = false;
  await places.take(20, signal, () => {});
  const next = await places.take(60_000, signal, () => isWaiting = true);
  assert.equal(isWaiting, true);
  next.giveUp();
});

Deno.test("a boot that comes further keeps its place; one that was given up is not had again", async () => {
  while (!await keepsItsPlace()) console.warn("this host was too slow to say so: once more");
});

/** False: it was not renewed in time, which says nothing. */
async function keepsItsPlace(): Promise<boolean> {
  const limitMs = 400;
  const places = new Places(1);
  const { signal } = new AbortController();
  const first = await places.take(limitMs, signal, () => {});
  let isNext = false;
  const next = places.take(60_000, signal, () => {}).then((place) => (isNext = true, place));
  let longestMs = 0;
  for (let at = 0, last = performance.now(); at < 6; at++) {
    await new Promise((resolve) => setTimeout(resolve, 100)); // a time is the subject: all of them are longer than the place's
    first.renew();
    longestMs = Math.max(longestMs, performance.now() - last);
    last = performance.now();
  }
  const wasInTime = longestMs < limitMs;
  if (wasInTime) assert.equal(isNext, false);
  first.giveUp();
  first.renew();
  (await next).giveUp();
  (await places.take(1, signal, () => assert.fail("it is free"))).giveUp();
  return wasInTime;
}

Deno.test("a small host boots four members at once, a large one two for each processor", () => {
  assert.deepEqual([1, 2, 3, 16].map(placesOn), [4, 4, 6, 32]);
});

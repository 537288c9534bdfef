import * as assert from "#assert";
import type { Jobs } from "./jobs.ts";
import { SharedLook } from "./shared_look.ts";

/** Looks that end when they are told to, and say which one they are by the number of live jobs. */
function looks() {
  const ends: ((error?: Error) => void)[] = [];
  let nowMs = 0;
  const shared = new SharedLook(() => {
    const { promise, resolve, reject } = Promise.withResolvers<Jobs>();
    const number = ends.push((error) =>
      error ? reject(error) : resolve({ live: Array(number).fill({}), ended: [], endedKeys: [] })
    );
    return promise;
  }, () => ++nowMs);
  const since = async (ms: number) => (await shared.since(ms)).live.length;
  return { ends, since };
}

Deno.test("shared look: those that ask while one is under way share the next one, which began after they asked", async () => {
  const { ends, since } = looks();
  const first = since(0);
  const sharing = since(0); // it may be that old
  const later = [since(2), since(2)];
  assert.equal(ends.length, 1);
  ends[0]();
  assert.deepEqual([await first, await sharing], [1, 1]);
  await Promise.resolve();
  assert.equal(ends.length, 2);
  ends[1]();
  assert.deepEqual(await Promise.all(later), [2, 2]);
  assert.equal(await since(0), 2);
});

Deno.test("shared look: one that fails is told to those that share it, and not to those that ask after it", async () => {
  const { ends, since } = looks();
  const first = since(0);
  const second = since(2);
  ends[0](new Error("no answer"));
  await assert.rejects(first, /no answer/);
  await new Promise((later) => setTimeout(later, 0));
  ends[1]();
  assert.equal(await second, 2);
});

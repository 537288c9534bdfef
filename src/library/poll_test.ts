import * as assert from "#assert";
import { poll, TimeOver } from "./poll.ts";

Deno.test("poll: tries until it works, and gives what it gave", async () => {
  let count = 0;
  const value = await poll({ limitMs: 5_000, intervalMs: 1 }, () => {
    if (++count < 3) return Promise.reject(new Error("not yet"));
    return Promise.resolve(count);
  });
  assert.equal(value, 3);
});

Deno.test("poll: at the limit it reports the last failure", async () => {
  let count = 0;
  const thrown = await poll({ limitMs: 30, intervalMs: 1 }, () => Promise.reject(new Error(`no ${++count}`))).then(
    () => assert.fail("it cannot work"),
    (thrown) => thrown,
  );
  assert.ok(thrown instanceof TimeOver);
  assert.match(String(thrown.cause), /no \d+/);
});

Deno.test("poll: an attempt that hangs is reported, and not waited for", async () => {
  let told = false;
  const hanging = poll({ limitMs: 20, intervalMs: 1 }, (signal) =>
    new Promise(() => {
      signal.addEventListener("abort", () => told = true);
    }));
  await assert.rejects(hanging, TimeOver);
  assert.ok(told);
});

Deno.test("poll: a failure that cannot get better ends it at once", async () => {
  const isFinal = (thrown: unknown) => (thrown as Error).message === "gone";
  let count = 0;
  const attempt = () => Promise.reject(new Error(++count === 2 ? "gone" : "not yet"));
  await assert.rejects(poll({ limitMs: 5_000, intervalMs: 1, isFinal }, attempt), /gone/);
  assert.equal(count, 2);
});

Deno.test("poll: the signal's reason comes through, at once", async () => {
  const abort = new AbortController();
  const waiting = poll(
    { limitMs: 60_000, intervalMs: 30_000, signal: abort.signal },
    () => Promise.reject(new Error()),
  );
  setTimeout(() => abort.abort(new Error("enough")), 5);
  await assert.rejects(waiting, /enough/);
});

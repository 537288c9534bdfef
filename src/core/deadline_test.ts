import * as assert from "#assert";
import { until } from "../../tests/support/processes.ts";
import { Countdown, Limit, startLimit } from "./deadline.ts";

const later = (ms: number) => new Promise((done) => setTimeout(done, ms));

Deno.test("a countdown that is paused takes nothing from the limit", async () => {
  let ended = 0;
  const countdown = new Countdown(200, () => ended++);
  countdown.pause();
  countdown.pause();
  await later(300);
  assert.equal(ended, 0);
  countdown.resume();
  countdown.resume();
  await until("it ends", () => ended > 0);
  assert.equal(ended, 1);
  countdown.end();
});

Deno.test("a countdown that ended never fires, paused or not", async () => {
  let ended = 0;
  for (const isPaused of [false, true]) {
    const countdown = new Countdown(20, () => ended++);
    if (isPaused) countdown.pause();
    countdown.end();
  }
  await later(60);
  assert.equal(ended, 0);
});

Deno.test("a countdown that is renewed has its whole limit again, also while it is paused; one that has passed stays passed", async () => {
  let ended = 0;
  const countdown = new Countdown(500, () => ended++);
  const begin = performance.now();
  await later(100); // a time is the subject
  countdown.renew();
  await until("it ends", () => ended > 0);
  assert.ok(performance.now() - begin >= 590, "it has not begun anew");
  countdown.renew();
  countdown.pause();
  countdown.renew();
  countdown.resume();
  await later(20);
  assert.equal(ended, 1);
  const paused = new Countdown(1, () => ended++);
  paused.pause();
  paused.renew();
  await later(20);
  assert.equal(ended, 1);
  paused.end();
});

/** Keeps this program from doing anything: what a SIGSTOP or a sleeping host looks like from inside. */
function standStill(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

Deno.test("time in which the whole program is stopped does not count", async () => {
  const signal = (ms: number, onEnd: () => void) => new Limit(ms).signal.addEventListener("abort", onEnd);
  for (const start of [startLimit, (ms: number, onEnd: () => void) => new Countdown(ms, onEnd), signal]) {
    let ended = 0;
    start(400, () => ended++);
    await later(1); // its first slice is under way
    standStill(1_300);
    await later(1);
    assert.equal(ended, 0, "it ended because time jumped");
    await until("it ends", () => ended > 0);
    assert.equal(ended, 1);
  }
});

Deno.test("a cancelled limit never fires", async () => {
  let ended = 0;
  startLimit(20, () => ended++)();
  await later(60);
  assert.equal(ended, 0);
});

Deno.test("no time is measured with a clock that can be set, but ages for people to read, the time for guests, and that of frames and entries", () => {
  const sources = (dir: string): string[] =>
    [...Deno.readDirSync(dir)].flatMap(({ name, isDirectory }) =>
      isDirectory
        ? sources(`${dir}/${name}`)
        : name.endsWith(".ts") && !name.endsWith("_test.ts")
        ? [`${dir}/${name}`]
        : []
    );
  const root = new URL("../../", import.meta.url).pathname;
  const measured = ["src", "helper"].flatMap((dir) => sources(`${root}${dir}`))
    .filter((file) => /Date\.now\(\)|new Date\(\)\.getTime/.test(Deno.readTextFileSync(file)))
    .map((file) => file.slice(root.length));
  assert.deepEqual(measured.filter((file) => !file.startsWith("src/cli/")).sort(), [
    "src/guest/faults/clock.ts",
    "src/guest/journal.ts",
    "src/guest/renewal.ts",
    "src/network/capture/host_clock.ts",
  ]);
});

Deno.test("a limit as a signal begins anew with each sign of life, and ends with its scope", async () => {
  const aborted: string[] = [];
  {
    using limit = new Limit(1_000);
    limit.signal.addEventListener("abort", () => aborted.push("in spite of its signs of life"));
    for (let sign = 0; sign < 3; sign++) {
      await later(400); // a time is the subject, as in the next: nothing may come
      limit.restart();
    }
  }
  {
    using limit = new Limit(20);
    limit.signal.addEventListener("abort", () => aborted.push("after its scope"));
  }
  await later(100);
  assert.deepEqual(aborted, []);
  using limit = new Limit(20);
  const { promise, resolve } = Promise.withResolvers<void>();
  limit.signal.addEventListener("abort", () => resolve());
  await promise;
});

Deno.test("an unref'd limit asks for whole milliseconds, as Node takes no others", async () => {
  const { timeout } = AbortSignal;
  const asked: number[] = [];
  AbortSignal.timeout = (ms) => (asked.push(ms), timeout.call(AbortSignal, ms));
  try {
    const { promise, resolve } = Promise.withResolvers<void>();
    startLimit(30.5, resolve, { unref: true });
    await promise;
  } finally {
    AbortSignal.timeout = timeout;
  }
  assert.ok(asked.length > 1 && asked.every(Number.isInteger), asked.join(" "));
});

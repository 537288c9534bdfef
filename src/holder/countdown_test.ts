import assert from "node:assert/strict";
import { Countdown } from "./countdown.ts";

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
  await later(400);
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

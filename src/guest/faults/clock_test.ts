/** The clock of a guest that is an object here, moved and put back by the program that works off tables. */

import * as assert from "#assert";
import { EPERM, FakeKernel, talkTo } from "../../../tests/fake_qemu/fake_kernel.ts";
import { FleetboxError } from "../../core/errors.ts";
import { changeClock, readOffset } from "./clock.ts";
import { changedTimex, fasterBy, isTempo, tempoOf } from "./timex.ts";

const NOTE = "/run/fleetbox-clock";

function newGuest(): FakeKernel {
  const guest = new FakeKernel();
  guest.clockMs = 1_700_000_000_000; // off by years: that stays
  return guest;
}

Deno.test("clock: moves add up, each is undone alone, and at the end nothing is left", async () => {
  const guest = newGuest(), calls = talkTo(guest), before = guest.clockMs;
  for (const movedMs of [30_000, -3_570_000, -3_600_000, 0.5]) {
    await changeClock(calls, { movedMs, rate: 1 });
    assert.equal(guest.clockMs, before + movedMs);
    assert.ok(guest.files.has(NOTE));
  }
  await changeClock(calls, undefined);
  assert.equal(guest.clockMs, before);
  assert.ok(!guest.files.has(NOTE));
  await changeClock(calls, undefined);
  assert.equal(guest.clockMs, before, "without faults it is left alone");
});

Deno.test("clock: time that passes meanwhile stays, and what a rate has made of it is gone at the end", async () => {
  const guest = newGuest(), calls = talkTo(guest), before = guest.clockMs;
  guest.tempo = { tick: 10_000, frequency: 65_536 * 20 }; // it was kept right until now
  await changeClock(calls, { movedMs: 5_000, rate: 1.05 });
  assert.deepEqual(guest.tempo, { tick: 10_500, frequency: 65_536 * 21 });
  guest.clockMs += 1_050;
  guest.rawMs += 1_000;
  await changeClock(calls, { movedMs: 7_000, rate: 1.05 });
  assert.equal(guest.clockMs, before + 7_000 + 1_050, "only the difference");
  await changeClock(talkTo(guest), { movedMs: 7_000, rate: 1 }); // another holder
  assert.equal(guest.clockMs, before + 7_000 + 1_000);
  await changeClock(talkTo(guest), undefined);
  assert.equal(guest.clockMs, before + 1_000);
  assert.deepEqual(guest.tempo, { tick: 10_000, frequency: 65_536 * 20 });
});

Deno.test("clock: a change that the kernel refuses changes nothing, and is told", async () => {
  const guest = newGuest(), before = guest.clockMs;
  const failed = (message: RegExp) => (thrown: unknown) =>
    thrown instanceof FleetboxError && thrown.code === "failed" && message.test(thrown.message);
  await assert.rejects(
    changeClock(talkTo(guest), { movedMs: -before - 1, rate: 1.1 }),
    failed(/^Cannot change the clock of the guest: Invalid argument \(error 22\)$/),
  );
  assert.deepEqual([guest.clockMs, guest.tempo.tick, guest.files.has(NOTE)], [before, 10_000, false]);
  guest.refuses = { 159: EPERM };
  await assert.rejects(
    changeClock(talkTo(guest), { movedMs: 1, rate: 1 }),
    failed(/Cannot read the clock.*not permitted/),
  );
  guest.refuses = { [NOTE]: -30 };
  await assert.rejects(
    changeClock(talkTo(guest), { movedMs: 1, rate: 1 }),
    failed(/^Cannot write \/run\/fleetbox-clock: Read-only file system/),
  );
  assert.equal(guest.clockMs, before);
});

Deno.test("clock: a note that is none is not believed", async () => {
  for (const text of ["", "{", "[]", '{"baseUs":1,"movedUs":0,"tempo":{"tick":1,"frequency":0}}', '{"baseUs":"1"}']) {
    const guest = newGuest(), before = guest.clockMs;
    guest.files.set(NOTE, text);
    await changeClock(talkTo(guest), { movedMs: 1_000, rate: 1 });
    assert.equal(guest.clockMs, before + 1_000, text);
  }
});

Deno.test("clock: how far it is ahead is read with the best of several answers", async () => {
  const guest = new FakeKernel();
  guest.clockMs = Date.now() + 60_000;
  const { offsetMs, errorMs } = await readOffset(talkTo(guest));
  assert.ok(Math.abs(offsetMs - 60_000) < 5_000, `${offsetMs}`);
  assert.ok(errorMs >= 0.5 && errorMs < 2_500, `${errorMs}`);
});

Deno.test("timex: a step is whole microseconds that are never negative; every rate of the kernel's can be had", () => {
  for (const stepUs of [-30_000_000.4, -0.6, 999_999.7, -1e6, 3.5e15]) {
    const view = new DataView(changedTimex({ stepUs }).buffer);
    const [seconds, micros] = [72, 80].map((at) => Number(view.getBigInt64(at, true)));
    assert.ok(micros >= 0 && micros < 1e6, `${stepUs}: ${micros}`);
    assert.equal(seconds * 1e6 + micros, Math.round(stepUs));
  }
  for (const rate of [0.9, 0.95, 1.00005, 1.012345, 1.1]) {
    for (const frequency of [0, 500 * 65_536, -500 * 65_536]) {
      const tempo = fasterBy(rate, { tick: 10_000, frequency });
      assert.ok(isTempo(tempo), JSON.stringify(tempo));
      const found = tempo.tick / 1e4 + tempo.frequency / 65_536e6;
      const error = Math.abs(found - rate * (1 + frequency / 65_536e6));
      assert.ok(error < 0.0006, `${rate} with ${frequency}: ${found}`);
    }
  }
  assert.equal(tempoOf(new Uint8Array(208)), undefined);
});

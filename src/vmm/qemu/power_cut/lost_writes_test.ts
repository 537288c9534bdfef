import * as assert from "#assert";
import type { LossMode } from "../../../core/power_cut.ts";
import { fatesOf } from "./lost_writes.ts";
import type { LogEntry } from "./write_log.ts";

const write = (sectors: number, isDurable = false): LogEntry => ({
  kind: "write",
  sector: 0,
  sectors,
  isDurable,
  at: 0,
});
const MODES: LossMode[] = ["all", "random", "torn"];
const MANY = Array.from({ length: 1000 }, (_, index) => write(1 + index % 8));

Deno.test("all: nothing that was not flushed survives, except a write that was durable by itself", () => {
  const { survive, lost } = fatesOf([write(8), write(2, true), write(1)], { mode: "all", seed: 1 });
  assert.deepEqual(survive, [0, 2, 0]);
  assert.deepEqual(lost, { unflushed: 2, lost: 2 });
});

Deno.test("random: about a half survives, whole, and the seed repeats it", () => {
  const { survive, lost } = fatesOf(MANY, { mode: "random", seed: 7 });
  assert.ok(survive.every((sectors, index) => sectors === 0 || sectors === MANY[index].sectors));
  assert.ok(lost.lost > 430 && lost.lost < 570, `${lost.lost}`);
  assert.equal(lost.lost, survive.filter((sectors) => sectors === 0).length);
  assert.deepEqual(fatesOf(MANY, { mode: "random", seed: 7 }).survive, survive);
  assert.notDeepEqual(fatesOf(MANY, { mode: "random", seed: 8 }).survive, survive);
});

Deno.test("torn: as random, but the last write that survives may end in its middle", () => {
  let torn = 0;
  for (let seed = 0; seed < 100; seed++) {
    const whole = fatesOf(MANY, { mode: "random", seed }).survive;
    const { survive, lost } = fatesOf(MANY, { mode: "torn", seed });
    const last = whole.findLastIndex((sectors) => sectors > 0);
    assert.deepEqual(survive.toSpliced(last, 1), whole.toSpliced(last, 1));
    assert.ok(survive[last] >= 1 && survive[last] <= whole[last]);
    if (survive[last] < whole[last]) {
      torn++;
      assert.deepEqual(lost.torn, { sectors: survive[last], of: whole[last] });
    } else assert.equal(lost.torn, undefined);
  }
  assert.ok(torn > 50, `${torn} of 100`);
});

Deno.test("a discard is not torn, and what was durable survives whole with any seed", () => {
  const entries: LogEntry[] = [write(8, true), { ...write(8), kind: "discard" }];
  for (const mode of MODES) {
    for (let seed = 0; seed < 50; seed++) {
      const { survive, lost } = fatesOf(entries, { mode, seed });
      assert.equal(survive[0], 8);
      assert.ok(survive[1] === 0 || survive[1] === 8);
      assert.equal(lost.unflushed, 1);
    }
  }
});

Deno.test("nothing unflushed: nothing is lost", () => {
  for (const mode of MODES) {
    assert.deepEqual(fatesOf([], { mode, seed: 1 }), { survive: [], lost: { unflushed: 0, lost: 0 } });
  }
});

import * as assert from "#assert";
import { randomStream } from "../../core/random.ts";
import { Drop, PASS } from "../counters.ts";
import { encodeFrame } from "../frame.ts";
import { data } from "../testing.ts";
import type { Shape } from "./conditions.ts";
import { FaultEngine } from "./engine.ts";

/** An engine with the ports `n2`, `n3`, … by id, and what it delivers. */
function engine(ids: readonly number[], onFrame: (bytes: Uint8Array, toId: number) => void = () => {}) {
  const dropped: number[] = [];
  const one = new FaultEngine({
    deliver: ({ bytes, toId }) => onFrame(bytes, toId),
    awaitRoom: () => true,
    flush: () => {},
    drop: (_, why) => why === PASS || dropped.push(why),
  });
  for (const id of ids) one.added(`n${id}`, id);
  return { one, dropped };
}

/** Judges a frame; whatever is to be delivered as it is goes to `onFrame`, too. */
function send(one: FaultEngine, from: number, to: number, bytes: Uint8Array, nowMs: number, onFrame: () => void): void {
  const pair = one.rows[from]?.[to];
  if (!pair || one.judge(pair, from, to, bytes, 0, bytes.length, nowMs, false)) onFrame();
}

const SHAPES: Shape[] = [
  { lossGemodel: { p: 0.01, r: 0.3, h: 0.2, k: 0.999 }, duplicate: 0.05, corrupt: 0.02 },
  { loss: 0.02, lossCorrelation: 0.3, duplicate: 0.01, duplicateCorrelation: 0.2 },
];

/** A digest of everything that happens to frames from n2 to n3, and how much arrives. */
function verdicts(frames: number, chunk: number, hasOthers: boolean, seed = 4): { digest: number; arrived: number } {
  let digest = 0, arrived = 0, sent = 0;
  const note = (what: number) => (digest = Math.imul(digest, 31) + what | 0);
  const { one } = engine([2, 3], (bytes, toId) => {
    if (toId !== 3) return;
    arrived++;
    note(sent);
    for (let at = 18; at < 58; at++) if (bytes[at] !== 7) note(at * 256 + bytes[at]);
  });
  const shapes = SHAPES.map((shape, index) => ({ id: `f${index}`, seed, shape }));
  if (hasOthers) one.setConditions("n2", "n4", { shapes }, 0);
  one.setConditions("n2", "n3", { shapes }, 0);
  const bytes = encodeFrame(data("b", "a", 7));
  for (; sent < frames; sent++) {
    const nowMs = Math.floor(sent / chunk);
    if (hasOthers && sent === 1000) one.added("n4", 4);
    if (hasOthers && sent > 1000) send(one, 2, 4, bytes, nowMs, () => {});
    send(one, 2, 3, bytes, nowMs, () => (arrived++, note(sent)));
    if (sent % chunk === 0) one.afterChunk(nowMs);
  }
  one.close();
  return { digest, arrived };
}

Deno.test("a million frames with the same seed get the same verdicts in chunks of any size, whoever joins meanwhile", () => {
  const first = verdicts(1_000_000, 1, false);
  assert.deepEqual(verdicts(1_000_000, 43, true), first);
  assert.notEqual(verdicts(1_000_000, 1, false, 5).digest, first.digest);
});

Deno.test("frames in the delay line are bounded by the limit of a shape, and their memory is used again", () => {
  let delivered = 0;
  const { one } = engine([2, 3], () => delivered++);
  one.setConditions("n2", "n3", { shapes: [{ id: "f1", seed: 1, shape: { delayMs: 1_000_000, limit: 50 } }] }, 0);
  const bytes = encodeFrame(data("b", "a", 1));
  for (let round = 1; round <= 3; round++) {
    const nowMs = round * 2_000_000;
    for (let frame = 0; frame < 80; frame++) send(one, 2, 3, bytes, nowMs, () => assert.fail("not delayed"));
    one.afterChunk(nowMs + 1_000_000);
    assert.equal(delivered, round * 50);
    assert.equal(one.counts().get("f1")!.overLimit, round * 30);
  }
  one.close();
});

Deno.test("a frame that was delayed meets the cuts of the time at which it arrives, and counts for them", () => {
  let delivered = 0;
  const { one } = engine([2, 3], () => delivered++);
  const shapes = [{ id: "f1", seed: 1, shape: { delayMs: 10 } }];
  one.setConditions("n2", "n3", { shapes }, 0);
  send(one, 2, 3, encodeFrame(data("b", "a", 1)), 0, () => assert.fail("not delayed"));
  one.setConditions("n2", "n3", { cuts: ["f2"], shapes }, 5);
  one.afterChunk(10);
  assert.equal(delivered, 0);
  assert.equal(one.counts().get("f2")!.cut, 1);
  one.close();
});

Deno.test("many faults that duplicate do not make more copies than a bound", () => {
  let delivered = 0;
  const { one } = engine([2, 3], () => delivered++);
  const shapes = Array.from(
    { length: 5000 },
    (_, index) => ({ id: `f${index}`, seed: index, shape: { duplicate: 1 } }),
  );
  one.setConditions("n2", "n3", { shapes }, 0);
  send(one, 2, 3, encodeFrame(data("b", "a", 1)), 0, () => {});
  assert.equal(delivered, 16);
});

Deno.test("10,000 cuts of a pair, set and ended one by one, are counted each, and cost a frame no more than one", () => {
  const { one } = engine([2, 3]);
  const ids = Array.from({ length: 10_000 }, (_, index) => `f${index}`);
  for (let count = 1; count <= ids.length; count += 100) {
    one.setConditions("n2", "n3", { cuts: ids.slice(0, count) }, 0);
  }
  one.setConditions("n2", "n3", { cuts: ids }, 0);
  const bytes = encodeFrame(data("b", "a", 1));
  const timeOf = (cuts: string[]) => {
    one.setConditions("n2", "n3", { cuts }, 0);
    const begin = performance.now();
    for (let frame = 0; frame < 100_000; frame++) send(one, 2, 3, bytes, 0, () => assert.fail("it is cut"));
    return performance.now() - begin;
  };
  const alone = timeOf(["f0"]);
  assert.ok(timeOf(ids) < 500 * alone, "a frame costs a step for each fault");
  assert.equal(one.counts().get("f9999")!.cut, 100_000);
  for (let count = ids.length; count > 0; count -= 100) one.setConditions("n2", "n3", { cuts: ids.slice(0, count) }, 0);
  one.setConditions("n2", "n3", undefined, 0);
  assert.deepEqual(one.rows.filter((row) => row !== undefined), [], "nothing is left on the switch's path");
});

Deno.test("a port that does not read keeps what a hold has released, within its bound; the rest is counted", () => {
  let hasRoom = false;
  const delivered: number[] = [], dropped: number[] = [];
  const one = new FaultEngine({
    deliver: ({ bytes, end }) => delivered.push(bytes[end - 1]),
    awaitRoom: () => hasRoom,
    flush: () => {},
    drop: (_, why) => dropped.push(why),
  });
  for (const id of [2, 3]) one.added(`n${id}`, id);
  one.setConditions("n2", "n3", { holds: ["f1"] }, 0);
  const frame = (mark: number) => send(one, 2, 3, encodeFrame(data("b", "a", mark)), 0, () => assert.fail("held"));
  for (let index = 0; index < 600; index++) frame(1);
  one.setConditions("n2", "n3", undefined, 0);
  for (let index = 0; index < 500; index++) frame(2);
  assert.deepEqual(dropped, new Array(100).fill(Drop.queueFull));
  hasRoom = true;
  one.hasRoom(0);
  assert.deepEqual(delivered, [...new Array(600).fill(1), ...new Array(400).fill(2)]);
  assert.equal(one.rows[2], undefined, "the pair is as any other again");
});

Deno.test("a pair that is held again keeps the frames that had not left, in order", () => {
  let room = 2;
  const delivered: number[] = [];
  const one = new FaultEngine({
    deliver: ({ bytes, end }) => delivered.push(bytes[end - 1]),
    awaitRoom: () => room-- > 0,
    flush: () => {},
    drop: () => assert.fail("nothing is dropped"),
  });
  for (const id of [2, 3]) one.added(`n${id}`, id);
  one.setConditions("n2", "n3", { holds: ["f1"] }, 0);
  for (let mark = 1; mark <= 4; mark++) send(one, 2, 3, encodeFrame(data("b", "a", mark)), 0, () => {});
  one.setConditions("n2", "n3", undefined, 0);
  one.setConditions("n2", "n3", { holds: ["f2"] }, 0);
  send(one, 2, 3, encodeFrame(data("b", "a", 5)), 0, () => {});
  room = 100;
  one.hasRoom(0);
  assert.deepEqual(delivered, [1, 2]);
  one.setConditions("n2", "n3", undefined, 0);
  assert.deepEqual(delivered, [1, 2, 3, 4, 5]);
});

Deno.test("whatever is set, ended, cut, held or unplugged: each frame is delivered, or counted as dropped", () => {
  for (let seed = 0; seed < 40; seed++) {
    const random = randomStream(seed, "operations");
    let delivered = 0, dropped = 0, sent = 0, nowMs = 0, room = 5;
    const one = new FaultEngine({
      deliver: ({ bytes, end, fromId, toId }) => {
        assert.deepEqual([...bytes.subarray(end - 3, end)], [fromId, toId, 99], "the bytes are the frame's own");
        delivered++;
      },
      awaitRoom: () => room-- > 0,
      flush: () => {},
      drop: (_, why) => why === PASS || dropped++,
    });
    const ids = [2, 3, 4];
    for (const id of ids) one.added(`n${id}`, id);
    const pick = () => ids[random.below(ids.length)];
    const faults = [
      { cuts: ["cut"] },
      { holds: ["hold"] },
      { shapes: [{ id: "late", seed, shape: { delayMs: 5, jitterMs: 5, limit: 20 } }] },
      { shapes: [{ id: "bad", seed, shape: { loss: 0.2, duplicate: 0.2 } }] },
      {
        shapes: [{ id: "bad", seed, shape: { loss: 0.2, duplicate: 0.2 } }, {
          id: "late",
          seed,
          shape: { delayMs: 9 },
        }],
      },
      { holds: ["hold"], shapes: [{ id: "late", seed, shape: { delayMs: 5, jitterMs: 5, limit: 20 } }] },
      undefined,
    ];
    for (let step = 0; step < 3000; step++) {
      const from = pick(), to = pick();
      const what = random.below(100);
      if (what < 3) one.setConditions(`n${from}`, `n${to}`, faults[random.below(faults.length)], nowMs);
      else if (what === 3) one.disconnected(to);
      else if (what === 4) {
        one.removed(`n${to}`, to);
        one.added(`n${to}`, to);
      } else if (what === 5) one.pause();
      else if (what === 6) one.resume(nowMs);
      else if (what === 7) {
        room = random.below(30);
        one.hasRoom(nowMs);
      } else if (what < 20) one.afterChunk(nowMs += random.below(3));
      else {
        const bytes = encodeFrame(data("b", "a", 0));
        bytes.set([from, to, 99], bytes.length - 3);
        sent++;
        send(one, from, to, bytes, nowMs, () => delivered++);
      }
    }
    one.resume(nowMs);
    for (const from of ids) for (const to of ids) one.setConditions(`n${from}`, `n${to}`, undefined, nowMs);
    room = Infinity;
    one.hasRoom(nowMs);
    one.afterChunk(nowMs + 1000);
    assert.deepEqual(one.rows.filter((row) => row !== undefined), [], `seed ${seed}: nothing is left`);
    let gone = dropped, made = 0;
    for (const { cut, lost, overLimit, duplicated } of one.counts().values()) {
      gone += cut + lost + overLimit;
      made += duplicated;
    }
    assert.equal(delivered + gone, sent + made, `seed ${seed}`);
    one.close();
  }
});

import * as assert from "#assert";
import { FleetboxError } from "../errors.ts";
import { faultText } from "./text.ts";
import { checkFault, checkFaultTimes, type FaultSpec } from "../faults.ts";

const misuse = (message: RegExp) => (error: unknown) =>
  error instanceof FleetboxError && error.code === "misuse" && message.test(error.message);

const GOOD: [FaultSpec, string][] = [
  [{ kind: "partition", sets: [["a", "b"], ["c"]] }, "cut: a,b | c"],
  [{ kind: "partition", sets: [["a"], ["gateway"]], oneWay: true }, "cut: a to gateway, one way"],
  [{ kind: "partition", shape: "majorities-ring" }, "cut: majorities-ring of all"],
  [{ kind: "partition", shape: "one", of: ["a", "b"] }, "cut: one of a, b"],
  [{ kind: "drop", from: ["a"] }, "drop: a to all"],
  [{ kind: "hold", sets: [["a"], ["b"]] }, "hold: a | b"],
  [{ kind: "flap", sets: [["a"], ["b"]], downMs: 2_000, upMs: 500 }, "flap: a | b, down 2s, up 500ms"],
  [
    {
      kind: "shape",
      from: ["a"],
      to: ["b", "c"],
      shape: {
        delayMs: 50,
        jitterMs: 10,
        correlation: 0.25,
        distribution: "normal",
        loss: 0.01,
        rateBitsPerSecond: 1e6,
      },
    },
    "a to b,c: delay 50ms ± 10ms normal (correlation 25%), loss 1%, rate 1mbit",
  ],
  [
    { kind: "shape", shape: { delayMs: 90_000, reorder: 0.05, gap: 5, duplicate: 0.02, corrupt: 0.001, limit: 9 } },
    "all to all: delay 1.5m, duplicate 2%, reorder 5% gap 5, corrupt 0.1%, limit 9",
  ],
  [
    { kind: "shape", shape: { lossGemodel: { p: 0.01, r: 0.1, h: 0.3, k: 1 } } },
    "all to all: loss gemodel p 1% r 10% h 30% k 100%",
  ],
  [{ kind: "pause", member: "a" }, "pause: a"],
  [{ kind: "clock", member: "a", bumpMs: -30_000 }, "clock: a, -30s"],
  [{ kind: "memory", member: "a", availableMiB: 64 }, "memory: a, 64M left"],
  [{ kind: "fill", member: "a", share: 0.95 }, "fill: a, / to 95%"],
  [{ kind: "clock", member: "a", rate: 1.05 }, "clock: a, 1.05 times as fast"],
  [{ kind: "clock", member: "a", strobeMs: 200 }, "clock: a, +200ms and back, every 1s"],
  [{ kind: "disk", member: "a", error: "EIO" }, "disk: a, reads, writes and flushes fail (EIO)"],
  [
    { kind: "disk", member: "a", on: ["flush", "read"], error: "EIO", once: true },
    "disk: a, reads and flushes fail (EIO), once",
  ],
  [
    { kind: "disk", member: "a", error: "EIO", rate: 0.001, sectors: [8, 32_775] },
    "disk: a, reads and writes fail (EIO), 0.1%, sectors 8-32775",
  ],
  [{ kind: "disk", member: "a", iops: 50 }, "disk: a, reads and writes at most 50 a second"],
  [
    { kind: "disk", member: "a", on: ["write"], iops: 50, latencyMs: 200 },
    "disk: a, writes at most 50 a second, 200ms late",
  ],
  [{ kind: "disk", member: "a", latencyMs: 1_500 }, "disk: a, reads, writes and flushes 1.5s late"],
];

for (const [spec, text] of GOOD) {
  Deno.test(`fault: ${text}`, () => {
    assert.deepEqual(checkFault(JSON.parse(JSON.stringify(spec))), spec);
    assert.equal(faultText(spec), text);
  });
}

const BAD: [unknown, RegExp][] = [
  [null, /a fault: found null, expected a JSON object/],
  [{ kind: "meteor" }, /kind: found "meteor", expected one of partition, drop, hold, flap, shape, pause/],
  [{ kind: "partition" }, /sets of members, or else a shape/],
  [{ kind: "partition", sets: [["a"], ["b"]], shape: "one" }, /sets of members, or else a shape/],
  [{ kind: "partition", sets: [["a", "b"]] }, /at least two sets/],
  [{ kind: "partition", sets: [["a"], ["b", "a"]] }, /"a" is in two/],
  [{ kind: "partition", sets: [["a"], []] }, /members' names, at least one/],
  [{ kind: "partition", sets: [["A"], ["b"]] }, /members' names/],
  [{ kind: "partition", shape: "star" }, /one of one, majority, majorities-ring, bridge, isolate/],
  [{ kind: "partition", sets: [["a"], ["b"]], forever: true }, /fault: found "forever"/],
  [{ kind: "partition", shape: "bridge", oneWay: true }, /one or majority, when only one way is cut/],
  [{ kind: "drop" }, /from, to, or both/],
  [{ kind: "hold", sets: "a b" }, /at least two sets/],
  [{ kind: "flap", sets: [["a"], ["b"]], downMs: 1, upMs: 500 }, /downMs: found 1, expected a number from 10/],
  [{ kind: "shape", shape: {} }, /at least one of/],
  [{ kind: "shape", shape: { delayMs: "50ms" } }, /delayMs: found "50ms"/],
  [{ kind: "shape", shape: { loss: 1.5 } }, /loss: found 1.5, expected a number from 0 to 1/],
  [{ kind: "shape", shape: { loss: NaN } }, /loss: found null/],
  [{ kind: "shape", shape: { latency: 3 } }, /shape: found "latency"/],
  [{ kind: "shape", shape: { correlation: 0.5, delayMs: 3 } }, /jitterMs beside it: it has no effect alone/],
  [{ kind: "shape", shape: { reorder: 0.5 } }, /delayMs beside it/],
  [{ kind: "shape", shape: { loss: 0.1, lossState: { p13: 0, p31: 0, p32: 0, p23: 0, p14: 0 } } }, /one model of loss/],
  [{ kind: "shape", shape: { lossGemodel: { p: 1, r: 1, h: 1 } } }, /lossGemodel.k: found nothing/],
  [{ kind: "pause", member: "A B" }, /a member's name/],
  [{ kind: "cpu", member: "a", share: 0 }, /share: found 0, expected a number from 0.01 to 0.99/],
  [{ kind: "cpu", member: "a", share: 1 }, /share: found 1/],
  [{ kind: "cpu", member: "a" }, /share: found nothing/],
  [{ kind: "memory", member: "a" }, /availableMiB: found nothing/],
  [{ kind: "memory", member: "a", availableMiB: 0.5 }, /from 1 to/],
  [{ kind: "fill", member: "a", share: 1.1 }, /share: found 1.1/],
  [{ kind: "fill", member: "a", share: 0.9, path: "var" }, /the absolute path of a directory/],
  [{ kind: "fill", share: 0.9 }, /a member's name/],
  [{ kind: "clock", member: "a" }, /exactly one of bumpMs, rate and strobeMs/],
  [{ kind: "clock", member: "a", bumpMs: 1, rate: 1.05 }, /exactly one of bumpMs, rate and strobeMs/],
  [{ kind: "clock", member: "a", bumpMs: 0.5 }, /bumpMs: found 0.5, expected at least 1 millisecond/],
  [{ kind: "clock", member: "a", bumpMs: 4e12 }, /bumpMs: found 4000000000000/],
  [{ kind: "clock", member: "a", rate: 1 }, /another number than 1/],
  [{ kind: "clock", member: "a", rate: 1.2 }, /from 0.9 to 1.1/],
  [{ kind: "clock", member: "a", bumpMs: 5, periodMs: 500 }, /periodMs: found 500, expected strobeMs beside it/],
  [{ kind: "clock", member: "a", strobeMs: 5, periodMs: 50 }, /from 100 to/],
  [{ kind: "clock", member: "A", bumpMs: 5 }, /a member's name/],
  [{ kind: "cpu", share: 0.5 }, /member: found nothing/],
  [{ kind: "disk", member: "a" }, /error: found nothing, expected an error, iops, or a latency/],
  [{ kind: "disk", error: "EIO" }, /member: found nothing/],
  [{ kind: "disk", member: "a", error: "ENOSPC" }, /expected EIO: a guest's disk \(virtio\) knows no other error/],
  [{ kind: "disk", member: "a", error: "EIO", iops: 5 }, /nothing beside iops: two faults do both/],
  [{ kind: "disk", member: "a", error: "EIO", on: [] }, /on: found \[\], expected some of read, write, flush/],
  [{ kind: "disk", member: "a", error: "EIO", on: ["trim"] }, /on: found "trim", expected one of read, write, flush/],
  [{ kind: "disk", member: "a", error: "EIO", once: true, rate: 0.5 }, /rate: found 0.5, expected nothing beside once/],
  [{ kind: "disk", member: "a", error: "EIO", rate: 0.0001 }, /rate: found 0.0001, expected a number from 0.001 to 1/],
  [{ kind: "disk", member: "a", error: "EIO", sectors: [9, 8] }, /sectors: found 8, expected a number from 9/],
  [{ kind: "disk", member: "a", error: "EIO", sectors: [1] }, /the first and the last one/],
  [{ kind: "disk", member: "a", error: "EIO", sectors: [8, 9], once: true }, /a single one: each of them/],
  [{ kind: "disk", member: "a", error: "EIO", sectors: [0, 32_768] }, /at most 32768 sectors$/],
  [{ kind: "disk", member: "a", error: "EIO", sectors: [0, 99], rate: 0.5 }, /at most 65 sectors, with this rate/],
  [{ kind: "disk", member: "a", error: "EIO", sectors: [0, 7], on: ["flush"] }, /a flush is of the whole disk/],
  [{ kind: "disk", member: "a", iops: 5, once: true }, /once: found true, expected nothing: it needs an error/],
  [{ kind: "disk", member: "a", iops: 5, on: ["flush"] }, /iops do not count flushes/],
  [{ kind: "disk", member: "a", iops: 0.5 }, /iops: found 0.5/],
  [{ kind: "disk", member: "a", latencyMs: 6_000 }, /latency in ms: found 6000, expected a number from 1 to 5000/],
];

for (const [value, message] of BAD) {
  Deno.test(`fault: refused: ${message.source}: ${JSON.stringify(value)}`, () => {
    assert.throws(() => checkFault(value), misuse(message));
  });
}

Deno.test("fault: times and seeds have their ranges", () => {
  checkFaultTimes({ forMs: 1, seed: 0 });
  checkFaultTimes({});
  assert.throws(() => checkFaultTimes({ forMs: 0 }), misuse(/^Bad value for for: found 0/));
  assert.throws(() => checkFaultTimes({ seed: 1.5 }), misuse(/a whole number/));
  assert.throws(() => checkFaultTimes({ seed: 2 ** 32 }), misuse(/^Bad value for seed/));
});

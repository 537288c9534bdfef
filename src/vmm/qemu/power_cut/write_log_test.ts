import * as assert from "#assert";
import { randomStream } from "../../../core/random.ts";
import { bytesOf, logOf, type Written } from "./testing.ts";
import { type LogEnd, logEntries, type LogEntry, SECTOR } from "./write_log.ts";

const DISK_SECTORS = 1000;

function read(bytes: Uint8Array): { entries: LogEntry[]; end: LogEnd } {
  const [generator, entries] = [logEntries(bytesOf(bytes), DISK_SECTORS), [] as LogEntry[]];
  for (;;) {
    const next = generator.next();
    if (next.done) return { entries, end: next.value };
    entries.push(next.value);
  }
}

const SOME: Written[] = [
  { sector: 8, data: new Uint8Array(2 * SECTOR).fill(1) },
  { flush: true },
  { sector: 0, data: new Uint8Array(SECTOR).fill(2), isDurable: true },
  { sector: 100, discard: 50 },
  { sector: 999, data: new Uint8Array(SECTOR) },
];

Deno.test("a log's entries are read in their order, with where their data is", () => {
  const { entries, end } = read(logOf(SOME));
  assert.deepEqual(end, { kind: "whole" });
  assert.deepEqual(entries, [
    { kind: "write", sector: 8, sectors: 2, isDurable: false, at: 1024 },
    { kind: "flush", sector: 0, sectors: 0, isDurable: true, at: 2560 },
    { kind: "write", sector: 0, sectors: 1, isDurable: true, at: 3072 },
    { kind: "discard", sector: 100, sectors: 50, isDurable: false, at: 4096 },
    { kind: "write", sector: 999, sectors: 1, isDurable: false, at: 4608 },
  ]);
});

Deno.test("a log whose superblock was not written yet is read, and so is one without an entry", () => {
  const log = logOf(SOME);
  log.fill(0, 0, SECTOR);
  assert.equal(read(log).entries.length, 5);
  for (const empty of [new Uint8Array(), new Uint8Array(SECTOR)]) {
    assert.deepEqual(read(empty), { entries: [], end: { kind: "whole" } });
  }
});

Deno.test("a missing entry is found, and so is one that cannot be: beyond the disk, of unknown kind", () => {
  const second = 1024 + 2 * SECTOR;
  const hole = logOf(SOME);
  hole.fill(0, second, second + SECTOR);
  assert.deepEqual(read(hole).end, { kind: "hole", at: second });
  assert.equal(read(hole).entries.length, 1);
  const beyond = logOf([...SOME, { sector: DISK_SECTORS, data: new Uint8Array(SECTOR) }]);
  assert.equal(read(beyond).end.kind, "hole");
  const unknown = logOf(SOME);
  unknown[second + 16] = 16;
  assert.deepEqual(read(unknown).end, { kind: "hole", at: second });
});

Deno.test("what is no log is refused", () => {
  const other = logOf(SOME);
  other[0]++;
  assert.throws(() => read(other), /no log of writes/);
  const later = logOf(SOME);
  later[8] = 2;
  assert.throws(() => read(later), /version 2 .* expected 1/);
});

Deno.test("any prefix of a log gives a prefix of its entries, and says whether one is cut", () => {
  const random = randomStream("prefixes");
  for (let round = 0; round < 50; round++) {
    const written = Array.from({ length: random.below(30) }, (): Written => {
      const sector = random.below(DISK_SECTORS - 20);
      const kind = random.below(4);
      if (kind === 0) return { flush: true };
      if (kind === 1) return { sector, discard: 1 + random.below(20) };
      const data = new Uint8Array((1 + random.below(20)) * SECTOR).fill(random.below(256));
      return { sector, data, isDurable: random.below(5) === 0 };
    });
    const log = logOf(written);
    const all = read(log).entries;
    assert.equal(all.length, written.length);
    for (let cut = 0; cut < 40; cut++) {
      const length = random.below(log.length + 1);
      const { entries, end } = read(log.subarray(0, length));
      assert.deepEqual(entries, all.slice(0, entries.length));
      const next = all[entries.length];
      assert.ok(next === undefined || length < next.at + (next.kind === "write" ? next.sectors * SECTOR : 0) + 1);
      const last = entries.at(-1);
      const endsAt = last ? last.at + (last.kind === "write" ? last.sectors * SECTOR : 0) : SECTOR;
      assert.equal(end.kind, length <= endsAt ? "whole" : "cut", `${length} of ${log.length}`);
    }
  }
});

Deno.test("no bytes make the reader fail in another way, or go on for ever", () => {
  const random = randomStream("garbage");
  for (let round = 0; round < 300; round++) {
    const log = logOf(SOME);
    for (let count = random.below(6); count >= 0; count--) {
      log[SECTOR + random.below(log.length - SECTOR)] = random.below(256);
    }
    const { entries } = read(log);
    for (const { sector, sectors } of entries) assert.ok(sector + sectors <= DISK_SECTORS);
  }
});

/** With the real `qemu-img` and `qemu-io`, and logs that are made here. */

import * as assert from "#assert";
import { join } from "../../../core/paths.ts";
import type { Loss } from "../../../core/power_cut.ts";
import { randomStream } from "../../../core/random.ts";
import { run } from "../../../system/process.ts";
import { disks } from "../disks.ts";
import { fatesOf } from "./lost_writes.ts";
import { bytesOf, logOf, type Written } from "./testing.ts";
import { logEntries, SECTOR } from "./write_log.ts";

const SIZE_MIB = 1;
const DISK_SECTORS = SIZE_MIB * 1024 * 1024 / SECTOR;
const ALL: Loss = { mode: "all", seed: 0 };

/** A directory whose path has a space. */
async function withBase<T>(work: (dir: string, base: { disk: string; format: "raw" }) => Promise<T>): Promise<T> {
  const dir = Deno.makeTempDirSync({ prefix: "power cut " });
  try {
    const disk = join(dir, "base.img");
    Deno.writeFileSync(disk, new Uint8Array(DISK_SECTORS * SECTOR).fill(9));
    return await work(dir, { disk, format: "raw" });
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
}

async function contentOf(disk: string): Promise<Uint8Array> {
  await run("qemu-img", ["convert", "-O", "raw", disk, `${disk}.raw`]);
  return Deno.readFileSync(`${disk}.raw`);
}

Deno.test("a disk is built from a log: what was flushed, and what survives of the rest, with any mode and seed", async () => {
  await withBase(async (dir, base) => {
    const random = randomStream("rebuild");
    for (const mode of ["all", "random", "torn"] as const) {
      const written = Array.from({ length: 60 }, (_, index): Written => {
        if (index === 30) return { flush: true };
        const sector = random.below(DISK_SECTORS - 16);
        if (random.below(8) === 0) return { sector, data: new Uint8Array(8 * SECTOR) };
        return {
          sector,
          data: new Uint8Array((1 + random.below(16)) * SECTOR).fill(10 + index),
          isDurable: index === 45,
        };
      });
      const bytes = logOf(written);
      const log = join(dir, `${mode}.writes`);
      Deno.writeFileSync(log, bytes);
      const loss = { mode, seed: random.below(1000) };

      const expected = Deno.readFileSync(base.disk);
      const entries = [...logEntries(bytesOf(bytes), DISK_SECTORS)];
      const { survive, lost } = fatesOf(entries.slice(31), loss);
      entries.forEach(({ kind, sector, sectors, at }, index) => {
        const count = index > 30 ? survive[index - 31] : sectors;
        if (kind === "write") expected.set(bytes.subarray(at, at + count * SECTOR), sector * SECTOR);
      });

      const disk = join(dir, `${mode}.qcow2`);
      assert.deepEqual(await disks.rebuild(disk, base, SIZE_MIB, { log, loss }), lost);
      assert.equal(lost.unflushed, 28);
      assert.deepEqual(await contentOf(disk), expected, JSON.stringify(loss));
      await run("qemu-img", ["check", "-q", disk]);
      assert.deepEqual([...Deno.readDirSync(dir)].map(({ name }) => name).filter((name) => name.endsWith(".tmp")), []);
    }
  });
});

Deno.test("what a guest has discarded is discarded, and a large write is written whole", async () => {
  await withBase(async (dir, base) => {
    const log = join(dir, "log");
    const half = DISK_SECTORS / 2;
    const data = new Uint8Array(half * SECTOR).map((_, index) => index % 251);
    Deno.writeFileSync(log, logOf([{ sector: 0, discard: 256 }, { sector: half, data }, { flush: true }]));
    const disk = join(dir, "disk.qcow2");
    assert.deepEqual(await disks.rebuild(disk, base, SIZE_MIB, { log, loss: ALL }), { unflushed: 0, lost: 0 });
    const content = await contentOf(disk);
    assert.ok(content.subarray(0, 256 * SECTOR).every((byte) => byte === 0));
    assert.deepEqual(content.subarray(half * SECTOR), data);
  });
});

Deno.test("a log with a gap is refused: what comes after the gap may have been flushed", async () => {
  await withBase(async (dir, base) => {
    const log = join(dir, "log");
    const bytes = logOf([{ flush: true }, { sector: 1, data: new Uint8Array(SECTOR).fill(1) }, { flush: true }]);
    bytes.fill(0, SECTOR, 2 * SECTOR);
    Deno.writeFileSync(log, bytes);
    const built = disks.rebuild(join(dir, "disk.qcow2"), base, SIZE_MIB, { log, loss: ALL });
    await assert.rejects(built, { code: "damaged", message: /not whole: an entry is missing at byte 512/ });
  });
});

Deno.test("qemu-io's failure is an error with its words", async () => {
  await withBase(async (dir, base) => {
    const log = join(dir, "log");
    // The log is of a larger disk than the one that is made.
    Deno.writeFileSync(log, logOf([{ sector: DISK_SECTORS, data: new Uint8Array(SECTOR).fill(1) }, { flush: true }]));
    const { replayLog } = await import("./rebuild.ts");
    const disk = join(dir, "disk.qcow2");
    await disks.overlay(disk, base, SIZE_MIB);
    await assert.rejects(replayLog(disk, log, 2 * SIZE_MIB, ALL), { message: /qemu-io/ });
  });
});

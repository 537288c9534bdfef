import * as assert from "#assert";
import type { MemberStats } from "../../control/live/stats.ts";
import { statsLines } from "./stats_table.ts";

const busy: MemberStats = {
  ...{ name: "a", hypervisor_pid: 7, memory_mb: 256, memory_bytes: 88.4 * 1024 * 1024, interval_ms: 500 },
  ...{ cpu_percent: 99.6, disk_read_bytes: 0, disk_written_bytes: 1024 * 1024 },
  ...{ in_bytes: 3 * 1024, in_frames: 10, out_bytes: 1, out_frames: 1 },
};
const fresh: MemberStats = { name: "b", hypervisor_pid: 8, memory_mb: 2048 };

Deno.test("the table of stats has figures of a second, and - for what is not known", () => {
  assert.deepEqual(statsLines([busy, fresh]), [
    "NAME  CPU   MEMORY      READ  WRITTEN  IN  FRAMES  OUT  FRAMES",
    "a     100%  88.4M/256M  0     2M       6K  20      1K   2",
    "b     -     -/2G        -     -        -   -       -    -",
  ]);
  assert.deepEqual(statsLines([]), ["no member runs"]);
});

/** The widest that figures become. */
const wide: MemberStats = {
  ...{ name: "a-member-with-quite-a-long-name", hypervisor_pid: 7, memory_mb: 999.9 * 1024, interval_ms: 1_000 },
  ...{ memory_bytes: 999.9 * 1024 ** 3, cpu_percent: 6_400, disk_read_bytes: 999.9 * 1024 ** 2 },
  ...{ disk_written_bytes: 999.9 * 1024 ** 2, in_bytes: 999.9 * 1024 ** 2, in_frames: 999_999 },
  ...{ out_bytes: 999.9 * 1024 ** 2, out_frames: 999_999 },
};

Deno.test("the table of stats fits every window: 80 columns have all of it, fewer have fewer columns", () => {
  assert.match(statsLines([wide], { columns: 80, rows: 24 })[0], /^NAME .*READ.*WRITTEN.*IN.*FRAMES.*OUT.*FRAMES$/);
  for (let columns = 1; columns <= 120; columns++) {
    for (const line of statsLines([wide, fresh], { columns, rows: 24 })) {
      assert.ok(line.length < Math.max(2, columns), `${columns}: ${line}`);
    }
  }
  assert.match(statsLines([wide], { columns: 66, rows: 24 })[0], /^NAME +CPU +MEMORY +READ +WRITTEN +IN +OUT$/);
  assert.match(statsLines([wide], { columns: 24, rows: 24 })[0], /^NAME +CPU$/);
});

Deno.test("a window with too few rows says how many members it does not show", () => {
  const all = Array.from({ length: 12 }, (_, index) => ({ ...fresh, name: `m${index}` }));
  for (let rows = 4; rows <= 13; rows++) {
    const lines = statsLines(all, { columns: 80, rows });
    assert.equal(lines.length, rows - 1);
    assert.equal(lines.at(-1), `and ${12 - (rows - 3)} more`);
  }
  assert.equal(statsLines(all, { columns: 80, rows: 14 }).length, 13);
});

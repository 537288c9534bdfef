/** The figures of a real machine: what a busy guest uses, what it writes, what goes over its network. */

import * as assert from "#assert";
import type { MemberStats } from "../../src/control/live/stats.ts";
import { host } from "../../src/system/os.ts";
import { guestOk } from "../support/guest.ts";
import { until } from "../support/processes.ts";
import { type Sandbox, sandbox, test } from "../support/sandbox.ts";

async function figures(box: Sandbox): Promise<Record<string, MemberStats>> {
  const { members } = JSON.parse((await box.ok("stats", "--once", "--json")).stdout);
  return Object.fromEntries(members.map((one: MemberStats) => [one.name, one]));
}

test("stats of real machines: CPU of one that never waits and of one that does, memory, disk, network", async () => {
  await using box = await sandbox({ warm: true });
  await box.up("a,b", "--memory", "128M");
  const idle = await figures(box);
  for (const { memory_bytes, memory_mb } of [idle.a, idle.b]) {
    assert.equal(memory_mb, 128);
    assert.ok(memory_bytes! > 30 * 1024 ** 2 && memory_bytes! < 600 * 1024 ** 2, `${memory_bytes}`);
  }

  await guestOk(box, "a", "(while :; do :; done) </dev/null >/dev/null 2>&1 & echo $! > busy");
  const pid = box.process("machine", "a").pid;
  const [began, before] = [performance.now(), host().cpuTimeMs(pid)];
  const busy = await figures(box);
  const used = 100 * (host().cpuTimeMs(pid) - before) / (performance.now() - began);
  console.log({ idle: idle.a.cpu_percent, busy: busy.a.cpu_percent, used, other: busy.b.cpu_percent });
  // All of a core, or what this host leaves of it.
  assert.ok(Math.abs(busy.a.cpu_percent! - used) < 25, `${busy.a.cpu_percent}, by its process ${used}`);
  assert.ok(busy.a.cpu_percent! > 3 * busy.b.cpu_percent!, JSON.stringify(busy));
  await guestOk(box, "a", "kill $(cat busy)");

  await guestOk(box, "a", "(ping -i 0.2 -s 1000 b) </dev/null >/dev/null 2>&1 & echo $! > pings");
  await until("pings are counted, there and back", async () => {
    const { a, b } = await figures(box);
    return a.out_frames! >= 2 && a.out_bytes! >= 2_000 && b.in_frames! >= 2 && b.in_bytes! >= 2_000 &&
      a.in_bytes! >= 2_000;
  });
  await guestOk(box, "a", "kill $(cat pings)");

  const io = () => host().usageOf(pid)!.writtenBytes!;
  const written = io();
  const writing = guestOk(
    box,
    "a",
    "for i in 1 2 3 4 5 6 7 8; do dd if=/dev/zero of=f$i bs=1M count=4; sync; done 2>&1",
  );
  let told = 0;
  let isOver = false;
  void writing.finally(() => isOver = true);
  while (!isOver) told += (await figures(box)).a.disk_written_bytes ?? 0;
  await writing;
  console.log({ written: io() - written, told });
  // Between two commands nothing is counted; in a store that is memory, nothing is written.
  if (io() > written) assert.ok(told > (io() - written) / 10, `${told} of ${io() - written}`);
});

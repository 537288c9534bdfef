import * as assert from "#assert";
import type { HostRoom } from "../../system/room/host_room.ts";
import { judge, judgeRestore } from "./room.ts";

const MIB = 1024 * 1024;
const machines = (count: number, memoryMiB = 128) => Array(count).fill({ memoryMiB, cpus: 1, isNew: true });
const disk = { free: 1024 * MIB, where: "/store" };
const memory = (mib: number): HostRoom => ({ memory: { free: mib * MIB, limitedBy: "this host's memory" } });

Deno.test("what a host cannot bear is refused with what is needed, what is there, and the way out", () => {
  const limitedBy = "pids.max is 400";
  const refused: [HostRoom, RegExp, RegExp][] = [
    [
      { openFiles: { limit: 256, used: 99 } },
      /^Cannot start 50 machines: their holder needs 464 open files, and may have 256$/,
      /^Allow more: ulimit -n 512; or start fewer: 24 fit$/,
    ],
    [
      { processes: { free: 300, limitedBy } },
      /they need 482 processes and threads, and 300 more are allowed \(pids\.max is 400\)$/,
      /^Raise that limit; or start fewer: 29 fit$/,
    ],
    [
      memory(1000),
      /they need at least 2400 MiB of memory, and 1000 MiB are available \(this host's memory\)$/,
      /^End other programs; or start fewer: 20 fit$/,
    ],
  ];
  for (const [room, message, hint] of refused) {
    assert.throws(() => judge(machines(50), room, disk, true), { message, hint });
  }
  const full = { free: 100 * MIB, where: "/store" };
  const message = /their disks need at least 200 MiB, and 100 MiB are free for \/store$/;
  assert.throws(() => judge(machines(50), {}, full, true), { message, code: "no-space" });
  assert.equal(judge(machines(50).map((one) => ({ ...one, isNew: false })), {}, full, true), undefined);
  assert.throws(() => judge(machines(1), memory(10), disk, true), {
    message: /^Cannot start a machine: /,
    hint: /^End other programs$/,
  });
});

Deno.test("a holder that is there has files open already", () => {
  const room: HostRoom = { openFiles: { limit: 256, used: 200 } };
  assert.equal(judge(machines(7), room, disk, false), undefined);
  const hint = /^Stop the group, allow more \(ulimit -n 512\), and start it again; or start fewer: 7 fit$/;
  assert.throws(() => judge(machines(8), room, disk, false), { hint });
});

Deno.test("memory that may suffice is told, and enough of it is not", () => {
  assert.match(
    judge(machines(50), memory(9599), disk, true)!,
    /^50 machines may use 9600 MiB of memory, and 9599 MiB are available/,
  );
  assert.equal(judge(machines(50), memory(9600), disk, true), undefined);
  assert.equal(judge(machines(50), {}, disk, true), undefined);
});

Deno.test("a restore is refused before anything is ended, when there is no room for the new disks", () => {
  judgeRestore(3, { free: 12 * MIB, where: "/store" });
  assert.throws(() => judgeRestore(3, { free: 11 * MIB, where: "/store" }), {
    code: "no-space",
    message: "Cannot restore: their 3 disks need at least 12 MiB, and 11 MiB are free for /store; nothing was ended",
  });
});

/** The memory and the file system of a guest that is an object here, taken and given back. */

import * as assert from "#assert";
import { FakeKernel, talkTo } from "../../../tests/fake_qemu/fake_kernel.ts";
import { FleetboxError } from "../../core/errors.ts";
import { MOST_MIB, readMemory, squeeze } from "./memory.ts";
import { fill, free, keep, readSpace } from "./space.ts";

const error = (code: string, message: RegExp) => (thrown: unknown) =>
  thrown instanceof FleetboxError && thrown.code === code && message.test(thrown.message);

Deno.test("memory: it is taken until so much is left, given back in part, and given back", async () => {
  const guest = new FakeKernel(), calls = talkTo(guest);
  for (const [wish, taken] of [[64, 336], [100, 300], [20, 380], [399, 1]]) {
    assert.deepEqual(await squeeze(calls, wish), { availableMiB: 400 - taken, takenMiB: taken });
    assert.equal(guest.files.get("/proc/self/oom_score_adj"), "-1000");
  }
  assert.deepEqual(await readMemory(calls), { availableMiB: 399, takenMiB: 1 });
  assert.deepEqual(await squeeze(calls, undefined), { availableMiB: 400, takenMiB: 0 });
  assert.equal(guest.files.get("/proc/self/oom_score_adj"), "0");
});

Deno.test("memory: what cannot be taken is given back", async () => {
  const guest = new FakeKernel(), calls = talkTo(guest);
  guest.memoryMiB = MOST_MIB + 1_000;
  await assert.rejects(
    squeeze(calls, 64),
    error("failed", /^Cannot leave 64 MiB to the guest: at most 3328 MiB can be taken/),
  );
  assert.deepEqual(await readMemory(calls), { availableMiB: MOST_MIB + 1_000, takenMiB: 0 });
  assert.equal(guest.files.get("/proc/self/oom_score_adj"), "0");
  guest.memoryMiB = 400;
  guest.refuses = { 9: -12 };
  await assert.rejects(squeeze(calls, 64), error("failed", /^Cannot take memory: Cannot allocate memory/));
});

Deno.test("space: a file system is used up to a share, as df tells it, and is free again", async () => {
  const guest = new FakeKernel(), calls = talkTo(guest);
  const share = async () => {
    const { used, total } = await readSpace(calls, "/");
    return used / total;
  };
  const half = await fill(calls, "x86_64", { at: "/", share: 0.5, numbers: [0, 1, 2] });
  assert.ok(Math.abs(await share() - 0.5) < 0.001);
  assert.deepEqual(half.taken, [0]);
  assert.equal(half.bytes, (guest.usedBlocks - 30_000) * 4096);
  await fill(calls, "x86_64", { at: "/", share: 1, numbers: [1, 2] });
  assert.equal(guest.usedBlocks, 95_000, "what is root's alone stays free");
  await free(calls, half.taken);
  assert.ok(Math.abs(await share() - 77_500 / 95_000) < 0.001);
  await free(calls, [1, 2]);
  assert.equal(guest.usedBlocks, 30_000);
});

Deno.test("space: what cannot be filled is told, and nothing of it stays", async () => {
  const guest = new FakeKernel(), calls = talkTo(guest);
  const all = { share: 0.9, numbers: [0, 1] };
  await assert.rejects(
    fill(calls, "x86_64", { at: "/no", ...all }),
    error("not-found", /how full \/no is in the guest: No such/),
  );
  guest.refuses = { 285: -95 };
  await assert.rejects(
    fill(calls, "x86_64", { at: "/", ...all }),
    error("conflict", /no files without a name .*not supported/),
  );
  guest.refuses = { 285: -5 };
  await assert.rejects(
    fill(calls, "x86_64", { at: "/", ...all }),
    error("failed", /^Cannot fill \/ of the guest: Input/),
  );
  guest.refuses = { 285: 0 }; // it says yes, and does nothing
  await assert.rejects(fill(calls, "x86_64", { at: "/", ...all }), error("failed", /it stays at 31%/));
  assert.equal(guest.usedBlocks, 30_000);
});

Deno.test("space: what an earlier holder has used stays while its share is wished for, and no longer", async () => {
  const guest = new FakeKernel(), earlier = talkTo(guest);
  const most = { at: "/", share: 0.9 }, least = { at: "/proc/meminfo", share: 0.5 };
  const { bytes, id } = await fill(earlier, "x86_64", { ...most, numbers: [3, 7] });
  const calls = talkTo(guest);
  const used = guest.usedBlocks;
  assert.deepEqual(await keep(calls, [most, least]), [{ number: 3, bytes, id, wish: most }]);
  assert.equal(guest.usedBlocks, used);
  await assert.rejects(keep(calls, [most, { at: "/no", share: 0.5 }]), error("not-found", /how full \/no is/));
  assert.equal(guest.usedBlocks, 30_000);

  await fill(calls, "x86_64", { ...most, numbers: [0, 1] });
  assert.deepEqual(await keep(calls, [least]), [], "it is fuller than wished for");
  assert.equal(guest.usedBlocks, 30_000);
  await fill(calls, "x86_64", { ...most, numbers: [0, 1] });
  assert.deepEqual(await keep(calls, []), []);
  assert.equal(guest.usedBlocks, 30_000);
  assert.deepEqual(await keep(calls, [most]), []);
});

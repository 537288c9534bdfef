import * as assert from "#assert";
import { until } from "../../../tests/support/processes.ts";
import { Resumer } from "./disk_full_resume.ts";

const MIB = 1024 * 1024;

/** A resumer whose file system says these numbers, one a look; the last one for ever. The first try has failed. */
async function watch(...free: (number | Error)[]) {
  let looks = 0;
  const first = Promise.withResolvers<void>();
  const resumed = Promise.withResolvers<number>();
  let isFirst = true;
  const resumer = new Resumer({
    dir: "/nowhere",
    name: "a",
    lookMs: 1,
    free: () => {
      if (isFirst) return Promise.resolve(0);
      const found = free[Math.min(looks++, free.length - 1)];
      return found instanceof Error ? Promise.reject(found) : Promise.resolve(found);
    },
    resume: () => {
      if (!isFirst) resumed.resolve(looks);
      else first.resolve();
      return Promise.resolve();
    },
  });
  resumer.begin();
  await first.promise;
  isFirst = false;
  resumer.begin();
  resumer.begin();
  return { resumer, resumed: resumed.promise, looks: () => looks };
}

const soon = (ms: number) => new Promise<undefined>((later) => setTimeout(() => later(undefined), ms));

Deno.test("a machine that is paused for a full disk is resumed when there is more space, or plenty", async () => {
  assert.equal(await (await watch(0, 0, 0, 100, MIB - 1, MIB)).resumed, 6);
  assert.equal(await (await watch(5 * MIB, 5 * MIB, 6 * MIB)).resumed, 3);
  assert.equal(await (await watch(64 * MIB)).resumed, 2, "room was made before anybody looked");
});

Deno.test("the first try needs no sign of room", async () => {
  const tried = Promise.withResolvers<void>();
  const resumer = new Resumer({
    dir: "/nowhere",
    name: "a",
    lookMs: 1,
    free: () => Promise.resolve(7),
    resume: () => Promise.resolve(tried.resolve()),
  });
  resumer.begin();
  await tried.promise;
});

Deno.test("a machine is not resumed without space, nor after the wait was cancelled", async () => {
  const full = await watch(100, 200, 100);
  const late = () => until("it has looked often", () => full.looks() > 10).then(() => "not resumed");
  assert.equal(await Promise.race([full.resumed, late()]), "not resumed");
  full.resumer.end();
  const looks = full.looks();
  await soon(20); // a time is the subject: no look comes any more that could be waited for
  assert.ok(full.looks() - looks <= 1);
});

Deno.test("a file system that cannot be asked ends the watch, and the next full disk begins another", async () => {
  const { resumer, resumed, looks } = await watch(new Error("gone"), 0, 2 * MIB);
  await until("it has asked", () => looks() === 1);
  resumer.begin();
  assert.equal(await resumed, 3);
});

Deno.test("tries that fail at once come ever more rarely", async () => {
  const tries: number[] = [];
  const enough = Promise.withResolvers<void>();
  const resumer: Resumer = new Resumer({
    dir: "/nowhere",
    name: "a",
    lookMs: 2,
    free: () => Promise.resolve(64 * MIB),
    resume: () => {
      tries.push(performance.now());
      if (tries.length === 6) enough.resolve();
      queueMicrotask(() => resumer.begin()); // it says that there is room, and gives none
      return Promise.resolve();
    },
  });
  resumer.begin();
  await enough.promise;
  resumer.end();
  // After 2, 4, 8, 16, 32, 64 ms. A busy host makes a wait longer, never shorter.
  const waits = tries.slice(1).map((at, index) => at - tries[index]);
  assert.deepEqual(waits.map((ms, index) => ms >= 2 * 2 ** (index + 1) - 1), waits.map(() => true), `${waits}`);
});

Deno.test("a try that fails does not end the watch that has begun since", async () => {
  let tries = 0;
  const again = Promise.withResolvers<void>();
  const resumer: Resumer = new Resumer({
    dir: "/nowhere",
    name: "a",
    lookMs: 1,
    free: () => Promise.resolve(64 * MIB),
    resume: () => {
      if (++tries === 2) return Promise.resolve(again.resolve());
      resumer.begin(); // the disk is full once more, and the hypervisor says so before it answers
      return Promise.reject(new Error("no answer"));
    },
  });
  resumer.begin();
  await again.promise;
});

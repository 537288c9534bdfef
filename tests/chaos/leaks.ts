/**
 * What must not grow: a member that is brought up and stopped over and over, and a holder that lives through hundreds of
 * joins and stops. Both report what is in use after a few cycles, when everything has been loaded once, and at the end.
 */

import * as assert from "#assert";
import { removeStopped } from "../../src/control/remove.ts";
import { addMember, stop } from "../../src/control.ts";
import { type Sandbox, sandbox } from "../support/sandbox.ts";
import { until } from "../support/processes.ts";
import { type ProcessUse, type StoreUse, useOf, useOfStore } from "./measure.ts";

export interface LeakResult<Use> {
  what: string;
  cycles: number;
  early: Use;
  late: Use;
  seconds: number;
}

/** Cycles after which everything was loaded, made and cached once. */
const WARM = 3;
/**
 * JavaScript's memory is collected when its engine likes, which is late where there is much memory: within 500 cycles a
 * holder reaches 120 MiB, and a collection leaves 85. These flags make it collect often, so that memory in use is
 * distinguished from garbage.
 */
const COLLECT_OFTEN = "--gc-global,--max-semi-space-size=1";
/** How much a process may have grown: its allocator's holes, compiled code. Over 450 cycles 27 KiB a cycle would show. */
const RESIDENT_KIB = 12 * 1024;
/** A connection may be open at the moment of the check; a leak would leave one in each cycle. */
const FILES = 2;
/** The runtime's threads come and go with its work. */
const THREADS = 4;

/** `up a`, `stop a`, by the command line. @throws {AssertionError} more is in use at the end */
export async function upAndStop(
  { real, cycles }: { real: boolean; cycles: number },
): Promise<LeakResult<StoreUse>> {
  const began = performance.now();
  await using box = await openBox(real);
  let early: StoreUse | undefined;
  for (let cycle = 1; cycle <= cycles; cycle++) {
    await box.up("a");
    await box.ok("stop", "a", ...(real ? ["--force"] : []));
    await box.empty();
    if (cycle === WARM) early = useOfStore(box);
  }
  const late = useOfStore(box);
  assert.deepEqual(late, early, `after ${cycles} cycles more is in use than after ${WARM}`);
  return { what: named("up and stop", real), cycles, early: early!, late, seconds: secondsSince(began) };
}

interface HolderUse {
  holder: ProcessUse;
  gateway: ProcessUse;
  store: StoreUse;
  /** Bytes of the group's record. */
  record: number;
}

/**
 * One holder, to which new members come, are stopped and are removed.
 * @throws {AssertionError} more is in use at the end
 */
export async function joinsAndStops(
  { real, cycles }: { real: boolean; cycles: number },
): Promise<LeakResult<HolderUse>> {
  const began = performance.now();
  await using box = await openBox(real);
  await box.up("a");
  const warm = Math.max(WARM, Math.floor(cycles / 10));
  let early: HolderUse | undefined;
  for (let cycle = 1; cycle <= cycles; cycle++) {
    const name = `m-${10_000 + cycle}`; // names of one length, so that records have the same length
    await addMember(box.store, "a", name, { options: { mem: 0.25 } });
    await stop(box.store, name, { force: true });
    await removeStopped(box.store, name);
    if (cycle === warm) early = await useOfHolder(box);
  }
  const late = await useOfHolder(box);
  const report = `${cycles} joins and stops: ${JSON.stringify({ early, late })}`;
  assert.deepEqual(late.store, early!.store, report);
  assert.equal(late.record, early!.record, report);
  for (const which of ["holder", "gateway"] as const) {
    assert.ok(late[which].files <= early![which].files + FILES, `the ${which}'s open files: ${report}`);
    assert.ok(late[which].threads <= early![which].threads + THREADS, `the ${which}'s threads: ${report}`);
    assert.ok(
      late[which].residentKiB <= early![which].residentKiB + RESIDENT_KIB,
      `the ${which}'s memory: ${report}`,
    );
  }
  await box.ok("stop", "a", "--force");
  return { what: named("joins and stops", real), cycles, early: early!, late, seconds: secondsSince(began) };
}

/** What is in use after the last cycle: the least that is seen within a second. */
async function useOfHolder(box: Sandbox): Promise<HolderUse> {
  await until("one machine is left", () => box.processes("machine").length === 1);
  const looks: HolderUse[] = [];
  for (let count = 0; count < 5; count++) {
    await new Promise((later) => setTimeout(later, 200)); // a time is the subject: what is in use while nothing happens
    const record = box.record();
    looks.push({
      holder: useOf(box.process("holder")),
      gateway: useOf(box.process("gateway")),
      store: useOfStore(box),
      record: Deno.statSync(box.store.group(record.id).record).size,
    });
  }
  return looks.reduce((least, look) => look.holder.files < least.holder.files ? look : least);
}

/** All of it, as `make chaos` does it. */
export async function leaks(
  { real, say, scale = 1 }: { real: boolean; say: (line: string) => void; scale?: number },
): Promise<object[]> {
  const times = (cycles: number) => Math.ceil(cycles * scale);
  const results: object[] = [];
  const tell = (result: LeakResult<unknown>) => {
    say(`${result.what}: ${result.cycles} cycles in ${result.seconds} s, nothing grew`);
    results.push(result);
  };
  tell(await upAndStop({ real, cycles: times(real ? 20 : 200) }));
  if (!real) tell(await joinsAndStops({ real, cycles: times(500) }));
  return results;
}

async function openBox(real: boolean): Promise<Sandbox> {
  return await sandbox({
    fakeQemu: real ? undefined : { "*": { bootMs: 3 } },
    env: { DENO_V8_FLAGS: COLLECT_OFTEN, ...(real ? { FLEETBOX_ACCEL: "tcg" } : {}) },
  });
}

function named(what: string, real: boolean): string {
  return `${what}, ${real ? "real QEMU" : "fake"}`;
}

function secondsSince(began: number): number {
  return Math.round((performance.now() - began) / 1000);
}

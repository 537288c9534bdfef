/** A real machine that gets a part of the time only: what its guest sees of it, and what its process uses. */

import * as assert from "#assert";
import { start, type Vm } from "../../mod.ts";
import { host } from "../../src/system/os.ts";
import { processesOf, standsStill, until } from "../support/processes.ts";
import { test } from "../support/test.ts";
import { assertNothingLeft, code, testStore } from "./support.ts";

const { store, options } = testStore();

/** How often a shell of the guest comes around a loop in three seconds of the guest's clock. */
async function loops(vm: Vm): Promise<number> {
  const count = "n=0; end=$(($(date +%s) + 3)); while [ $(date +%s) -lt $end ]; do n=$((n+1)); done; echo $n";
  return Number((await vm.exec(count, { check: true })).stdout);
}

/** How far the guest's clock is behind this host's, in seconds. */
async function behind(vm: Vm): Promise<number> {
  const before = Date.now();
  const { stdout } = await vm.exec("cut -d' ' -f1 /proc/uptime", { check: true });
  return (before + Date.now()) / 2_000 - Number(stdout);
}

test("a throttled machine: its guest computes as much less, its clock goes on, and it answers", async () => {
  {
    await using vm = await start("a", options);
    const machine = processesOf(store.root).find(({ kind }) => kind === "machine")!;
    const [clock, all] = [await behind(vm), await loops(vm)];
    const [cpu, began] = [host().cpuTimeMs(machine.pid), performance.now()];
    let some: number;
    {
      await using slow = await vm.throttle({ share: 0.3 });
      some = await loops(vm);
      const used = (host().cpuTimeMs(machine.pid) - cpu) / (performance.now() - began);
      const { stopped_ms, squeezed_ms } = await slow.counts();
      console.log({ all, some, used, stopped_ms, squeezed_ms });
      assert.ok(used < 0.45, `its process used ${used} of the time`);
      assert.ok(
        Math.abs(stopped_ms / squeezed_ms - 0.7) < 0.06,
        `it stood still for ${stopped_ms} of ${squeezed_ms} ms`,
      );
    }
    // The host may be busy in one of the two.
    assert.ok(some > 0.1 * all && some < 0.6 * all, `${some} times around, before it ${all} times`);
    assert.ok(await loops(vm) > 0.6 * all);
    assert.ok(Math.abs(await behind(vm) - clock) < 0.5, "its clock went on");

    await assert.rejects(
      vm.throttle({ share: 0 }),
      code("misuse", /"share" of throttle\(\).*found 0, expected a number from 0.01/),
    );
    await vm.throttle({ share: 0.01 });
    await until("it stands still", () => standsStill(machine));
  }
  assertNothingLeft(store);
});

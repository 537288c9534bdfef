/**
 * A disk is deleted in one place, which asks the processes: for each caller, a machine that is in no record keeps the
 * disk, and the caller says so.
 */

import * as assert from "#assert";
import { start } from "../../mod.ts";
import { codeOf } from "../../src/core/errors.ts";
import { exists } from "../../src/system/files.ts";
import type { MemberConfig } from "../../src/store.ts";
import { Client } from "../bound/bound.ts";
import { decoyMachine } from "../support/decoy.ts";
import { until } from "../support/processes.ts";
import { type Sandbox, sandbox, test } from "../support/sandbox.ts";

/** The disk is there although the caller wanted it removed; without the machine it is removed. */
async function keptUntilGone(box: Sandbox, machine: AsyncDisposable): Promise<void> {
  assert.ok(exists(box.store.member("a").disk), "the disk of a machine that runs was deleted");
  await machine[Symbol.asyncDispose]();
  await box.ok("rm", "--force", "a");
  assert.deepEqual(box.stored(), []);
}

test("rm keeps the disk of a machine that runs", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  await box.ok("stop", "a");
  await using machine = await decoyMachine(box.store, "a");
  await box.fails(1, /Cannot remove "a": its machine still runs\s+try: .*fleetbox stop --force a/, "rm", "-f", "a");
  await keptUntilGone(box, machine);
});

test("an up that is interrupted keeps the disk of a machine that runs", async () => {
  await using box = await sandbox({ fakeQemu: { a: { bootMs: 600_000 } } });
  const up = box.start(["up", "a", "--egress", "off"]);
  await until("its disk is there", () => exists(box.store.member("a").disk));
  await until("its machine is there", () => box.processes("machine").length === 1);
  await using machine = await decoyMachine(box.store, "a");
  up.kill("SIGINT");
  assert.match((await up.done).stderr, /its machine still runs/);
  await box.empty();
  await keptUntilGone(box, machine);
});

test("a holder whose first boot failed keeps the disk of a machine that runs", async () => {
  await using box = await sandbox({ fakeQemu: { a: { start: "die" } } });
  await using machine = await decoyMachine(box.store, "a");
  await box.fails(1, /it was told to die/, "up", "a");
  await box.empty();
  assert.match(box.holderLog("a"), /a: cannot remove it: .*its machine still runs/);
  await keptUntilGone(box, machine);
});

test("a bound holder whose client is gone keeps the disk of a machine that runs", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await using client = new Client(box, { names: ["a"], then: ["up"] });
  await client.said(/^up$/m);
  await using machine = await decoyMachine(box.store, "a");
  client.kill();
  await until("its holder has left", () => box.processes("holder").length === 0);
  await keptUntilGone(box, machine);
});

test("the library keeps the disk of a machine that runs", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  await box.ok("stop", "a");
  const owner = { pid: 0x7ffffff0, startTime: "1" }; // a client that was killed
  const config: MemberConfig = { ...box.store.config("a")!, owner };
  await box.store.withMemberLock("a", () => box.store.writeConfig(config));
  await using machine = await decoyMachine(box.store, "a");
  const starting = start("a", { store: box.home, egress: "off" });
  await assert.rejects(starting, (thrown: Error) => {
    return codeOf(thrown) === "conflict" && /its machine still runs/.test(thrown.message);
  });
  await keptUntilGone(box, machine);
});

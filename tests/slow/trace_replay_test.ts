/** A trace of real machines that is played again: its partition is seen in the new group's pings as it was in the first one's. */

import * as assert from "#assert";
import { join } from "../../src/system/path.ts";
import type { Running } from "../support/command.ts";
import { until } from "../support/processes.ts";
import { type Sandbox, sandbox, test, told } from "../support/sandbox.ts";

/** Pings from a to b, four a second. */
const pings = (box: Sandbox) => box.start(["ssh", "a", "--", "ping -c 40 -i 0.25 -W 1 b"]);

/** How many of them had no answer. */
async function lost(running: Running): Promise<number> {
  const result = await running.done;
  const [, sent, received] = /(\d+) packets transmitted, (\d+) packets received/.exec(result.stdout) ?? [];
  assert.equal(sent, "40", told(result));
  return 40 - Number(received);
}

test("a trace of real machines is played again: its partition costs the new group about as many pings", async () => {
  await using box = await sandbox({ warm: true });
  const zip = join(box.root, "t.zip");
  await box.up("a,b", "--memory", "128M");
  await box.ok("trace", "start");
  const first = pings(box);
  await first.printed(/seq=12 /);
  await box.ok("fault", "partition", "a", "b", "--for", "3s");
  const lostFirst = await lost(first);
  const [{ directory }] = JSON.parse((await box.ok("trace", "ls", "--json")).stdout);
  await until(
    "the fault's end is recorded",
    () => /fault-ended/.test(Deno.readTextFileSync(`${directory}/events.ndjson`)),
  );
  await box.ok("trace", "stop", "-w", zip);
  await box.ok("rm", "a", "b", "--force");

  const replay = box.start(["trace", "replay", zip]);
  await replay.printed(/fleetbox ssh b$/m);
  const lostAgain = await lost(pings(box));
  const result = await replay.done;
  assert.equal(result.code, 0, told(result));
  assert.match(result.stdout, /: cut: a \| b, for [\d.]+s$[^]*^1 fault: \d+ frames, \d+ cut$/m);
  console.log({ lostFirst, lostAgain });
  for (const count of [lostFirst, lostAgain]) assert.ok(count >= 6 && count <= 30, `${lostFirst}, then ${lostAgain}`);
  const { a, b } = await box.ls();
  assert.deepEqual([a.memory_mb, a.egress, b.ip], [128, "off", "10.88.0.12"]);
});

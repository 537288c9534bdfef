/** A killed holder's group comes back by itself: the effect on its guests' connections. */

import * as assert from "#assert";
import { guestOk } from "../support/guest.ts";
import { until } from "../support/processes.ts";
import { sandbox, test } from "../support/sandbox.ts";
import { arrivals, type InGuest, startStream } from "../support/stream.ts";

/** Not a promise: `make bench` measures the stall. With more than this, TCP would go on for another reason than the guardian. */
const GENEROUS_MS = 20_000;

test("kill -9 of the holder, without any command: a TCP stream between two members goes on, and loses nothing", async () => {
  await using box = await sandbox({ warm: true });
  await box.up("a,b");
  const machines = box.machines();
  const run: InGuest = (name, line) => guestOk(box, name, line);
  await startStream(run, "a", "b");
  await until("numbers arrive", async () => (await arrivals(run, "b")).count > 10);
  const session = box.start(["ssh", "a", "--", "echo begun; until [ -e over ]; do sleep 0.2; done; echo over"]);
  await session.printed(/begun/);
  const guardian = await until("there is a guardian", () => box.record().guardian);

  await box.killHolderAlone("a");
  await until("its guardian holds the group, and the machines run", async () => {
    if (box.record().holder.pid !== guardian.pid) return false; // no command: that would adopt the group
    const states = await Promise.all(["a", "b"].map(async (name) => (await box.status(name))?.state));
    return states.every((state) => state === "running");
  });
  const { count } = await arrivals(run, "b");
  await until("more numbers arrive", async () => (await arrivals(run, "b")).count > count + 20, 60_000);
  const { longestGapMs } = await arrivals(run, "b");
  console.log(`the stream stood still for ${longestGapMs} ms at most`);
  assert.ok(longestGapMs < GENEROUS_MS, `${longestGapMs} ms`);
  assert.deepEqual(box.machines(), machines);
  await guestOk(box, "a", "touch over");
  const { code, stdout } = await session.done; // through the gateway, and a forwarded port
  assert.deepEqual([code, stdout], [0, "begun\nover\n"]);
  assert.match(await guestOk(box, "a", "ping -c 1 -W 5 b"), / 0% packet loss/);

  await box.ok("stop", "a,b");
  await box.empty();
});

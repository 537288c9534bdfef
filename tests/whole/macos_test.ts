/** fleetbox with macOS's facts: what differs there is replaced, and QEMU is the fake QEMU. macOS itself is not tested. */

import * as assert from "#assert";
import { fileURLToPath } from "node:url";
import { sandbox, test, told } from "../support/sandbox.ts";
import { Client, untilNothing } from "../bound/bound.ts";

const MACOS = fileURLToPath(new URL("../macos/fleetbox", import.meta.url));
/** No accelerator is forced, and the kernel says that it has a hypervisor. */
const ENV = { FLEETBOX_HELPER: MACOS, FLEETBOX_ACCEL: "", FLEETBOX_TEST_HV_SUPPORT: "1" };

const LSTART = /^\w{3} \w{3} \d{1,2} \d\d:\d\d:\d\d \d{4}$/;

test(
  "macOS: members boot with its hypervisor, are adopted after a crash of their holder, stop, join and are removed",
  async () => {
    await using box = await sandbox({ fakeQemu: {}, program: MACOS, env: ENV });
    await box.up("a,b");
    const { holder, hypervisors } = box.record();
    for (const { startTime } of [holder, ...Object.values(hypervisors)]) assert.match(startTime, LSTART);
    for (const { command } of box.processes("machine")) {
      assert.match(command, / -accel hvf /);
      assert.doesNotMatch(command, /-sandbox/);
    }
    const machines = box.machines();

    await box.killHolder("a");
    assert.match((await box.ok("ls")).stdout, /^a +orphaned/m);
    const up = await box.up("a");
    assert.match(up.stderr, /adopted: a, b/, told(up));
    assert.deepEqual(box.machines(), machines);

    await box.ok("stop", "a");
    await box.ok("join", "d", "--via", "b");
    assert.equal(await box.states(), "a=stopped b=running d=running");
    await box.ok("rm", "a", "b", "d");
    await box.empty();
  },
);

test("macOS: doctor asks for Homebrew's packages and for nothing that only Linux has; no image is built there", async () => {
  await using box = await sandbox({ fakeQemu: {}, program: MACOS, env: { ...ENV, PATH: "/nowhere" } });
  const { stdout } = await box.run("doctor");
  assert.match(stdout, /hvf: macOS has its own hypervisor/);
  assert.match(stdout, /Install it: brew install qemu/);
  assert.doesNotMatch(stdout, /setpriv|apt-get|virtiofsd/);
  await box.fails(1, /an image is built from packages on Linux\n {2}try: Download it/, "image", "build", "debian-12");
});

test("macOS: nothing of a bound group is left when its client is killed, without setpriv", async () => {
  await using box = await sandbox({ fakeQemu: {}, program: MACOS, env: ENV });
  await using client = new Client(box, { names: ["a", "b"], then: ["up"] });
  await client.said(/^up$/m);
  const parents = box.processes("machine").map(({ pid }) => Deno.readTextFileSync(`/proc/${pid}/status`));
  const holder = box.process("holder");
  for (const status of parents) assert.match(status, new RegExp(`^PPid:\\t${holder.pid}$`, "m")); // no process between them
  client.kill();
  await untilNothing(box);
});

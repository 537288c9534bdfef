/** The bound lifetime with real machines: real QEMU ends as well, which the fake QEMU cannot show. */

import * as assert from "#assert";
import { exists } from "../../src/system/files.ts";
import { until } from "../support/processes.ts";
import { type Sandbox, sandbox, test } from "../support/sandbox.ts";
import { Client, untilNothing } from "../bound/bound.ts";
import type { Script } from "../bound/client.ts";

const options = { egress: "off", mem: 0.125 } as const;

async function killed(
  script: Script,
  ready: (client: Client, box: Sandbox) => Promise<unknown>,
  when: string,
  warm = true,
) {
  await using box = await sandbox({ warm });
  await using client = new Client(box, script);
  await ready(client, box);
  const count = box.processes("machine").length;
  client.kill();
  const ms = await untilNothing(box);
  console.log(`real QEMU: client gone ${when}, ${count} machines: ${Math.round(ms)} ms`);
}

test("real QEMU: kill -9 of the client while machines boot: nothing of the group is left", async () => {
  const booting = async (_: Client, box: Sandbox) => {
    await until("both machines run", () => box.processes("machine").length === 2);
    const log = box.store.member("a").serialLog;
    await until("a's kernel runs", () => exists(log) && /kernel/.test(Deno.readTextFileSync(log)));
  };
  await killed({ names: ["a", "b"], options }, booting, "while they boot", false);
});

test("real QEMU: kill -9 of the client while one machine runs, one stops and one joins", async () => {
  const busy = async (client: Client, box: Sandbox) => {
    await client.said(/^adding\nstopping$/m);
    // On a busy host b may be down before that.
    await until("c has a machine", () => box.processes("machine").some(({ name }) => name === "c"));
  };
  const script = { names: ["a", "b"], options, then: ["up", "add c", "stop b"] };
  await killed(script, busy, "while they run, stop and join");
});

test("real QEMU: kill -9 of the holder: no QEMU and no gateway survives it, and its machine boots again, disk and all", async () => {
  await using box = await sandbox({ warm: true });
  await using client = new Client(box, { names: ["a"], options, then: ["up"] });
  await client.said(/^up$/m);
  const { instance_id } = box.store.config("a")!;
  const start = performance.now();
  Deno.kill(box.process("holder").pid, "SIGKILL");
  await until("no machine, no gateway", () => box.processes().every(({ kind }) => kind === "other"));
  const ms = performance.now() - start;
  console.log(`real QEMU: holder killed: ${Math.round(ms)} ms`);
  await box.up("a");
  assert.equal(box.store.config("a")!.instance_id, instance_id);
  await box.ok("stop", "a", "--force");
  await untilNothing(box);
});

/** Many members at once: they boot in waves, and what this host cannot bear is refused before anything is made. */

import * as assert from "#assert";
import { placesOn } from "../../src/holder/places.ts";
import { FLEETBOX } from "../support/command.ts";
import { until } from "../support/processes.ts";
import { sandbox, test } from "../support/sandbox.ts";

const PLACES = placesOn(navigator.hardwareConcurrency);
const MEMBERS = PLACES + 3;

test("many members boot in waves: those that wait have nothing yet, are told apart, and leave at once at Ctrl-C", async () => {
  await using box = await sandbox({ fakeQemu: { "*": { boot: "never" } } });
  const up = box.start(["up", "node", "-n", `${MEMBERS}`, "--egress", "off", "--verbose"]);
  const stages = async () => Object.values(await box.ls()).map(({ stage }) => stage).sort();
  const wave = [...Array(PLACES).fill("boot"), ...Array(MEMBERS - PLACES).fill("queued")];
  await until("the first wave boots", async () => JSON.stringify(await stages()) === JSON.stringify(wave));
  assert.equal(box.machines().length, PLACES);
  assert.match(up.stderr, new RegExp(`^node-\\d+: it waits for its turn: ${PLACES} members boot at a time$`, "m"));
  up.kill("SIGINT");
  assert.equal((await up.done).code, 130);
  assert.deepEqual([box.stored(), box.machines()], [[], []]);

  box.behave({});
  const lines = (await box.up("node", "-n", `${MEMBERS}`, "--json")).stdout.trim().split("\n").map((line) =>
    JSON.parse(line)
  );
  const booting = new Set<string>();
  let most = 0;
  for (const { event, member } of lines) {
    if (event !== "member") continue;
    if (["disk", "boot", "kernel", "network", "ssh"].includes(member.stage)) booting.add(member.name);
    else booting.delete(member.name);
    most = Math.max(most, booting.size);
  }
  assert.equal(most, PLACES);
  assert.equal(lines.at(-1).members.filter(({ state }: { state: string }) => state === "running").length, MEMBERS);
});

test("machines for which this host has too few open files are refused before anything is made, with how many fit", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const few = `${box.root}/few-files`;
  Deno.writeTextFileSync(few, `#!/bin/sh\nulimit -n 250\nexec "${FLEETBOX}" "$@"\n`, { mode: 0o700 });
  const up = (...args: string[]) => box.start(["up", ...args, "--egress", "off"], { program: few }).done;
  const refused = await up("node", "-n", "50");
  assert.equal(refused.code, 1);
  assert.match(
    refused.stderr,
    /^fleetbox: Cannot start 50 machines: their holder needs 464 open files, and may have 250$/m,
  );
  assert.match(refused.stderr, /^ {2}try: Allow more: ulimit -n 512; or start fewer: 23 fit$/m);
  assert.deepEqual([box.stored(), box.processes()], [[], []]);

  assert.equal((await up("a")).code, 0);
  const [holder] = box.processes("holder");
  const more = Array.from({ length: 40 }, (_, index) => `b-${index}`);
  // Its holder's limit counts.
  await box.fails(
    1,
    /open files, and may have 250\n {2}try: Stop the group, allow more \(ulimit -n 512\)/,
    "up",
    "a",
    ...more,
  );
  assert.deepEqual([box.stored(), box.process("holder").pid], [["a"], holder.pid]);
});

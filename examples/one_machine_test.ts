/**
 * One machine: does a program that says "saved" keep its word when the power fails?
 *
 * Run it: `node_modules/.bin/deno test -A examples/one_machine_test.ts`
 */

import { equal } from "node:assert/strict";
import { start } from "fleetbox";

/** A very small database: it appends each line that it reads, and answers once the line is on the disk. */
const DATABASE = `#!/bin/sh
while read -r line; do
  echo "$line" >>journal
  sync
  echo "saved $line"
done
`;

Deno.test("what the database calls saved outlives a power cut", async () => {
  await using vm = await start({ egress: "off" });
  await vm.writeFile("database", DATABASE, { mode: 0o755 });

  const database = await vm.spawn("./database", { stdin: "piped" });
  const writer = database.stdin.getWriter();
  const reader = database.stdout.pipeThrough(new TextDecoderStream()).getReader();
  await writer.write(new TextEncoder().encode("one\ntwo\nthree\n"));
  let said = "";
  while (!said.includes("saved three")) said += (await reader.read()).value ?? "";

  await vm.kill(); // no shutdown: the power is gone
  equal(await vm.state(), "stopped");
  await vm.start();

  equal(await vm.readTextFile("journal"), "one\ntwo\nthree\n");
});

/** The hints of the command line in the library's words; and that whoever prints an error prints its hint. */

import * as assert from "#assert";
import { causesOf, FleetboxError, hintOf, messageOf, toWireError } from "../core/errors.ts";
import { fileURLToPath } from "node:url";
import { libraryHint } from "./hints.ts";

const CASES: [hint: string, said: string][] = [
  ["Look at its console: fleetbox logs web-1", "Look at its console: vm.console()"],
  [
    "Give it longer with --timeout, or read its console: fleetbox logs web-1",
    "Give it longer with bootTimeoutMs; its console is in the cause",
  ],
  [
    "Give it longer with --timeout, or do not wait for it: --ready ssh",
    'Give it longer with bootTimeoutMs, or do not wait for it: ready: "ssh"',
  ],
  ["End its machine at once: fleetbox stop --force a", "End its machine at once: vm.kill()"],
  ["Start it again: fleetbox up a", "Start it again: vm.start()"],
  [
    "Try again (fleetbox up a), or end it without asking it: fleetbox stop --force a",
    "Try again (vm.start()), or end it without asking it: vm.kill()",
  ],
  [
    "Read its log: fleetbox ssh a -- sudo cat /var/log/cloud-init-output.log",
    'Read its log: vm.exec("sudo cat /var/log/cloud-init-output.log")',
  ],
  ["Use more: --memory 512M", "Use more: memoryMiB: 512"],
  ["Use at least --disk 64M.", "Use at least diskMiB: 64."],
  [
    "Choose another port, or let one be chosen: fleetbox forward a 80",
    "Choose another port, or let one be chosen: vm.forward(80)",
  ],
  ["Make a checkpoint of each: fleetbox checkpoint a,b-2 --as NAME", "Make a checkpoint of each: cluster.checkpoint()"],
  [
    "Boot it instead, as after a power cut: fleetbox up a --cold",
    "Boot it instead, as after a power cut: vm.start({ cold: true })",
  ],
  ["Remove it: fleetbox checkpoint rm seeded", "Remove it: fleetbox checkpoint rm seeded"],
  ["Remove it: fleetbox rm a", "Remove it: fleetbox rm a"],
];

for (const [hint, said] of CASES) {
  Deno.test(`library hints: ${hint}`, () => assert.equal(libraryHint(hint), said));
}

Deno.test("library hints: an error has its own hint or its cause's, once in the message, and no hint where it is quoted or sent", () => {
  const inner = new FleetboxError("timeout", "b did not answer", { hint: "Look at its console: fleetbox logs b" });
  const outer = new FleetboxError("failed", "Cannot boot b", { cause: inner });
  assert.equal(outer.message, "Cannot boot b\n  try: Look at its console: vm.console()");
  assert.equal(outer.hint, "Look at its console: vm.console()");
  assert.deepEqual([messageOf(outer), hintOf(outer), causesOf(outer)], ["Cannot boot b", outer.hint, [
    "b did not answer",
  ]]);
  assert.deepEqual(toWireError(outer), {
    code: "timeout",
    message: "Cannot boot b",
    causes: ["b did not answer"],
    hint: outer.hint,
  });
  assert.equal(new FleetboxError("failed", "plain").message, "plain");
  // What a test runner prints of both: the hint once, with the outer message.
  assert.equal(Deno.inspect(outer).match(/try: Look at its console/g)?.length, 1, Deno.inspect(outer));
  assert.equal(inner.hint, outer.hint);
});

Deno.test("library hints: Deno's test runner, node:test and an uncaught error show them", async () => {
  const path = (from: string) => fileURLToPath(new URL(from, import.meta.url));
  const run = async (verb: string, sample: string) => {
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        verb,
        "-A",
        "--no-check",
        `--config=${path("../../deno.json")}`,
        path(`../../tests/library/samples/${sample}`),
      ],
      env: { NO_COLOR: "1" },
    }).output();
    return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  };
  const words = /Unknown option "memory" of start\(\)[^]*?\n +Did you mean "memoryMiB"\?/g;
  const tested = await run("test", "refused.ts");
  assert.equal(tested.match(words)?.length, 2, tested);
  const uncaught = await run("run", "uncaught.ts");
  assert.equal(uncaught.match(words)?.length, 1, uncaught);
});

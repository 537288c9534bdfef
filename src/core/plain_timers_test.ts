/**
 * "No limit counts the time in which the host stood still": every time limit is one of `deadline.ts`. A timer elsewhere is
 * a wait that may end early or late without harm, and is listed here with what it is for.
 */

import * as assert from "#assert";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

const TIMER =
  /\b(setTimeout|setInterval)\(|AbortSignal\.timeout\(|performance\.now\(\) *[<>+]|[<>] *performance\.now\(\)/;

/** How many lines of a file have a timer, and why none of them is a limit. */
const ALLOWED: Record<string, [lines: number, why: string]> = {
  "src/core/deadline.ts": [3, "the limits and the pause themselves"],
  "src/cli/follow.ts": [1, "looks again whether the directory is there"],
  "src/cli/places/engine/queue.ts": [1, "draws the queue again"],
  "src/cli/terminal/meter.ts": [1, "draws a step's time again"],
  "src/cli/terminal/progress.ts": [1, "draws the progress again"],
  "src/control/until_gone.ts": [1, "asks again"],
  "src/guest/agent.ts": [1, "says the first message again"],
  "src/guest/cloud_init.ts": [2, "looks again, when no hint came"],
  "src/holder/console/shared_console.ts": [1, "reads the log again"],
  "src/holder/faults/machine/clock.ts": [1, "the steps of a strobe, which is a fault"],
  "src/holder/faults/table.ts": [1, "the turns of a flap, which is a fault"],
  "src/holder/member/ready.ts": [2, "probes again, when no hint came"],
  "src/holder/network/gateway_supervisor.ts": [2, "the wait before the next try; how long a gateway ran"],
  "src/holder/server/bound.ts": [2, "looks again whether the parent lives"],
  "src/image/cache.ts": [1, "tells the user again that it waits"],
  "src/library/machine_end.ts": [1, "begins to watch a machine that something takes long on"],
  "src/network/faults/delay_line.ts": [1, "the delay of frames, which is a fault's"],
  "src/vmm/qemu/dry_run.ts": [1, "looks at the processor time again"],
  "src/vmm/qemu/stop.ts": [1, "presses the power button again"],
  "src/vmm/qemu/throttle.ts": [1, "the turns in which a process runs and stands still"],
};

Deno.test("limits: no time limit is a plain timer, which would count the time in which the host stood still", () => {
  const found: Record<string, number> = {};
  for (const file of [...sources("src"), ...sources("helper")]) {
    for (const line of Deno.readTextFileSync(`${ROOT}${file}`).split("\n")) {
      if (/^\s*(\*|\/\/|\/\*)/.test(line) || !TIMER.test(line)) continue;
      found[file] = (found[file] ?? 0) + 1;
    }
  }
  const allowed = Object.fromEntries(Object.entries(ALLOWED).map(([file, [lines]]) => [file, lines]));
  assert.deepEqual(
    found,
    allowed,
    "A limit: startLimit, within, settles or Limit of src/core/deadline.ts. Another wait: pause(), or add it above.",
  );
});

function* sources(dir: string): Generator<string> {
  for (const entry of [...Deno.readDirSync(`${ROOT}${dir}`)].toSorted((a, b) => a.name < b.name ? -1 : 1)) {
    const path = `${dir}/${entry.name}`;
    if (entry.isDirectory) yield* sources(path);
    else if (path.endsWith(".ts") && !/(_test|\/testing)\.ts$/.test(path)) yield path;
  }
}

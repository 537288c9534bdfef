/** How long after the kill of its client nothing of a bound group is left: sockets, pidfiles and machines. */

import { Client, untilNothing } from "../bound/bound.ts";
import { sandbox } from "../support/sandbox.ts";
import { type Bench, median, type Row } from "./bench.ts";

/** Row `bound`: three of the tests' fake machines, `kill -9` of the client, once a run. */
export async function killedClient(bench: Bench): Promise<Row[]> {
  const times: number[] = [];
  for (let run = 0; run < bench.runs; run++) {
    await using box = await sandbox({ fakeQemu: {} });
    await using client = new Client(box, { names: ["a", "b", "c"], then: ["up"] });
    await client.said(/^up$/m);
    client.kill();
    times.push(Math.round(await untilNothing(box)));
  }
  return [{
    what: "from kill -9 of a client to nothing left of its bound group",
    measured: median(times),
    unit: "ms",
    limit: { kind: "at most", value: 2_000 },
    runs: { measured: times },
  }];
}

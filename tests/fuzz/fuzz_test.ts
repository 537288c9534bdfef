/** The short form of `make fuzz`: every reader of foreign bytes, a few hundred cases each, another seed every time. */

import { run } from "./run.ts";
import { TARGETS } from "./targets.ts";

for (const target of TARGETS) {
  Deno.test(`fuzz: ${target.name}: no case throws, hangs or grows`, async () => {
    await run(target, { seed: Math.floor(Math.random() * 2 ** 30), cases: 500 });
  });
}

import * as assert from "#assert";
import { errorRules } from "./rules.ts";

/** As QEMU's `blkdebug` reads them: which of these requests fail. */
function verdicts(
  rules: string,
  requests: readonly { event: string; iotype: string; sectors?: number[] }[],
): boolean[] {
  const all = rules.split("\n\n").filter((one) => one !== "").map((block) => {
    const [head, ...lines] = block.split("\n");
    const values = Object.fromEntries(lines.map((line) => line.split(" = ").map((word) => word.replaceAll('"', ""))));
    return { ...values, kind: head.slice(1, -1) } as Record<string, string>;
  });
  let [state, active] = [1, all.filter(({ event }) => event === "none")];
  return requests.map(({ event, iotype, sectors = [0] }) => {
    const met = all.filter((one) => one.event === event && (one.state === undefined || Number(one.state) === state));
    const errors = met.filter(({ kind }) => kind === "inject-error");
    if (errors.length > 0) active = errors;
    state = Number(met.findLast(({ kind }) => kind === "set-state")?.new_state ?? state);
    const hit = active.find((one) =>
      (one.iotype ?? iotype) === iotype && (one.sector === undefined || sectors.includes(Number(one.sector)))
    );
    if (hit?.once === "on") active = active.filter((one) => one !== hit);
    return hit !== undefined;
  });
}

const READ = { event: "read_aio", iotype: "read" };
const WRITE = { event: "write_aio", iotype: "write" };
const FLUSH = { event: "flush_to_disk", iotype: "flush", sectors: [] };
const ZEROES = { event: "", iotype: "write-zeroes" };

const rules = (what: Omit<Parameters<typeof errorRules>[0], "seed">, seed = 7) =>
  errorRules({ error: "EIO", ...what, seed });

Deno.test("rules of disk errors: each operation by itself, for ever", () => {
  const requests = [READ, WRITE, FLUSH, ZEROES, READ];
  assert.deepEqual(verdicts(rules({}), requests), [true, true, true, true, true]);
  assert.deepEqual(verdicts(rules({ on: ["write"] }), requests), [false, true, false, true, false]);
  assert.deepEqual(verdicts(rules({ on: ["read", "flush"], rate: 1 }), requests), [true, false, true, false, true]);
});

Deno.test("rules of disk errors: once is once, whichever of them comes first", () => {
  const requests = [WRITE, FLUSH, READ, FLUSH, READ];
  assert.deepEqual(verdicts(rules({ on: ["read", "flush"], once: true }), requests), [
    false,
    true,
    false,
    false,
    false,
  ]);
  assert.deepEqual(verdicts(rules({ on: ["read"], once: true }), requests), [false, false, true, false, false]);
});

Deno.test("rules of disk errors: sectors, all of them and no other", () => {
  const at = (...sectors: number[]) => ({ ...READ, sectors });
  const some = rules({ sectors: [10, 12] });
  assert.deepEqual(verdicts(some, [at(8, 9), at(9, 10), at(12), at(13), FLUSH]), [false, true, true, false, false]);
  const one = rules({ on: ["read"], sectors: [10, 10], once: true });
  assert.deepEqual(verdicts(one, [at(9), { ...WRITE, sectors: [10] }, at(10), at(10)]), [false, false, true, false]);
});

Deno.test("rules of disk errors: a rate is exact in each 1,000 requests, is the seed's, and keeps to its sectors", () => {
  const requests = Array.from({ length: 2_000 }, (_, at) => at % 2 === 0 ? READ : WRITE);
  const first = verdicts(rules({ on: ["read", "write"], rate: 0.013 }), requests);
  assert.equal(first.slice(0, 1_000).filter(Boolean).length, 13);
  assert.deepEqual(first.slice(0, 1_000), first.slice(1_000));
  assert.deepEqual(verdicts(rules({ on: ["read", "write"], rate: 0.013 }), requests), first);
  assert.notDeepEqual(verdicts(rules({ on: ["read", "write"], rate: 0.013 }, 8), requests), first);
  const outside = verdicts(rules({ rate: 0.5, sectors: [8, 9] }), requests.slice(0, 100));
  assert.equal(outside.filter(Boolean).length, 0);
});

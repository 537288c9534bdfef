import * as assert from "#assert";
import { zipOf } from "../../../tests/viewer/bundle.ts";
import { readRecorded, type Recorded } from "./recorded.ts";

const STARTED = Date.UTC(2026, 10, 29, 2);
const at = (ms: number) => new Date(STARTED + ms).toISOString();
const META = {
  ...{ format: "fleetbox-trace", version: 1, started: at(0), ended: at(60_000) },
  members: ["a", "b"].map((name) => ({ name, host_name: name, from_checkpoint: "seeded" })),
};
const spec = { kind: "pause", member: "a" };
const EVENTS: Record<string, unknown>[] = [
  { at: at(1_000), event: "state", name: "a", state: "running" },
  { at: at(4_000), event: "state", name: "b", state: "running" },
  { at: at(5_000), event: "checkpoint", name: "later", members: ["a", "b"], since: at(4_600) },
  { at: at(6_000), event: "command-began", id: "c1", name: "a", argv: ["ls", "-l"] },
  { at: at(7_000), event: "command", id: "c1", name: "a", argv: ["ls", "-l"], code: 0, duration_ms: 1_000 },
  { at: at(9_000), event: "fault-began", id: "f2", kind: "later", spec: { kind: "later" } },
  { at: at(10_000), event: "fault-began", id: "f1", kind: "pause", spec, seed: 7 },
  { at: at(12_000), event: "fault-ended", id: "f1", kind: "pause" },
  { at: at(20_000), event: "state", name: "a", state: "running" },
];

async function read(files: Record<string, unknown>): Promise<Recorded> {
  const path = Deno.makeTempFileSync({ prefix: "fleetbox-test-" });
  try {
    const bytes = (value: unknown) =>
      new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value));
    const events = EVENTS.map((one) => JSON.stringify(one) + "\n").join("");
    const all = { "meta.json": META, "events.ndjson": events, ...files };
    Deno.writeFileSync(path, zipOf(new Map(Object.entries(all).map(([name, value]) => [name, bytes(value)]))));
    return await readRecorded(path);
  } finally {
    Deno.removeSync(path);
  }
}

Deno.test("what is made again of a trace: when all ran first, its checkpoints, commands, and faults by its events", async () => {
  const { readyMs, endedMs, steps, saved, commands, notices } = await read({});
  assert.deepEqual([readyMs - STARTED, endedMs - STARTED], [4_000, 60_000]);
  assert.deepEqual(steps, [{ at_ms: 10_000, for_ms: 2_000, fault: spec, seed: 7 }]);
  assert.deepEqual(saved, [
    { checkpoint: "seeded", atMs: STARTED + 4_000 },
    { checkpoint: "later", atMs: STARTED + 4_600, madeMs: STARTED + 5_000 },
  ]);
  assert.deepEqual(commands, [{ member: "a", argv: ["ls", "-l"] }]);
  assert.match(notices.join("\n"), /^1 fault has not been recorded whole, or .*: left out$/);
});

Deno.test("a trace's plan goes before its events, when it is one; a trace without an end has that of its events", async () => {
  const step = { at_ms: 500, for_ms: 10, fault: spec };
  const plan = { version: 1, seed: 1, steps: [{ ...step, at_ms: 900 }, step] };
  const whole = await read({ "plan.json": plan });
  assert.deepEqual([whole.steps.map(({ at_ms }) => at_ms), whole.notices], [[500, 900], []]);
  const damaged = await read({ "plan.json": { ...plan, version: 2 }, "meta.json": { ...META, ended: undefined } });
  assert.deepEqual([damaged.steps[0].at_ms, damaged.endedMs - STARTED], [10_000, 20_000]);
  assert.match(damaged.notices.join("\n"), /has no end[^]*plan\.json is damaged, or of another version/);
  await assert.rejects(
    read({ "meta.json": { ...META, started: "" } }),
    /its meta\.json, which says what to make, is missing/,
  );
});

import * as assert from "#assert";
import type { FaultStep } from "../../core/faults/plan.ts";
import type { CheckpointManifest } from "../../store/snapshots.ts";
import type { Recorded, SavedMoment } from "./recorded.ts";
import { chooseStart, playedSteps } from "./start.ts";

const STARTED = Date.UTC(2026, 10, 29, 2);
const cut = (at_ms: number, for_ms: number): FaultStep => ({
  ...{ at_ms, for_ms, seed: 7 },
  fault: { kind: "partition", sets: [["a"], ["b"]] },
});

function checkpoint(name: string, madeMs: number, ...hosts: string[]): CheckpointManifest {
  const members = Object.fromEntries(hosts.map((host_name) => [`x-${host_name}`, { host_name }]));
  return {
    version: 1,
    name,
    made_at: new Date(STARTED + madeMs).toISOString(),
    members,
  } as unknown as CheckpointManifest;
}

function start(
  saved: SavedMoment[],
  steps: FaultStep[],
  stored: CheckpointManifest[],
): [string | undefined, number, string] {
  const members = ["a", "b"].map((hostName) => ({ hostName }));
  const of = (name: string) => stored.find((one) => one.name === name);
  const found = chooseStart({ saved, steps, startedMs: STARTED, readyMs: STARTED + 3_000 }, members, of);
  return [found.checkpoint?.name, found.baseMs - STARTED, found.why];
}

const taken = (name: string, atMs: number): SavedMoment => ({
  ...{ checkpoint: name, atMs: STARTED + atMs, madeMs: STARTED + atMs + 400 },
});

Deno.test("a trace begins at its newest checkpoint before the first fault; its moment is that of the save", () => {
  const saved = [taken("early", 4_000), taken("late", 8_000), taken("after", 12_000)];
  const stored = [
    checkpoint("early", 4_400, "a", "b"),
    checkpoint("late", 8_500, "b", "a"),
    checkpoint("after", 12_400, "a", "b"),
  ];
  assert.deepEqual(start(saved, [cut(10_000, 1)], stored), ["late", 8_000, "taken 8.0 s after the trace began"]);
  assert.deepEqual(start(saved, [], stored).slice(0, 2), ["after", 12_000]);
  assert.deepEqual(start(saved, [cut(2_000, 1)], stored), [
    undefined,
    3_000,
    "the trace has no checkpoint before its first fault",
  ]);
  assert.deepEqual(start([], [], stored), [undefined, 3_000, "the trace has no checkpoint"]);
});

Deno.test("a checkpoint of the same name that is another one is not taken: of another time, of other members", () => {
  const saved = [taken("early", 4_000), taken("late", 8_000)], steps = [cut(10_000, 1)];
  const early = checkpoint("early", 4_400, "a", "b");
  for (
    const other of [
      checkpoint("late", 11_000, "a", "b"),
      checkpoint("late", 8_400, "a"),
      checkpoint("late", 8_400, "a", "b", "c"),
    ]
  ) {
    assert.equal(start(saved, steps, [early, other])[0], "early", JSON.stringify(other));
    assert.match(
      start(saved, steps, [other])[2],
      /^the trace's checkpoint late is not in this store, is another one, or cannot go on here$/,
    );
  }
});

Deno.test("a trace of a fork begins where that began, when its members ran", () => {
  const from: SavedMoment = { checkpoint: "seeded", atMs: STARTED + 3_000 };
  assert.deepEqual(start([from], [cut(1_000, 1)], [checkpoint("seeded", -9_000_000, "a", "b")]), [
    ...["seeded", 3_000, "from which the trace's group had come"] as const,
  ]);
  assert.equal(start([from], [], [checkpoint("seeded", 9_000, "a", "b")])[0], undefined, "made later");
});

Deno.test("faults come when the group is ready, with their distances, seeds and new names; what was not healed ends with the trace", () => {
  const members = ["a", "b"].map((was) => ({ was, name: `again-${was}` }));
  const played = (steps: FaultStep[], baseMs: number) => {
    const recorded: Pick<Recorded, "steps" | "startedMs" | "endedMs"> = {
      steps,
      startedMs: STARTED,
      endedMs: STARTED + 60_000,
    };
    const { steps: all, unhealed } = playedSteps(recorded, STARTED + baseMs, members);
    return [...all.map(({ at_ms, for_ms }) => [at_ms, for_ms]), unhealed];
  };
  assert.deepEqual(played([cut(10_000, 5_000), cut(20_000, 86_400_000)], 3_000), [[7_000, 5_000], [17_000, 40_000], 1]);
  assert.deepEqual(played([cut(1_000, 5_000), cut(2_500, 500)], 3_000), [[0, 5_000], [1_500, 500], 0]);
  assert.deepEqual(played([cut(60_000, 86_400_000)], 3_000), [[57_000, 1_000], 1]);
  assert.deepEqual(played([], 3_000), [0]);
  const { steps: [step] } = playedSteps({ steps: [cut(1, 2)], startedMs: 0, endedMs: 10 }, 0, members);
  assert.deepEqual([step.fault, step.seed], [{ kind: "partition", sets: [["again-a"], ["again-b"]] }, 7]);
});

import * as assert from "#assert";
import type { WireError } from "../../core/errors.ts";
import { type Booting, isActive, NEXT, type Phase, type PhaseKind, Phases, type Running, wireState } from "./phases.ts";

const failure: WireError = { code: "failed", message: "it failed", causes: [] };
const full: WireError = { code: "no-space", message: "disk full", causes: [] };
// What a phase owns is not looked at here.
const boot = {} as Booting["boot"];
const run = {} as Running["run"];
const process = { pid: 1, startTime: 1 } as unknown as Extract<Phase, { kind: "orphaned" }>["process"];
const stop = { hurry: new AbortController(), done: Promise.resolve() };
const booting: Booting = { kind: "booting", boot, stage: "kernel", run };
const running: Running = { kind: "running", run };

/** One of each kind. */
const EACH: { [K in PhaseKind]: Extract<Phase, { kind: K }> } = {
  absent: { kind: "absent" },
  preparing: { kind: "preparing", boot, stage: "disk" },
  booting,
  running,
  paused: { kind: "paused", pause: { reason: "disk-full", failure: full }, run, from: running },
  stopping: { kind: "stopping", stop, from: running },
  stopped: { kind: "stopped" },
  failed: { kind: "failed", failure },
  orphaned: { kind: "orphaned", process },
};
const KINDS = Object.keys(EACH) as PhaseKind[];

/** A member in a phase, by a way that the table allows. */
function memberIn(kind: PhaseKind): Phases {
  const ways: Record<PhaseKind, PhaseKind[]> = {
    absent: [],
    preparing: ["preparing"],
    booting: ["preparing", "booting"],
    running: ["preparing", "booting", "running"],
    paused: ["preparing", "booting", "running", "paused"],
    stopping: ["stopping"],
    stopped: ["stopping", "stopped"],
    failed: ["preparing", "failed"],
    orphaned: ["orphaned"],
  };
  const member = new Phases(() => {});
  for (const step of ways[kind]) member.to(EACH[step]);
  return member;
}

Deno.test("phases: the table of transitions, whole; what it does not allow throws and changes nothing", () => {
  const allowed = {
    absent: "preparing orphaned stopping",
    preparing: "booting failed stopping",
    booting: "preparing running paused failed stopping",
    running: "paused failed stopped stopping",
    paused: "booting running failed stopped stopping",
    stopping: "stopped failed orphaned",
    stopped: "preparing stopping",
    failed: "preparing booting orphaned stopped stopping",
    orphaned: "preparing booting failed stopping",
  };
  assert.deepEqual(Object.fromEntries(KINDS.map((kind) => [kind, NEXT[kind].join(" ")])), allowed);
  for (const from of KINDS) {
    for (const to of KINDS) {
      const member = memberIn(from);
      assert.equal(member.now.kind, from);
      if (to === from || NEXT[from].includes(to)) {
        member.to(EACH[to]);
        assert.equal(member.now, EACH[to], `${from} to ${to}`);
      } else {
        assert.throws(() => member.to(EACH[to]), new RegExp(`from ${from} to ${to}`));
        assert.equal(member.now.kind, from);
      }
    }
  }
});

Deno.test("phases: what the protocol says of each", () => {
  const said = (phase: Phase) => {
    const { state, stage, failure } = wireState(phase);
    return [state, stage, failure?.message];
  };
  assert.deepEqual(KINDS.map((kind) => [kind, ...said(EACH[kind])]), [
    ["absent", "stopped", undefined, undefined],
    ["preparing", "starting", "disk", undefined],
    ["booting", "starting", "kernel", undefined],
    ["running", "running", "ready", undefined],
    ["paused", "running", "paused", "disk full"],
    ["stopping", "running", "stopping", undefined],
    ["stopped", "stopped", undefined, undefined],
    ["failed", "error", undefined, "it failed"],
    ["orphaned", "starting", "adoption", undefined],
  ]);
  const download = { bytes: 1, rate: 1 };
  assert.deepEqual(said({ kind: "preparing", boot, stage: "image", download }), ["downloading", "image", undefined]);
  assert.deepEqual(said({ ...running, problem: failure }), ["running", "ready", "it failed"]);
  assert.deepEqual(said({ ...EACH.paused, from: booting }), ["starting", "paused", "disk full"]);
  assert.deepEqual(said({ kind: "orphaned", process, failure }), ["error", undefined, "it failed"]);
  // A stop without a machine changes nothing until it is over.
  assert.deepEqual(said({ kind: "stopping", stop, from: EACH.failed }), ["error", undefined, "it failed"]);
  assert.deepEqual(said({ kind: "stopping", stop, from: EACH.preparing }), ["starting", "disk", undefined]);
  assert.deepEqual(said({ kind: "stopping", stop, from: booting }), ["starting", "stopping", undefined]);
  assert.deepEqual((["downloading", "starting", "running", "stopped", "error"] as const).filter(isActive), [
    "downloading",
    "starting",
    "running",
  ]);
});

Deno.test("phases: every change is reported; `since` is the start of the protocol's state, not of a stage", () => {
  let changes = 0;
  const member = new Phases(() => changes++);
  member.to(EACH.preparing);
  const { since } = member;
  member.to(booting);
  member.to({ ...booting, stage: "ssh" });
  assert.equal(member.since, since);
  member.to(running);
  assert.notEqual(member.since, since);
  const running_ = member.since;
  member.to(EACH.paused);
  member.to(running);
  assert.equal(member.since, running_);
  assert.equal(changes, 6);
});

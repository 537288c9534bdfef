import * as assert from "#assert";
import type { ForwardReport, MemberReport } from "../../wire.ts";
import { KnownGroup } from "./known_group.ts";
import type { Happening } from "./store_events.ts";

const member = (change: Partial<MemberReport> = {}): MemberReport => ({
  ...{ name: "a", pid: 7, running: true, ip: "10.88.0.11", state: "running", cpus: 1, memory_mb: 256, image: "micro" },
  ...change,
});
const fault = (id: string) => ({ id, kind: "pause" as const, what: "pause: a", members: ["a"] });

/** In words. */
const words = (told: Happening[]) =>
  told.map((one) =>
    one.event === "state"
      ? `${one.name} ${one.stage ?? one.state}`
      : one.event === "forward"
      ? `${one.host_port} ${one.what}`
      : `${one.event} ${"id" in one ? one.id : ""}`.trim()
  ).join(", ");

Deno.test("a state is told when it is another one, and not when counters or another holder's id change", () => {
  const known = new KnownGroup();
  const take = (change: Partial<MemberReport> = {}) => words(known.take({ event: "member", member: member(change) }));
  assert.equal(take({ state: "starting", stage: "boot" }), "a boot");
  assert.equal(take({ state: "starting", stage: "kernel" }), "a kernel");
  assert.equal(take(), "a running");
  const network = { rx_frames: 1, rx_bytes: 1, tx_frames: 1, tx_bytes: 1, dropped: {} };
  assert.equal(take({ network, pid: 8, since: "2026-11-28T19:00:00.000Z" }), "");
  assert.equal(take({ error: "its disk is full" }), "a running");
  assert.deepEqual(known.take({ event: "gone", name: "a" }), [{ event: "state", name: "a", state: "gone" }]);
  assert.deepEqual(known.take({ event: "gone", name: "a" }), []);
  assert.equal(take(), "a running");
});

Deno.test("a save is told each time", () => {
  const known = new KnownGroup();
  const saved = { event: "saved", what: "suspend", since: "2026-11-29T02:00:00.000Z", members: ["a"] } as const;
  const event = { ...saved, members: [...saved.members] };
  assert.deepEqual([known.take(event), known.take(event)], [[event], [event]]);
});

Deno.test("a port forward is told when it is there, opens, closes and is gone", () => {
  const known = new KnownGroup();
  const take = (...forwards: ForwardReport[]) => words(known.take({ event: "member", member: member({ forwards }) }));
  const one: ForwardReport = { host_port: 8080, guest_port: 80, open: false };
  assert.equal(take(one), "a running, 8080 added");
  assert.equal(take({ ...one, open: true }), "8080 open");
  assert.equal(take({ ...one, open: true }), "");
  assert.equal(
    take({ ...one, problem: "taken" }, { host_port: 81, guest_port: 81, open: true }),
    "8080 closed, 81 open",
  );
  assert.equal(take({ ...one, guest_port: 90, open: true }), "8080 removed, 81 removed, 8080 open");
  assert.equal(take(), "8080 removed");
});

Deno.test("a fault is told once, whoever tells it first, and an answer that comes late does not bring it back", () => {
  const known = new KnownGroup();
  assert.equal(words(known.faultsBegan([fault("f1")])), "fault-began f1");
  assert.equal(words(known.take({ event: "fault-began", ...fault("f1") })), "");
  assert.equal(words(known.take({ event: "fault-ended", ...fault("f1") })), "fault-ended f1");
  assert.equal(words(known.faultsBegan([fault("f1"), fault("f2")])), "fault-began f2");
  assert.equal(words(known.take({ event: "fault-ended", ...fault("f3") })), "");
  assert.equal(words(known.faultsBegan([fault("f3")])), "", "its end came before the answer that names it");
  assert.deepEqual(known.begin().faults, ["f2"]);
});

Deno.test("another holder: who left meanwhile is found, and at the end all that is known is gone", () => {
  const known = new KnownGroup();
  for (const name of ["a", "b", "c"]) known.take({ event: "member", member: member({ name }) });
  known.faultsBegan([fault("f1")]);
  const before = known.begin();
  assert.deepEqual(before, { members: ["a", "b", "c"], faults: ["f1"] });
  assert.equal(words(known.take({ event: "member", member: member() })), "");
  assert.deepEqual(known.missing(before.members, ["c"]), ["b"]);
  assert.equal(words(known.gone(["b"])), "b gone");
  assert.equal(words(known.end()), "a gone, c gone, fault-ended f1");
  assert.equal(words(known.end()), "");
});

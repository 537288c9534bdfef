import * as assert from "#assert";
import { until } from "../../../tests/support/processes.ts";
import { FleetboxError } from "../../core/errors.ts";
import { type FaultCounts, type LinkConditions, NO_COUNTS } from "../../network/faults/conditions.ts";
import type { StoredFault } from "../../store/records.ts";
import type { FaultyMember } from "./machine/maker.ts";
import { FaultTable } from "./table.ts";

const code = (expected: string, message: RegExp) => (error: unknown) =>
  error instanceof FleetboxError && error.code === expected && message.test(error.message);

/** A group of members that are told to stand still and to go on, and a network that writes down what it is told. */
class Group {
  readonly conditions = new Map<string, LinkConditions>();
  readonly calls: string[] = [];
  readonly forgotten: string[] = [];
  readonly held = new Set<string>();
  readonly changed: string[] = [];
  readonly events: string[] = [];
  readonly records: StoredFault[][] = [];
  readonly counts = new Map<string, FaultCounts>();
  refuses: string | undefined;
  names = ["a", "b", "c"];
  without: string[] = [];
  readonly table = new FaultTable({
    network: {
      setConditions: (from, to, conditions) => {
        this.calls.push(`${from} ${to}`);
        if (conditions) this.conditions.set(`${from} ${to}`, conditions);
        else this.conditions.delete(`${from} ${to}`);
      },
      faultCounts: () => this.counts,
      forgetFault: (id) => void this.forgotten.push(id),
    },
    members: () => this.names.map((name) => this.#member(name)),
    onChange: (names) => void this.changed.push(names.join(" ")),
    note: () => Promise.resolve(void this.records.push(this.table.stored())),
    onFault: ({ event, id, members, counts }) =>
      void this.events.push(`${event} ${id} ${members}${counts ? ` ${JSON.stringify(counts)}` : ""}`),
  });

  #member(name: string): FaultyMember {
    return {
      name,
      hasMachine: !this.without.includes(name),
      standsStill: false,
      apply: (_kind, faults) => {
        if (this.refuses === name) return Promise.reject(new FleetboxError("conflict", `${name} is booting`));
        if (faults.length > 0) this.held.add(name);
        else this.held.delete(name);
        return Promise.resolve();
      },
      forget: (kind) => void this.forgotten.push(`${name} ${kind}`),
      counts: () => Promise.resolve({}),
    };
  }

  [Symbol.dispose](): void {
    this.table.close();
  }
}

Deno.test("faults: a partition is on its links until it is healed, and the switch is told what is different", async () => {
  using group = new Group();
  const fault = await group.table.begin({ spec: { kind: "partition", sets: [["a"], ["b", "c"]] }, seed: 7 });
  assert.match(fault.id, /^f[0-9a-f]{4}$/);
  assert.deepEqual([fault.what, fault.seed, fault.members], ["cut: a | b,c", 7, ["a", "b", "c"]]);
  assert.deepEqual([...group.conditions.keys()], ["a b", "b a", "a c", "c a"]);
  assert.deepEqual(group.changed, ["a b c"]);
  group.calls.length = 0;
  const slow = await group.table.begin({ spec: { kind: "shape", from: ["a"], to: ["b"], shape: { delayMs: 5 } } });
  assert.deepEqual(group.calls, ["a b"]);
  assert.deepEqual(group.conditions.get("a b")!.cuts, [fault.id]);
  group.counts.set(fault.id, { ...NO_COUNTS, frames: 3, cut: 3 });
  const [healed] = await group.table.heal([fault.id]);
  assert.deepEqual(healed.counts, { frames: 3, cut: 3 });
  assert.equal(group.events.at(-1), `fault-ended ${fault.id} a,b,c {"frames":3,"cut":3}`);
  assert.deepEqual([...group.conditions.keys()], ["a b"]);
  assert.deepEqual(group.forgotten, [fault.id]);
  assert.deepEqual((await group.table.reports()).map(({ id }) => id), [slow.id]);
  await group.table.heal();
  assert.deepEqual([group.conditions.size, await group.table.reports()], [0, []]);
});

Deno.test("faults: one ends at its time", async () => {
  using group = new Group();
  await group.table.begin({ spec: { kind: "drop", from: ["a"], to: ["b"] }, forMs: 30 });
  assert.equal(group.conditions.size, 1);
  await until("it is over", () => group.conditions.size === 0);
  assert.deepEqual(await group.table.reports(), []);
});

Deno.test("faults: a flap comes and goes", async () => {
  using group = new Group();
  const { id } = await group.table.begin({ spec: { kind: "flap", sets: [["a"], ["b"]], downMs: 20, upMs: 20 } });
  assert.equal(group.conditions.size, 2);
  await until("it is up", () => group.conditions.size === 0);
  assert.equal((await group.table.reports())[0].is_off, true);
  await until("it is down", () => group.conditions.size === 2);
  await group.table.heal([id]);
  assert.equal(group.conditions.size, 0);
});

Deno.test("faults: a pause holds its member until the last one of them ends, or the member goes", async () => {
  using group = new Group();
  const first = await group.table.begin({ spec: { kind: "pause", member: "a" } });
  await group.table.begin({ spec: { kind: "pause", member: "a" }, forMs: 60_000 });
  await group.table.begin({ spec: { kind: "pause", member: "b" } });
  assert.deepEqual([...group.held], ["a", "b"]);
  assert.ok(first.counts.paused_ms < 1_000);
  await group.table.heal([first.id]);
  assert.deepEqual([group.table.isPaused("a"), group.held.has("a")], [true, true]);
  assert.deepEqual(group.events.at(-1), `fault-ended ${first.id} ${first.members}`);
  group.names = ["a", "c"];
  group.table.rosterChanged();
  assert.equal(group.table.isPaused("b"), false);
  assert.match(group.events.at(-1)!, /^fault-ended f\w+ b$/);
  await group.table.heal();
  assert.deepEqual([...group.held], ["b"], "it is gone, and nobody asks it");
  await group.table.begin({ spec: { kind: "cpu", member: "a", share: 0.3 } });
  await group.table.begin({ spec: { kind: "drop", from: ["a"] } });
  group.without = ["a"];
  group.table.rosterChanged();
  assert.deepEqual(
    (await group.table.reports()).map(({ kind }) => kind),
    ["drop"],
    "those of its machine end with that",
  );
  await group.table.heal();
  group.refuses = "c";
  await assert.rejects(
    group.table.begin({ spec: { kind: "pause", member: "c" } }),
    code("conflict", /^c is booting$/),
  );
  assert.deepEqual(await group.table.reports(), []);
});

Deno.test("faults: a guest that restarts has lost those that are in it, and those alone", async () => {
  using group = new Group();
  await group.table.begin({ spec: { kind: "clock", member: "a", bumpMs: 5 } });
  await group.table.begin({ spec: { kind: "clock", member: "b", bumpMs: 5 } });
  const left = await group.table.begin({ spec: { kind: "pause", member: "a" } });
  await group.table.lost("a", ["clock"], "it restarted itself");
  assert.deepEqual(
    (await group.table.reports()).map(({ what }) => what),
    ["clock: b, +5ms", left.what],
  );
  assert.ok(group.forgotten.includes("a clock"));
});

Deno.test("faults: all means those that join later, too; a partition stays what it was", async () => {
  using group = new Group();
  group.names = ["a", "b"];
  await group.table.begin({ spec: { kind: "shape", from: ["a"], shape: { loss: 0.1 } } });
  await group.table.begin({ spec: { kind: "partition", shape: "isolate" } });
  group.names = ["a", "b", "c"];
  group.table.rosterChanged();
  assert.deepEqual([...group.conditions.keys()].sort(), ["a b", "a c", "b a"]);
  assert.equal(group.conditions.get("a c")!.cuts!.length, 0);
});

Deno.test("faults: the next holder goes on with them, with their times, and pauses again what was paused", async () => {
  using group = new Group();
  await group.table.begin({ spec: { kind: "partition", shape: "one" }, seed: 3 });
  await group.table.begin({ spec: { kind: "pause", member: "a" } });
  await group.table.begin({ spec: { kind: "pause", member: "b" } });
  await group.table.begin({ spec: { kind: "drop", to: ["c"] }, forMs: 60_000 });
  const stored = JSON.parse(JSON.stringify(group.table.stored()));
  stored.push({ ...stored[3], id: "fffff", ends_at: Deno.osUptime() - 1 });
  stored.push({ ...stored[3], id: "f0bad", spec: { kind: "of a later version" } });
  using next = new Group();
  next.table.adopt({ faults: stored });
  assert.deepEqual(next.conditions, group.conditions);
  assert.deepEqual((await next.table.reports()).map(({ id }) => id), (await group.table.reports()).map(({ id }) => id));
  assert.ok((await next.table.reports())[3].left_ms! > 50_000);
  assert.deepEqual([next.table.isPaused("a"), next.held.size], [true, 0], "it waits for the adoption");
  next.refuses = "b";
  for (const name of next.names) await next.table.settle(name);
  assert.deepEqual([[...next.held], next.table.isPaused("b")], [["a"], false]);
});

Deno.test("faults: one of a machine that ends before the next holder has adopted that is undone then, and is in the record until then", async () => {
  using group = new Group();
  await group.table.begin({ spec: { kind: "pause", member: "a" } });
  await group.table.begin({ spec: { kind: "pause", member: "b" } });
  const [ended, healed] = group.table.stored();
  using next = new Group();
  next.held.add("a").add("b");
  next.table.adopt({ faults: [{ ...ended, ends_at: Deno.osUptime() - 1 }, healed] });
  assert.deepEqual((await next.table.reports()).map(({ id }) => id), [healed.id]);
  next.refuses = "b"; // it is being adopted
  await assert.rejects(next.table.heal(), code("failed", /b is booting/));
  using third = new Group();
  third.held.add("a").add("b");
  third.table.adopt({ faults: next.table.stored() });
  assert.equal((await third.table.reports()).length, 0);
  for (const name of third.names) await third.table.settle(name);
  assert.deepEqual([...third.held], []);
  assert.deepEqual(third.table.stored(), []);
  next.without = ["a", "b"];
  next.table.rosterChanged();
  assert.deepEqual(next.table.stored(), [], "their machines are gone");
});

Deno.test("faults: one of a machine whose holder is killed while it begins is undone by the next one", async () => {
  using group = new Group();
  await group.table.begin({ spec: { kind: "pause", member: "a" } });
  const [faults] = group.records;
  using next = new Group();
  next.held.add("a");
  next.table.adopt({ faults });
  assert.deepEqual(await next.table.reports(), []);
  await next.table.settle("a");
  assert.equal(next.held.size, 0);
  assert.equal(group.table.stored().length, 1);
});

Deno.test("faults: what is not there, hits nothing or makes no sense is refused", async () => {
  using group = new Group();
  const { table } = group;
  const drop = (from: string) => table.begin({ spec: { kind: "drop", from: [from] } });
  await assert.rejects(drop("z"), code("not-found", /^"z" is not running in this group$/));
  await drop("gateway");
  await assert.rejects(table.begin({ spec: { kind: "shape", shape: { loss: 2 } } }), code("misuse", /loss/));
  await assert.rejects(table.heal(["f0000"]), code("not-found", /^There is no fault "f0000"$/));
  group.names = ["a"];
  await assert.rejects(
    table.begin({ spec: { kind: "partition", shape: "one" } }),
    code("conflict", /^This fault would hit nothing: cut: one of all$/),
  );
});

Deno.test("faults: a group has at most 10,000, and each change is soon done", async () => {
  using group = new Group();
  await group.table.begin({ spec: { kind: "partition", sets: [["a"], ["b"]] } });
  const [fault] = group.table.stored();
  const others = Array.from({ length: 9_999 }, (_, index) => `f${index.toString(16).padStart(6, "0")}`);
  group.table.adopt({ faults: others.map((id) => ({ ...fault, id })) });
  assert.equal(group.conditions.get("a b")!.cuts!.length, 10_000);
  await assert.rejects(
    group.table.begin({ spec: { kind: "drop", from: ["a"] } }),
    code("conflict", /^The group has 10000 faults, which is the most$/),
  );
  assert.equal((await group.table.heal()).length, 10_000);
  assert.equal(group.conditions.size, 0);
});

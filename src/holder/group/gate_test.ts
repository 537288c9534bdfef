import * as assert from "#assert";
import { EventHub } from "../server/events.ts";
import { Gate } from "./gate.ts";

Deno.test("a gate opens when the last one has arrived, or will not come", async () => {
  const gate = new Gate(["a", "b", "c"]);
  const passed: string[] = [];
  const going = ["a", "b"].map((name) => gate.arrive(name).then(() => void passed.push(name)));
  await new Promise((resolve) => setTimeout(resolve));
  assert.deepEqual(passed, []);
  gate.leave("c");
  await Promise.all(going);
  assert.deepEqual(passed, ["a", "b"]);
  await gate.arrive("late");
  await new Gate([]).arrive("nobody is waited for");
});

Deno.test("a member waits at the gate until those that it needs run; one that will not run is told", async () => {
  const hub = new EventHub();
  const member = (state: "stopped" | "starting" | "running" | "error", isStopping = false) => ({ state, isStopping });
  const roster = new Map([["db", member("starting")], ["queue", member("running")]]);
  const gate = new Gate([], roster, hub);
  const turn = () => hub.tell({ event: "gone", name: "x" });
  const { signal } = new AbortController();

  await gate.untilRunning("web", ["queue"], signal);
  let passed = false;
  const waiting = gate.untilRunning("web", ["db", "queue"], signal).then(() => passed = true);
  turn();
  await new Promise((resolve) => setTimeout(resolve));
  assert.equal(passed, false);
  roster.set("db", member("running"));
  turn();
  await waiting;

  const lost: [ReturnType<typeof member> | undefined, RegExp][] = [
    [member("error"), /^Cannot boot "web": "db", which it needs, did not come up$/],
    [member("running", true), /is being stopped$/],
    [undefined, /is not in this group$/],
  ];
  for (const [db, message] of lost) {
    roster.set("db", member("starting"));
    const refused = assert.rejects(gate.untilRunning("web", ["queue", "db"], signal), { message });
    if (db) roster.set("db", db);
    else roster.delete("db");
    turn();
    await refused;
  }
  const ended = new AbortController();
  roster.set("db", member("starting"));
  const stopped = assert.rejects(gate.untilRunning("web", ["db"], ended.signal), /it is stopped/);
  ended.abort(new Error("it is stopped"));
  await stopped;
});

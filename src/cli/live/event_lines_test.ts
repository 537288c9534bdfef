import * as assert from "#assert";
import type { Happening, StoreEvent } from "../../control/live/store_events.ts";
import { eventLine } from "./event_lines.ts";

const line = (happening: Happening) => {
  const event = {
    at: new Date(2026, 10, 28, 19, 5, 7).toISOString(),
    group: "a",
    group_id: "0123456789ab",
    ...happening,
  };
  return eventLine(event as StoreEvent);
};

const LINES: [Happening, string][] = [
  [{ event: "group", what: "present", members: ["a", "b"], holder: 7 }, "group a: is there: a, b (holder: process 7)"],
  [{ event: "group", what: "adopted", members: ["a", "b"], holder: 8 }, "group a: adopted: process 8 is its holder"],
  [{ event: "group", what: "ended", members: [], holder: 8 }, "group a: ended"],
  [{ event: "state", name: "a", state: "starting", stage: "kernel", ip: "10.88.0.11" }, "a: starting (kernel)"],
  [{ event: "state", name: "a", state: "running", ip: "10.88.0.11" }, "a: running (10.88.0.11)"],
  [{ event: "state", name: "a", state: "error", reason: "it died", hint: "x" }, "a: error: it died; try: x"],
  [{ event: "state", name: "a", state: "gone" }, "a: gone"],
  [
    { event: "forward", what: "closed", name: "a", host_port: 8080, guest_port: 80, problem: "taken" },
    "a: port forward 127.0.0.1:8080 to port 80: closed (taken)",
  ],
  [
    { event: "fault-began", id: "f1", kind: "pause", what: "pause: a", members: ["a"] },
    "fault f1 of group a began: pause: a",
  ],
  [
    { event: "saved", what: "checkpoint", since: "", name: "seeded", members: ["a", "b"], paused_ms: 31 },
    "checkpoint seeded: a, b, paused for 31 ms",
  ],
  [{ event: "saved", what: "suspend", since: "", members: ["a", "b"] }, "suspended: a, b"],
  [{ event: "notice", message: "one\n  two" }, "group a: one; two"],
];

Deno.test("events for people: the time, and each in one line", () => {
  for (const [happening, expected] of LINES) assert.equal(line(happening), `19:05:07 ${expected}`);
});

Deno.test("what a guest has said in an event does not steer the terminal", () => {
  const reason = "panic \x1b]0;title\x07\x1b[2J\x9b31mred\x00\r\nmore";
  assert.equal(line({ event: "state", name: "a", state: "error", reason }), "19:05:07 a: error: panic 31mred; more");
});

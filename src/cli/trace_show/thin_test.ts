import * as assert from "#assert";
import { thinEvents } from "./thin.ts";

const line = (kind: string, index: number) => `{"at":"2026-11-28T19:50:00.000Z","event":"${kind}","n":${index}}\n`;
const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("trace show: few events stay as they are", () => {
  const content = bytes(line("link", 1) + line("state", 2));
  assert.deepEqual(thinEvents("events.ndjson", content, { most: 2 }), { kept: content });
});

Deno.test("trace show: of too many events the first, and states, faults and marks are kept, and it says what is left out", () => {
  const kinds = ["link", "link", "link", "state", "command", "mark", "fault-began", "link"];
  const { kept, notice } = thinEvents("events.ndjson", bytes(kinds.map(line).join("")), { most: 2, mostOfStory: 2 });
  const shown = new TextDecoder().decode(kept).trimEnd().split("\n").map((one) => JSON.parse(one).n);
  assert.deepEqual(shown, [0, 1, 3, 5]);
  assert.equal(
    notice,
    "events.ndjson has 8 events: the first 2 are shown, and of the others 2 states, faults and marks; 4 are left out",
  );
});

/** Traces that were sent by somebody, damaged or made up: what prints them, and plays them again. */

import fc from "fast-check";
import { FleetboxError } from "../../src/core/errors.ts";
import { openEvents } from "../../src/cli/trace/event_source.ts";
import { batchesOf, newMembers } from "../../src/cli/trace_replay/members.ts";
import { readRecorded } from "../../src/cli/trace_replay/recorded.ts";
import { chooseStart, playedSteps } from "../../src/cli/trace_replay/start.ts";
import { join } from "../../src/system/path.ts";
import { writeDirectory, zipOf } from "../viewer/bundle.ts";
import { bytesLike, like } from "./foreign.ts";

const at = "2026-11-29T02:00:00.000Z";
const member = { name: "a", host_name: "a", ip: "10.88.0.11", image: "micro", cpus: 1, memory_mb: 256, egress: "off" };
const META = { format: "fleetbox-trace", version: 1, started: at, ended: at, members: [member], problem: "none" };
const fault = { kind: "partition", sets: [["a"], ["b"]] };
const EVENTS = [
  { at, event: "state", name: "a", state: "running" },
  { at, event: "checkpoint", name: "seeded", members: ["a"], since: at },
  { at, event: "fault-began", id: "f1", spec: fault, seed: 7 },
  { at, event: "fault-ended", id: "f1" },
  { at, event: "command", id: "c1", name: "a", argv: ["ls"], duration_ms: 5 },
];
const PLAN = { version: 1, seed: 7, steps: [{ at_ms: 1, for_ms: 2, fault, seed: 7 }] };

const bytes = (text: string) => new TextEncoder().encode(text);

const files = fc.tuple(
  fc.oneof(like(META), like(META, { ...META, members: [{ ...member, cpus: "1" }, 7, {}] })),
  fc.array(like(...EVENTS), { maxLength: 6 }),
  fc.option(like(PLAN)),
).map(([meta, events, plan]) =>
  new Map([
    ["meta.json", bytes(meta)],
    ["events.ndjson", bytes(events.map((line) => line + "\n").join(""))],
    ...(plan === null ? [] : [["plan.json", bytes(plan)] as [string, Uint8Array]]),
  ])
);
const zip = files.chain((some) => bytesLike([zipOf(some)]));

/** Bundles, and directories of traces. */
export const traces = {
  name: "traces",
  share: 20,
  arbitrary: fc.oneof<fc.Arbitrary<Map<string, Uint8Array> | Uint8Array>[]>(files, zip),
  async check(trace: Map<string, Uint8Array> | Uint8Array) {
    const directory = Deno.makeTempDirSync({ prefix: "fleetbox-fuzz-" }), path = join(directory, "trace");
    try {
      if (trace instanceof Uint8Array) Deno.writeFileSync(path, trace);
      else writeDirectory(path, trace);
      const { batches } = await openEvents(path);
      for await (const batch of batches) for (const { event } of batch) void event.text;
      const recorded = await readRecorded(path);
      const members = newMembers(path, recorded.members, undefined);
      playedSteps(recorded, chooseStart(recorded, members, () => undefined).baseMs, members);
      batchesOf(path, members);
    } catch (thrown) {
      if (!(thrown instanceof FleetboxError)) throw thrown;
    } finally {
      Deno.removeSync(directory, { recursive: true });
    }
  },
};

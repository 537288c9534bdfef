import * as assert from "#assert";
import { unzipSync } from "fflate";
import { FleetboxError } from "../../core/errors.ts";
import { checkPlan } from "../../core/faults/plan.ts";
import { entriesOf } from "../../viewer/data/unzip.ts";
import { packTrace } from "./pack.ts";

const META = { format: "fleetbox-trace", version: 1, started: "2026-11-28T20:00:00.000Z", members: [] };

async function packed(files: Record<string, string | Uint8Array>): Promise<Record<string, string>> {
  const directory = Deno.makeTempDirSync({ prefix: "fleetbox-test-" });
  try {
    Deno.mkdirSync(`${directory}/trace`);
    for (const [name, content] of Object.entries(files)) {
      const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
      Deno.writeFileSync(`${directory}/trace/${name}`, bytes);
    }
    const size = await packTrace(`${directory}/trace`, `${directory}/t.zip`);
    assert.equal(Deno.statSync(`${directory}/t.zip`).size, size);
    assert.equal(Deno.statSync(`${directory}/t.zip`).mode! & 0o777, 0o600);
    assert.deepEqual([...Deno.readDirSync(directory)].map(({ name }) => name).sort(), ["t.zip", "trace"]);
    const found = unzipSync(Deno.readFileSync(`${directory}/t.zip`));
    return Object.fromEntries(Object.entries(found).map(([name, bytes]) => [name, new TextDecoder().decode(bytes)]));
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

const line = (second: number, event: Record<string, unknown>) =>
  JSON.stringify({ at: `2026-11-28T20:00:0${second}.000Z`, ...event }) + "\n";

Deno.test("a bundle has the events of all writers in their order, and each ring as one file", async () => {
  const files = await packed({
    "meta.json": JSON.stringify(META),
    "recorder.json": "{}",
    "events.ndjson": line(1, { event: "mark", text: "one" }) + line(3, { event: "mark", text: "three" }) +
      '{"at":"2026-11',
    "events-77.ndjson": line(2, { event: "mark", text: "two" }),
    "a.1.cast": "older\n",
    "a.cast": "newer\n",
    "b.cast": "b\n",
    "net-0002.pcapng": "second",
    "net-0001.pcapng": "first ",
  });
  assert.deepEqual(Object.keys(files).sort(), ["a.cast", "b.cast", "events.ndjson", "meta.json", "net.pcapng"]);
  const texts = files["events.ndjson"].trim().split("\n").map((text) => JSON.parse(text).text);
  assert.deepEqual(texts, ["one", "two", "three"]);
  assert.deepEqual([files["a.cast"], files["net.pcapng"]], ["older\nnewer\n", "first second"]);
});

Deno.test("a bundle that was cut off is read up to there, file by file", async () => {
  const directory = Deno.makeTempDirSync({ prefix: "fleetbox-test-" });
  try {
    const noise = Uint8Array.from({ length: 5_000 }, (_, index) => Math.sin(index) * 1e6);
    Deno.mkdirSync(`${directory}/trace`);
    Deno.writeTextFileSync(`${directory}/trace/meta.json`, JSON.stringify(META));
    Deno.writeTextFileSync(`${directory}/trace/events.ndjson`, line(1, { event: "mark", text: "one" }));
    Deno.writeFileSync(`${directory}/trace/net-0001.pcapng`, noise);
    await packTrace(`${directory}/trace`, `${directory}/t.zip`);
    const whole = Deno.readFileSync(`${directory}/t.zip`), all = entriesOf(whole).entries;
    assert.deepEqual(all.map(({ name, size }) => [name, size]).at(-1), ["net.pcapng", noise.length]);
    for (let length = 60; length < whole.length - 22; length += 37) {
      const { entries, isWhole } = entriesOf(whole.slice(0, length));
      assert.equal(isWhole, false);
      for (const [index, entry] of entries.entries()) {
        if (entry.isCut) assert.equal(index, entries.length - 1, "only the last one is");
        else assert.deepEqual(entry, all[index]);
      }
    }
    assert.deepEqual(entriesOf(whole.slice(0, -22)).entries, all);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});

Deno.test("its faults are a plan that can be played again", async () => {
  const fault = { id: "f1", kind: "partition", what: "cut: a | b", members: ["a", "b"] };
  const spec = { kind: "partition", sets: [["a"], ["b"]] };
  const { "plan.json": plan } = await packed({
    "meta.json": JSON.stringify(META),
    "events.ndjson": line(2, { event: "fault-began", ...fault, spec, seed: 7 }) +
      line(5, { event: "fault-ended", ...fault }) +
      line(6, { event: "fault-began", ...fault, id: "f2", spec, seed: 8 }),
  });
  const { seed, steps } = checkPlan(JSON.parse(plan));
  assert.equal(seed, 7);
  assert.deepEqual(steps.map(({ at_ms, for_ms, seed }) => [at_ms, for_ms, seed]), [
    [2_000, 3_000, 7],
    [6_000, 86_400_000, 8],
  ]);
  assert.deepEqual(steps[0].fault, spec);
});

Deno.test("a bundle that cannot be written leaves what was recorded, and says where that is", async () => {
  const directory = Deno.makeTempDirSync({ prefix: "fleetbox-test-" });
  try {
    Deno.writeTextFileSync(`${directory}/meta.json`, JSON.stringify(META));
    await assert.rejects(
      packTrace(directory, `${directory}/nowhere/t.zip`),
      (thrown) => thrown instanceof FleetboxError && (thrown.hint ?? "").includes(directory),
    );
    assert.ok(Deno.statSync(`${directory}/meta.json`).isFile);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});

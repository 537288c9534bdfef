/** `fleetbox trace events`, of bundles that are written here. */

import * as assert from "#assert";
import { join } from "../../src/system/path.ts";
import { sandbox, test } from "../support/sandbox.ts";
import { writeDirectory, zipOf } from "../viewer/bundle.ts";

const STARTED = Date.UTC(2026, 10, 28, 19, 50);
const META = {
  ...{ format: "fleetbox-trace", version: 1, id: "a-1", group: "a", group_id: "g", started: new Date(STARTED) },
  ...{ ended: new Date(STARTED + 60_000), members: [{ name: "a", host_name: "a" }, { name: "b", host_name: "b" }] },
};
const at = (ms: number) => new Date(STARTED + ms).toISOString();
const EVENTS = [
  { at: at(250), event: "state", name: "a", state: "running" },
  { at: at(10_000), event: "fault-began", id: "f1", kind: "partition", what: "cut: a | b", members: ["a", "b"] },
  { at: at(11_000), event: "link", from: "a", to: "b", frames: 3, bytes: 180, dropped: { partition: 2 } },
  { at: at(12_000), event: "notice", message: "red \x1b[31mtext\x9b1m\nand a line" },
  { at: at(25_500), event: "command", id: "c1", name: "b", argv: ["ls", "-l"], code: 2, duration_ms: 5500 },
  { at: at(30_000), event: "later", thing: "of another version" },
];
const bytes = (text: string) => new TextEncoder().encode(text);

test("trace events prints a bundle for people and programs, of a time, of some members", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const events = EVENTS.map((one) => JSON.stringify(one) + "\n").join("");
  const files = new Map([["meta.json", bytes(JSON.stringify(META))], ["events.ndjson", bytes(events)]]);
  const zip = join(box.root, "trace.zip"), directory = join(box.root, "recorded");
  Deno.writeFileSync(zip, zipOf(files));
  writeDirectory(directory, files);
  const told = async (...args: string[]) => {
    const { stdout, stderr } = await box.ok("trace", "events", ...args);
    assert.equal(stderr, "");
    return stdout.trimEnd().split("\n");
  };

  const lines = [
    "    0.250  a       state        running",
    "   10.000  a,b     fault-began  cut: a | b [f1]",
    "   11.000  a       link         a → b: 3 frames, 2 partition dropped",
    "   12.000          notice       red text1m and a line",
    "   25.500  b       command      ls -l → 2",
    "   30.000          later        thing of another version",
  ];
  assert.deepEqual(await told(zip), lines);
  assert.deepEqual(await told(`${directory}/`), lines);
  assert.deepEqual(await told(zip, "--between", "10s..12s"), lines.slice(1, 4));
  // What lasts is there when a part of it is.
  assert.deepEqual(await told(zip, "--between", `${at(20_500)}..21s`), [lines[4]]);
  assert.deepEqual(await told(zip, "--between", "..10s", "--member", "b"), [lines[1]]);
  assert.deepEqual(await told(zip, "--member", "b"), [lines[1], lines[2], lines[4]]);
  const json = await told(zip, "--json");
  assert.deepEqual(json.map((line) => JSON.parse(line)), EVENTS);
  // deno-lint-ignore no-control-regex
  assert.ok(!/[\x00-\x1f\x7f-\x9f]/.test(json.join("")));

  Deno.writeFileSync(zip, zipOf(files).subarray(0, -200)); // its directory, and a little more
  const cut = await box.ok("trace", "events", zip);
  assert.equal(cut.stdout.split("\n")[0], lines[0]);
  assert.match(cut.stderr, /^The zip was cut off: what is in it is shown\nevents.ndjson ends too early\n$/);

  await box.fails(
    2,
    /"10s", expected two times, such as 10s\.\.20s\n.*10s\.\. is all/,
    "trace",
    "events",
    directory,
    "--between",
    "10s",
  );
  await box.fails(2, /Bad value for --between: .*"soon"/, "trace", "events", directory, "--between", "soon..");
  await box.fails(3, /has no member "c"\n.*It has a, b/, "trace", "events", directory, "--member", "c");
  await box.fails(3, /There is no .*nothing/, "trace", "events", join(box.root, "nothing"));
});

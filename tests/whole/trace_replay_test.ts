/** `fleetbox trace replay`: groups of fake machines that are made again, from a checkpoint and by booting, and their faults. */

import * as assert from "#assert";
import { join } from "../../src/system/path.ts";
import { until } from "../support/processes.ts";
import { type Sandbox, sandbox, test } from "../support/sandbox.ts";
import { writeDirectory } from "../viewer/bundle.ts";

const recorded = (directory: string, what: RegExp) =>
  until(`${what} is recorded`, () => what.test(Deno.readTextFileSync(`${directory}/events.ndjson`)));

test("a trace is played again on a fork of its checkpoint, and where that is gone on members that boot", async () => {
  await using box = await sandbox({ fakeQemu: {}, fakeSsh: true });
  const zip = join(box.root, "t.zip");
  await box.up("b,a", "--memory", "128M");
  await box.ok("trace", "start");
  const [{ directory }] = JSON.parse((await box.ok("trace", "ls", "--json")).stdout);
  await recorded(directory, /"name":"a","state":"running"[^]*"name":"b"|"name":"b","state":"running"[^]*"name":"a"/);
  await box.ok("checkpoint", "a,b", "--as", "seeded");
  const { ip } = (await box.ls()).a;
  await box.ok("fault", "partition", "a", "b", "--for", "400ms", "--seed", "7");
  await recorded(directory, /"fault-ended"/);
  await box.ok("trace", "stop", "-w", zip);

  const taken = [
    /^fleetbox: Cannot make the trace's members: there are members b, a already$/m,
    /replay \S+ --as again;.*rm b a/,
  ];
  await box.fails(1, taken, "trace", "replay", zip);
  const beside = await box.ok("trace", "replay", zip, "--as", "again");
  assert.match(
    beside.stderr,
    /^forking the checkpoint seeded, taken \d+\.\d s after the trace began; port forwards are not/m,
  );
  assert.match(beside.stdout, /^again-a +10\.88\.0\.\d+ +fleetbox ssh again-a$/m);
  assert.match(beside.stdout, /^[^:]*: (\w+): cut: again-a \| again-b, for [^]*^\1: over [^]*^1 fault: /m);
  assert.match(beside.stdout, /\nthe group stays: again-\w, again-\w; remove it: fleetbox rm again-\w again-\w\n$/);
  const { "again-a": forked } = await box.ls();
  assert.deepEqual([forked.host_name, forked.ip, forked.egress], ["a", ip, "off"]);

  await box.ok("rm", "again-a", "again-b", "a", "b", "--force");
  assert.match(
    (await box.ok("trace", "replay", zip, "--no-faults")).stdout,
    /^no faults are played; the trace has 1\n/m,
  );
  assert.match((await box.ok("status", "a")).stdout, /^checkpoint +seeded$/m);
  await box.ok("rm", "a", "b", "--force");
  // Of another QEMU.
  const manifest = join(box.home, "snapshots/checkpoints/seeded/manifest.json");
  const saved = JSON.parse(Deno.readTextFileSync(manifest));
  Deno.writeTextFileSync(manifest, JSON.stringify({ ...saved, host: `${saved.host}x` }));
  const booted = await box.ok("trace", "replay", zip, "--as", "again");
  assert.match(
    booted.stderr,
    /^booting new members of micro: the trace's checkpoint seeded is .*or cannot go on here/m,
  );
  assert.match(booted.stderr, /^A trace does not have user-data, /m);
  assert.match(booted.stdout, /cut: again-a \| again-b, for /);
  const { "again-a": a } = await box.ls();
  assert.deepEqual([a.host_name, a.ip, a.egress, a.memory_mb], ["a", ip, "off", 128]);
});

const STARTED = Date.UTC(2026, 10, 29, 2);
const at = (ms: number) => new Date(STARTED + ms).toISOString();
const FACTS = { image: "micro", cpus: 1, memory_mb: 128, egress: "off" };
const META = {
  ...{ format: "fleetbox-trace", version: 1, id: "a-1", group: "a", group_id: "g", started: at(0), ended: at(60_000) },
  members: [
    { name: "b", host_name: "b", ip: "10.88.0.12", ...FACTS, memory_mb: 64 },
    { name: "a", host_name: "a", ip: "10.88.0.11", ...FACTS },
  ],
};
const pause = { kind: "pause", member: "b" };
const EVENTS = [
  { at: at(1_000), event: "state", name: "a", state: "running" },
  { at: at(5_000), event: "state", name: "b", state: "running" },
  { at: at(5_100), event: "command", id: "c1", name: "b", argv: ["echo", "two words"], code: 0, duration_ms: 1 },
  {
    at: at(5_200),
    event: "fault-began",
    id: "f1",
    kind: "pause",
    what: "pause: b",
    members: ["b"],
    spec: pause,
    seed: 7,
  },
];

/** A trace's directory, and the meta.json that it has then. */
function write(box: Sandbox, meta: Record<string, unknown> = META): string {
  const directory = join(box.root, "recorded");
  const bytes = (text: string) => new TextEncoder().encode(text);
  const events = EVENTS.map((one) => JSON.stringify(one) + "\n").join("");
  writeDirectory(directory, new Map([["meta.json", bytes(JSON.stringify(meta))], ["events.ndjson", bytes(events)]]));
  return directory;
}

test("two replays at once make one group; Ctrl-C heals its faults, and it stays; what cannot be made again is refused before", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const trace = write(box);
  const both = [1, 2].map(() => box.start(["trace", "replay", trace, "--verbose"]));
  const first = await Promise.any(both.map(async (one) => {
    await one.printed(/^200ms: .*: pause/m);
    return one;
  }));
  const [other] = both.filter((one) => one !== first);
  assert.deepEqual(
    [(await other.done).code, /there (is a member|are members) /.test(other.stderr)],
    [1, true],
    other.stderr,
  );
  assert.doesNotMatch(other.stderr, /the group stays/);
  assert.match(first.stderr, /1 fault was not healed in the trace: played until its end/);
  const { a, b } = await box.ls();
  assert.deepEqual([a.memory_mb, b.memory_mb, a.ip, b.ip], [128, 64, "10.88.0.11", "10.88.0.12"]);
  assert.equal(a.group_id, b.group_id);
  const [fault] = JSON.parse((await box.ok("fault", "ls", "--json")).stdout);
  assert.deepEqual([fault.spec, fault.seed], [pause, 7]);
  first.kill("SIGINT");
  assert.equal((await first.done).code, 130);
  assert.match(first.stderr, /^the group stays: a, b; remove it: fleetbox rm a b\n.*Interrupted: the faults/m);
  assert.equal(await box.states(), "a=running b=running");
  assert.doesNotMatch((await box.ok("fault", "ls")).stdout, /pause/);

  // A bundle's plan has a day for what was not healed, the longest that a fault may last.
  const plan = join(box.root, "plan.json");
  Deno.writeTextFileSync(
    plan,
    JSON.stringify({ version: 1, seed: 1, steps: [{ at_ms: 0, for_ms: 86_400_000, fault: pause, seed: 7 }] }),
  );
  const run = box.start(["fault", "run", plan]);
  await run.printed(/pause: b, for 1440m/);
  run.kill("SIGINT");
  assert.equal((await run.done).code, 130);

  const again = await box.ok("trace", "replay", trace, "--as", "again", "--no-faults", "--verbose");
  assert.match(again.stdout, /^1 command of its test is not run again:\nfleetbox exec again-b -- echo 'two words'\n$/m);

  // The first member is made, the second one is not.
  box.behave({ "third-b": { start: "die" } });
  const half = await box.fails(
    1,
    /^the group stays: third-a; remove it: fleetbox rm third-a\n/m,
    "trace",
    "replay",
    trace,
    "--as",
    "third",
  );
  assert.doesNotMatch(half.stdout, /no faults|pause/);
  await box.ok("rm", "third-a", "--force");

  const members = META.members.map((one) => ({ ...one }));
  const refused: [number, RegExp, Record<string, unknown>][] = [
    [1, /no image of "a"\n.*play the bundle's plan\.json: fleetbox up a,b &&/, {
      ...META,
      members: [members[0], { ...members[1], image: undefined }],
    }],
    [3, /Cannot make "other-b" again: there is no image \/nowhere\/x\.qcow2\n/, {
      ...META,
      members: [{ ...members[0], image: "/nowhere/x.qcow2" }, members[1]],
    }],
    [1, /its version is 2, expected 1/, { ...META, version: 2 }],
    [1, /names no members/, { ...META, members: undefined }],
    [1, /its meta\.json, which says what to make, is missing or damaged/, { format: "fleetbox-trace", version: 1 }],
  ];
  for (const [code, message, meta] of refused) {
    await box.fails(code, message, "trace", "replay", write(box, meta), "--as", "other");
  }
  Deno.writeTextFileSync(join(box.root, "no.zip"), "no zip");
  await box.fails(1, /it is no zip, expected a trace/, "trace", "replay", join(box.root, "no.zip"));
  await box.fails(3, /There is no trace of "nobody"/, "trace", "replay", "nobody");
  await box.fails(2, /^fleetbox: Not a member name: "No"/, "trace", "replay", write(box), "--as", "No");
  assert.equal(await box.states(), "a=running again-a=running again-b=running b=running");
});

/** `fleetbox trace start|stop|ls`: what is recorded of fake guests, and what is left when the holder, the recorder or the group dies. */

import * as assert from "#assert";
import { unzipSync } from "fflate";
import type { TraceMeta } from "../../src/core/trace/types.ts";
import { join } from "../../src/system/path.ts";
import type { Behaviour } from "../fake_qemu/qemu.ts";
import { fillUp } from "../support/files.ts";
import { readPcapng } from "../support/pcapng.ts";
import { until } from "../support/processes.ts";
import { MAY_MOUNT, type Sandbox, sandbox, test } from "../support/sandbox.ts";

const B = "10.88.0.12";
/** A guest that pings b when it is told to. */
const PINGS: Record<string, Behaviour> = { a: { onSignal: "ping", ping: [B] } };

/** A bundle: its files, and its events as texts. */
function bundle(path: string): { files: Record<string, Uint8Array>; meta: TraceMeta; events: string[] } {
  const files = unzipSync(Deno.readFileSync(path));
  const text = (name: string) => new TextDecoder().decode(files[name]);
  const events = text("events.ndjson").trim().split("\n").map((line) => JSON.parse(line));
  return {
    files,
    meta: JSON.parse(text("meta.json")),
    events: events.map(({ event, ...rest }) =>
      [event, rest.what ?? rest.state ?? rest.to, rest.name].filter(Boolean).join(" ")
    ),
  };
}

const traces = async (box: Sandbox): Promise<{ id: string; state: string; members: string[]; directory: string }[]> =>
  JSON.parse((await box.ok("trace", "ls", "--json")).stdout);

const recorded = (directory: string, what: RegExp) =>
  until(`${what} is recorded`, () => what.test(Deno.readTextFileSync(`${directory}/events.ndjson`)));

test("a trace has states, faults, consoles and frames, also of what comes after a kill of the holder; one at a time", async () => {
  await using box = await sandbox({ fakeQemu: PINGS });
  await box.up("a,b");
  await box.ok("trace", "start");
  const [{ id, directory, ...row }] = await traces(box);
  assert.deepEqual([row.state, row.members], ["recording", ["a", "b"]]);
  await box.fails(1, [/^fleetbox: The group of "b" is recorded already, as a-/, /trace stop b/], "trace", "start", "b");
  await box.ok("fault", "partition", "a", "b");
  box.accident("a");
  await recorded(directory, /"dropped":\{"partition":/);
  await until("the guest has said so", () => /no answer/.test(Deno.readTextFileSync(`${directory}/a.cast`)));
  await box.ok("heal");
  await recorded(directory, /"fault-ended"/);
  await box.ok("checkpoint", "a,b", "--as", "seeded");
  await recorded(
    directory,
    /"event":"checkpoint","since":"[^"]+Z","name":"seeded","members":\["a","b"\],"paused_ms":\d/,
  );
  await box.killHolder("a");
  await box.ok("up", "a,b");
  await recorded(directory, /"adopted"/);
  const isPinged = () => /"adopted"[^]*"from":"a","to":"b"/.test(Deno.readTextFileSync(`${directory}/events.ndjson`));
  await until("a ping after that is recorded", () => {
    box.accident("a");
    return isPinged();
  });

  const told = await box.ok("trace", "events", "a", "--member", "b");
  assert.match(told.stdout, /^ +\d+\.\d{3} {2}a,b +fault-began {2}cut: a \| b \[[^]*fault-ended {2}cut: a \| b/m);
  assert.match(told.stderr, /^The recording has no end/);

  const file = join(box.root, "t.zip");
  Deno.writeTextFileSync(file, "mine");
  await box.fails(1, [/there is such a file already/, /--force/], "trace", "stop", "a", "-w", file);
  const link = join(box.root, "link.zip");
  Deno.symlinkSync(file, link);
  await box.fails(2, /it is a link, expected a file/, "trace", "stop", "a", "-w", link, "--force");
  await box.ok("trace", "stop", "a", "-w", file, "--force");
  assert.deepEqual(await traces(box), []);
  await box.fails(3, /^fleetbox: There is no trace of "a"/, "trace", "stop", "a");

  const { files, meta, events } = bundle(file);
  assert.deepEqual([meta.id, meta.version, meta.members.map(({ ip }) => ip)], [id, 1, ["10.88.0.11", B]]);
  assert.ok(meta.ended! > meta.started && meta.problem === undefined);
  const inOrder = [
    "holder began",
    "fault-began cut: a | b",
    "fault-ended cut: a | b",
    "checkpoint seeded",
    "holder orphaned",
    "holder adopted",
  ];
  assert.deepEqual(events.filter((event) => inOrder.includes(event)), inOrder);
  assert.ok(events.includes("state running a") && events.includes("state running b"), events.join("\n"));
  assert.match(new TextDecoder().decode(files["a.cast"]), /ping 10\.88\.0\.12: no answer/);
  const plan = JSON.parse(new TextDecoder().decode(files["plan.json"]));
  assert.deepEqual(plan.steps[0].fault, { kind: "partition", sets: [["a"], ["b"]] });
  const sections = files["net.pcapng"];
  const first = readPcapng(sections.slice(0, endOfSection(sections)), { isSnapped: true });
  assert.ok(first.packets.some(({ comments }) => comments.some((text) => /^dropped, to b: fault/.test(text))));
  await box.ok("rm", "--all", "--force");
});

test.source("what a killed recorder, and a group that has ended, leave is listed and packed", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  await box.ok("trace", "start", "a");
  const [{ directory }] = await traces(box);
  await recorded(directory, /"running"/);
  Deno.kill(JSON.parse(Deno.readTextFileSync(`${directory}/recorder.json`)).pid, "SIGKILL");
  await until("it is left", async () => (await traces(box))[0].state === "left");
  await box.ok("trace", "start", "a");
  const second = (await traces(box))[1];
  await recorded(second.directory, /"running"/);
  await box.fails(1, [/^fleetbox: Cannot remove a-\S+: it is being recorded/, /trace stop/], "trace", "rm", second.id);
  await box.ok("rm", "a", "--force");
  await until("its recorder has ended", async () => (await traces(box))[1].state === "ended");
  await box.fails(2, /^fleetbox: Which trace\? There are /, "trace", "stop", "-w", join(box.root, "t.zip"));
  for (const { id } of await traces(box)) {
    await box.ok("trace", "stop", id, "-w", join(box.root, `${id}.zip`));
    assert.ok(bundle(join(box.root, `${id}.zip`)).events.includes("state running a"));
  }
  assert.ok(bundle(join(box.root, `${second.id}.zip`)).events.includes("holder ended"));
  await box.up("a");
  await box.ok("trace", "start", "a");
  await box.ok("rm", "a", "--force");
  await until("the third has ended", async () => (await traces(box))[0].state === "ended");
  await box.ok("trace", "rm", "a");
  assert.deepEqual(await traces(box), []);
  await box.fails(3, /^fleetbox: There is no trace of "a"/, "trace", "rm", "a");
  await box.fails(3, [/^fleetbox: There is no group that runs/, /fleetbox up/], "trace", "start");
  await box.fails(3, /"a"/, "trace", "start", "a");
});

test.source(
  "a disk that becomes full ends the trace, which says so, and not the group",
  async () => {
    await using box = await sandbox({ fakeQemu: PINGS, storeKiB: 16 * 1024 });
    await box.up("a,b");
    await box.ok("trace", "start", "a");
    const [{ id, directory }] = await traces(box);
    await recorded(directory, /"state":"running"/);
    const ballast = join(box.home, "ballast");
    fillUp(ballast);
    await until("the recorder has ended", () => {
      box.accident("a"); // there is something to write, until the last blocks of its files are full, too
      return !box.processes("other").some(({ command }) => command.includes(" __record "));
    });
    assert.equal((await traces(box))[0].state, "ended");
    assert.equal(await box.states(), "a=running b=running");
    const file = join(box.root, "t.zip");
    const { stdout, stderr } = await box.ok("trace", "stop", id, "-w", file);
    assert.match(`${stdout}${stderr}`, /it ends early: the disk was full/);
    assert.match(bundle(file).meta.problem!, /^the disk was full: what came after this moment is not in it/);
    assert.ok(bundle(file).events.includes("state running a"));
    Deno.removeSync(ballast);
  },
  { ignore: !MAY_MOUNT },
);

test.source(
  "a trace for which there is no space does not begin, and leaves nothing",
  async () => {
    await using box = await sandbox({ fakeQemu: {}, storeKiB: 16 * 1024 });
    await box.up("a");
    const ballast = join(box.home, "ballast");
    for (const freeBytes of [0, 4096, 16_384]) {
      fillUp(ballast);
      Deno.truncateSync(ballast, Deno.statSync(ballast).size - freeBytes);
      await box.fails(1, /^fleetbox: Cannot write .*: no space left on the device/, "trace", "start", "a");
      assert.deepEqual([...Deno.readDirSync(box.store.tracesDir)].map(({ name }) => name), [".lock"]);
      Deno.removeSync(ballast);
    }
  },
  { ignore: !MAY_MOUNT },
);

/** Where the second section of a file begins, or its end. */
function endOfSection(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = view.getUint32(4, true); at < bytes.length; at += view.getUint32(at + 4, true)) {
    if (view.getUint32(at, true) === 0x0a0d0d0a) return at;
  }
  return bytes.length;
}

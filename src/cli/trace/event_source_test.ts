import * as assert from "#assert";
import { zipOf } from "../../../tests/viewer/bundle.ts";
import { openEvents } from "./event_source.ts";

const META = {
  format: "fleetbox-trace",
  version: 1,
  started: "2026-11-28T19:50:00.000Z",
  ended: "2026-11-28T19:51:00.000Z",
};
const at = (ms: number) => new Date(Date.parse(META.started) + ms).toISOString();
const line = (ms: number, text: string) => JSON.stringify({ at: at(ms), event: "mark", text }) + "\n";

type Texts = Record<string, string>;

const filesOf = (texts: Texts) =>
  new Map(Object.entries(texts).map(([name, text]): [string, Uint8Array] => [name, new TextEncoder().encode(text)]));

/** Writes a directory and a zip with the same files, and reads both. */
async function both(texts: Texts, check: (marks: string[], notices: string[]) => void): Promise<void> {
  await withTrace(texts, async (directory, zip) => {
    for (const path of [directory, zip]) check(...await marksOf(path));
  });
}

async function withTrace(texts: Texts, work: (directory: string, zip: string) => Promise<void>): Promise<void> {
  const directory = Deno.makeTempDirSync({ prefix: "fleetbox-test-" });
  try {
    const files = filesOf(texts);
    Deno.mkdirSync(`${directory}/trace`);
    for (const [name, content] of files) Deno.writeFileSync(`${directory}/trace/${name}`, content);
    Deno.writeFileSync(`${directory}/trace.zip`, zipOf(files));
    await work(`${directory}/trace`, `${directory}/trace.zip`);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

async function marksOf(path: string): Promise<[marks: string[], notices: string[]]> {
  const { batches, notices } = await openEvents(path);
  const all = (await Array.fromAsync(batches)).flat();
  return [all.map(({ event }) => event.text), notices];
}

Deno.test("a trace's events are read from its directory and from its zip, of all writers, in the order of their times", () =>
  both({
    "meta.json": JSON.stringify(META),
    "events.ndjson": line(0, "began") + line(3000, "late") + line(2900, "told late"),
    "events-4711.ndjson": line(1000, "of the test"),
    "a.cast": "no event",
  }, (marks, notices) => {
    assert.deepEqual([marks, notices], [["began", "of the test", "told late", "late"], []]);
  }));

Deno.test("what is damaged is left out and told; a last line that is half written is left out", () =>
  both({
    "events.ndjson": line(0, "one") + '{"at":"20\n[1]\n' + line(1, "two") + line(2, "three").slice(0, -5),
  }, (marks, notices) => {
    assert.deepEqual(marks, ["one", "two"]);
    assert.deepEqual(notices, ["meta.json is missing or damaged", "events.ndjson: 2 lines are damaged, and left out"]);
  }));

Deno.test("a last line without its end is read when it is whole, and an end that is missing is told", () =>
  both({
    "meta.json": JSON.stringify({ ...META, ended: undefined, problem: "the disk was full" }),
    "events.ndjson": line(0, "one") + line(1, "two").trimEnd(),
  }, (marks, notices) => {
    assert.deepEqual(marks, ["one", "two"]);
    assert.deepEqual(notices, [
      "The recording has no end: it was killed, or still runs",
      "The recording ends early: the disk was full",
    ]);
  }));

Deno.test("a zip that was cut off anywhere gives what is in it, in order, and says that it was cut off", async () => {
  const marks = Array.from({ length: 500 }, (_, index) => `mark ${index}, ${Math.sin(index)}`);
  const events = marks.map((text, index) => line(index, text)).join("");
  await withTrace({ "meta.json": JSON.stringify(META), "events.ndjson": events }, async (_directory, zip) => {
    const whole = Deno.readFileSync(zip);
    let most = 0;
    for (let length = 300; length < whole.length; length += 997) {
      Deno.writeFileSync(zip, whole.subarray(0, length));
      const [read, notices] = await marksOf(zip);
      assert.deepEqual(read, marks.slice(0, read.length));
      assert.equal(notices[0], "The zip was cut off: what is in it is shown");
      assert.ok(read.length >= most);
      most = read.length;
    }
    assert.ok(most > 400, `${most}`);
  });
});

Deno.test("what is no trace, or one of another version, is refused with what to do", async () => {
  const meta = (change: object) => JSON.stringify({ ...META, ...change });
  const cases: [Texts, code: string, message: RegExp][] = [
    [{ "readme.txt": "" }, "damaged", /it has neither meta.json nor events, expected a trace/],
    [{ "meta.json": meta({ format: "other" }) }, "damaged", /is of the format "other"/],
    [{ "meta.json": meta({ version: 2 }) }, "conflict", /its version is 2, expected 1/],
  ];
  for (const [texts, code, message] of cases) {
    await withTrace(texts, async (...paths) => {
      for (const path of paths) {
        await assert.rejects(() => openEvents(path), (thrown: Error & { code?: string; hint?: string }) => {
          assert.match(thrown.message, message);
          assert.equal(thrown.code, code);
          return assert.ok(thrown.hint), true;
        });
      }
    });
  }
});

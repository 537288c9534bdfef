import * as assert from "#assert";
import { Appender } from "./append_file.ts";
import { CastFile } from "./cast_file.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

function withCast(work: (cast: CastFile, directory: string, cuts: string[]) => void, limit?: number): void {
  const directory = Deno.makeTempDirSync({ prefix: "fleetbox-test-" });
  const cuts: string[] = [];
  try {
    using files = new Appender(directory);
    work(new CastFile(files, "a", (file) => cuts.push(file), limit), directory, cuts);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

/** The lines of a file: its header, and the texts. */
function read(path: string): { header: { version: number; timestamp: number }; lines: [number, string, string][] } {
  const [header, ...lines] = Deno.readTextFileSync(path).trim().split("\n").map((line) => JSON.parse(line));
  return { header, lines };
}

Deno.test("a console is asciicast: a header with the time, then what was said and when; states are markers", () =>
  withCast((cast, directory) => {
    const before = Date.now();
    cast.output(bytes("caf"));
    cast.output(Uint8Array.of(0xc3)); // half of é
    cast.marker("running");
    cast.output(Uint8Array.of(0xa9));
    const { header, lines } = read(`${directory}/a.cast`);
    assert.equal(header.version, 3);
    assert.ok(Math.abs(header.timestamp * 1_000 - before) <= 1_000 + 1_000);
    assert.deepEqual(lines.map(([, code, text]) => [code, text]), [["o", "caf"], ["m", "running"], ["o", "é"]]);
    assert.ok(lines.every(([seconds]) => seconds >= 0));
  }));

Deno.test("what a console repeats, when it is attached to again, is recorded once", () =>
  withCast((cast, directory) => {
    const said = () => read(`${directory}/a.cast`).lines.map(([, , text]) => text).join("");
    cast.replay(bytes("one\ntwo\n"));
    cast.output(bytes("three\n"));
    cast.replay(bytes("two\nthree\nfour\n"));
    assert.equal(said(), "one\ntwo\nthree\nfour\n");
    cast.replay(bytes("after a restart\n"));
    assert.equal(said(), "one\ntwo\nthree\nfour\nafter a restart\n");
  }));

Deno.test("a console without an end keeps its last two files, and tells what it lets go of", () =>
  withCast((cast, directory, cuts) => {
    for (let line = 0; line < 100; line++) cast.output(bytes(`line ${line}\n`));
    const names = [...Deno.readDirSync(directory)].map(({ name }) => name).sort();
    assert.deepEqual(names, ["a.1.cast", "a.cast"]);
    const all = ["a.1.cast", "a.cast"].flatMap((name) => read(`${directory}/${name}`).lines).map(([, , text]) => text);
    assert.equal(all.at(-1), "line 99\n");
    const first = Number(/\d+/.exec(all[0])![0]);
    assert.deepEqual(all, Array.from({ length: 100 - first }, (_, index) => `line ${first + index}\n`));
    assert.ok(first > 0 && cuts.length > 0 && cuts.every((file) => file === "a.cast"));
  }, 500));

import * as assert from "#assert";
import { MemoryFiles } from "../../control/recording/memory_files.ts";
import { Feed, type Message, messageOf, pastOf } from "./stream.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

type Reader = ReadableStreamDefaultReader<Uint8Array>;

/** The next lines. */
async function some(reader: Reader): Promise<Message[]> {
  const { value } = await reader.read();
  return new TextDecoder().decode(value).trim().split("\n").flatMap((line) => line === "" ? [] : [JSON.parse(line)]);
}

async function next(reader: Reader): Promise<Message | undefined> {
  const lines = await some(reader);
  assert.ok(lines.length <= 1, JSON.stringify(lines));
  return lines[0];
}

Deno.test("a page is told what was before in few messages, then what comes while it reads that, then the end", async () => {
  const files = new MemoryFiles((change) => feed.tell(() => messageOf(change)));
  const feed = new Feed(function* () {
    yield* pastOf(files.all());
    yield { ready: true };
  });
  await files.writeMeta("{}");
  for (const text of ["é", "n", "d"]) files.append("a.cast", bytes(text));
  files.append("net-0001.pcapng", Uint8Array.of(1, 2, 255));
  const reader = feed.open().getReader();
  const told = [await next(reader)];
  files.append("a.cast", bytes("!"));
  files.rename("a.cast", "a.1.cast");
  files.remove("net-0001.pcapng");
  for (let count = 0; count < 3; count++) told.push(await next(reader));
  told.push(...await some(reader));
  assert.deepEqual(told, [
    { file: "meta.json", text: "{}", whole: true },
    { file: "a.cast", text: "énd" },
    { file: "net-0001.pcapng", base64: "AQL/" },
    { ready: true },
    { file: "a.cast", text: "!" },
    { file: "a.cast", becomes: "a.1.cast" },
    { file: "net-0001.pcapng", gone: true },
  ]);
  const last = next(reader); // it waits
  feed.end("over");
  assert.deepEqual([await last, await next(reader)], [{ end: "over" }, undefined]);
  const late = feed.open().getReader();
  const all: (Message | undefined)[] = [];
  do all.push(await next(late)); while (all.at(-1));
  assert.deepEqual(all.slice(-3), [{ ready: true }, { end: "over" }, undefined]);
});

Deno.test("a page that does not read is cut off, without its end; others go on", async () => {
  const feed = new Feed(() => [], 1_000);
  const [slow, quick] = [feed.open().getReader(), feed.open().getReader()];
  for (let count = 0; count < 100; count++) {
    feed.tell(() => ({ now: String(count) }));
    assert.deepEqual(await next(quick), { now: String(count) });
  }
  assert.equal(await next(slow), undefined);
  await quick.cancel();
  feed.tell(() => {
    throw new Error("there is no page");
  });
});

import * as assert from "#assert";
import { join } from "../system/path.ts";
import { followFile } from "./follow.ts";

const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

async function inDirectory(work: (path: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    await work(join(directory, "serial.log"));
  } finally {
    await Deno.remove(directory, { recursive: true }).catch(() => {});
  }
}

async function read(path: string, lines?: number): Promise<string> {
  let text = "";
  for await (const bytes of followFile(path, { lines })) text += decode(bytes);
  return text;
}

/** Follows a file; `until` resolves when the text so far matches. */
function following(path: string, lines?: number) {
  const over = new AbortController();
  let text = "";
  let told = () => {};
  const done = (async () => {
    for await (const bytes of followFile(path, { lines, follow: true, signal: over.signal })) {
      text += decode(bytes);
      told();
    }
  })();
  return {
    async until(pattern: RegExp): Promise<void> {
      while (!pattern.test(text)) await new Promise<void>((more) => told = more);
    },
    async end(): Promise<string> {
      over.abort();
      await done;
      return text;
    },
    done,
  };
}

Deno.test("a file is read whole, or from its last lines on", () =>
  inDirectory(async (path) => {
    assert.equal(await read(path), ""); // not there yet
    await Deno.writeTextFile(path, "one\ntwo\nthree\n");
    assert.equal(await read(path), "one\ntwo\nthree\n");
    assert.equal(await read(path, 0), "");
    assert.equal(await read(path, 1), "three\n");
    assert.equal(await read(path, 2), "two\nthree\n");
    assert.equal(await read(path, 99), "one\ntwo\nthree\n");
    await Deno.writeTextFile(path, "four", { append: true });
    assert.equal(await read(path, 1), "four");
    assert.equal(await read(path, 2), "three\nfour");
  }));

Deno.test("the last lines are found in a file that is larger than a piece", () =>
  inDirectory(async (path) => {
    const lines = Array.from({ length: 20_000 }, (_, index) => `line ${index}`);
    await Deno.writeTextFile(path, lines.join("\n") + "\n");
    assert.equal(await read(path, 15_000), lines.slice(-15_000).join("\n") + "\n");
  }));

Deno.test("following prints what is appended, also after a truncation and a replacement", () =>
  inDirectory(async (path) => {
    await Deno.writeTextFile(path, "old\nlast\n");
    const log = following(path, 1);
    await log.until(/last\n$/);
    await Deno.writeTextFile(path, "more\n", { append: true });
    await log.until(/more\n$/);
    await Deno.writeTextFile(path, "x\n"); // truncated: shorter than what was read
    await log.until(/x\n$/);
    await Deno.writeTextFile(`${path}.new`, "a new file, longer than the old one\n");
    await Deno.rename(`${path}.new`, path);
    await log.until(/longer than the old one\n$/);
    assert.equal(await log.end(), "last\nmore\nx\na new file, longer than the old one\n");
  }));

Deno.test("following waits for a file that is not there yet", () =>
  inDirectory(async (path) => {
    const log = following(path); // it has looked for the file, and watches the directory, when this returns
    await Deno.writeTextFile(path, "first\n");
    await log.until(/first/);
    assert.equal(await log.end(), "first\n");
  }));

Deno.test("following ends when the file's directory is removed", () =>
  inDirectory(async (path) => {
    await Deno.writeTextFile(path, "text\n");
    const log = following(path);
    await log.until(/text/);
    await Deno.remove(join(path, ".."), { recursive: true });
    await log.done;
  }));

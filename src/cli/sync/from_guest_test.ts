/** What a guest lists and sends is not believed. */

import * as assert from "#assert";
import type { FleetboxError } from "../../core/errors.ts";
import { joined } from "../../core/bytes.ts";
import { excludesOf } from "./excludes.ts";
import { treeOf } from "./from_guest.ts";
import { parseGuestTree } from "./guest_tree.ts";
import { padding, tarEnd, tarHeader } from "./tar.ts";
import { ByteReader, untar } from "./untar.ts";

/** A guest's list: `PATH` or `PATH>TARGET`, a directory ends with a slash. */
function listed(...paths: string[]) {
  const fields = paths.map((word) => {
    const [path, target] = word.split(">");
    const mode = path.endsWith("/") ? "41ed" : target === undefined ? "81a4" : "a1ff";
    const name = path.replace(/(?<=[^/])\/$/, "");
    return `T ${mode} 1 5 ./${name}T./${name}${target === undefined ? "" : ` -> ${target}`}\n`;
  });
  return treeOf(parseGuestTree(fields.join(""), "T"), excludesOf(["*.o"])).tree;
}

Deno.test("sync: what a guest lists is below the directory, and in directories that it lists", () => {
  const { entries, problems, skipped } = listed("d/", "d/f", "l>/etc", "x.o", "\xff");
  assert.deepEqual([...entries.keys()], ["d", "d/f", "l"]);
  assert.equal(entries.get("l")!.target, "/etc");
  assert.deepEqual([problems, skipped], [[{ path: "\xff", why: "its name is not UTF-8" }], []]);
  for (
    const bad of [["../f"], ["d/", "d/../../f"], ["d/f"], ["l>/etc", "l/f"], ["f", "f/x"], ["d/", "d//x"], [
      "d/",
      "d/./x",
    ]]
  ) {
    assert.throws(() => listed(...bad), ({ code }: FleetboxError) => code === "protocol", bad.join(" "));
  }
});

/** The entries of a stream that comes in pieces of a size. */
async function entriesOf(bytes: Uint8Array, size: number) {
  const pieces = function* () {
    for (let at = 0; at < bytes.length; at += size) yield bytes.slice(at, at + size);
  }();
  const source = { next: () => Promise.resolve(pieces.next() as IteratorResult<Uint8Array>) };
  const reader = new ByteReader(source);
  const found: string[] = [];
  for await (const { name, kind, size, target, content } of untar(reader, "MARK")) {
    // Every second content is left to the reader itself.
    const text = found.length % 2 === 0 ? new TextDecoder().decode(joined(await Array.fromAsync(content))) : "";
    found.push(`${kind} ${name}${target && ` > ${target}`} ${size} ${text}`.trim());
  }
  return [...found, await reader.rest()];
}

Deno.test("sync: archives of a guest are read to the mark, in pieces of any size, with long names; a torn one is an error", async () => {
  const file = (name: string, text: string) => [
    tarHeader({ name, kind: "file", mode: 0o644, size: text.length, mtime: 5 }),
    new TextEncoder().encode(text),
    padding(text.length),
  ];
  const long = "n".repeat(300);
  const archives = joined([
    ...file("./a", "one"),
    ...file(`./${long}`, "x".repeat(2_000)),
    tarHeader({ name: "./l", kind: "link", mode: 0o777, size: 0, mtime: 5, target: long }),
    tarEnd(),
    ...file("./b", "two"),
    tarEnd(),
    new TextEncoder().encode("MARKrest"),
  ]);
  const expected = ["file ./a 3 one", `file ./${long} 2000`, `link ./l > ${long} 0`, "file ./b 3", "rest"];
  for (const size of [1, 7, 512, 100_000]) assert.deepEqual(await entriesOf(archives, size), expected);
  const torn = ({ code }: FleetboxError) => code === "protocol";
  await assert.rejects(entriesOf(archives.subarray(0, 3_000), 512), torn);
  await assert.rejects(entriesOf(archives.subarray(0, 600), 512), torn);
  const noise = archives.slice();
  noise[3] ^= 1;
  await assert.rejects(entriesOf(noise, 512), torn);
});

/** What a sync sends, makes and removes, as a table. */

import * as assert from "#assert";
import { excludesOf } from "./excludes.ts";
import type { GuestEntry } from "./guest_tree.ts";
import type { HostEntry } from "./host_tree.ts";
import { planSync } from "./plan.ts";

/** `d NAME`, `f NAME SIZE@SECOND`, `l NAME>TARGET`, `o NAME`; a mode may follow. */
function read(text: string) {
  return text.split(", ").filter(Boolean).map((word) => {
    const [kind, name, facts = "", mode = kind === "d" ? "755" : "644"] = word.split(" ");
    const [size, second] = facts.split("@").map(Number);
    return { kind, name, size: size || 0, second: second || 0, target: facts, mode: parseInt(mode, 8) };
  });
}

const KINDS = { d: "directory", f: "file", l: "link", o: "other" } as const;

function planned(
  host: string,
  guest: string,
  options: { deleting?: boolean; exclude?: string; unknown?: string } = {},
) {
  const entries = new Map(
    read(host).map(({ kind, name, size, second, target, mode }) => {
      const entry = { kind: KINDS[kind as "d"], mode, size, mtimeMs: second * 1000 + 5, target };
      return [name, entry as HostEntry] as const;
    }),
  );
  const there = new Map(
    read(guest).map(({ kind, name, size, second, target, mode }) => {
      const shown = `./${name} -> ${target}`;
      return [name, { kind: KINDS[kind as "d"], mode, size, mtime: second, shown } as GuestEntry] as const;
    }),
  );
  const { send, make, clear, remove, modes, closed, problems } = planSync(
    { entries, problems: options.unknown ? [{ path: options.unknown, why: "it is secret" }] : [], skipped: [] },
    there,
    { excludes: excludesOf(options.exclude ? [options.exclude] : []), isDeleting: options.deleting ?? false },
  );
  return [
    ...[["send", send], ["make", make], ["clear", clear], ["remove", remove]] as const,
    ["mode", [...modes].map(([path, mode]) => `${path}=${mode.toString(8)}`)] as const,
    ["open", [...closed.keys()]] as const,
    ["problem", problems.map(({ path, why }) => `${path} ${why}`)] as const,
  ].flatMap(([what, paths]) => paths.length > 0 ? [`${what} ${paths.join(" ")}`] : []).join(", ");
}

const CASES: [host: string, guest: string, options: Parameters<typeof planned>[2], expected: string][] = [
  ["f a 1@5", "", {}, "send a"],
  ["f a 1@5", "f a 1@5", {}, ""],
  ["f a 1@5", "f a 1@6", {}, "send a"],
  ["f a 1@5", "f a 2@5", {}, "send a"],
  ["f a 1@5 755", "f a 1@5", {}, "mode a=755"],
  ["f a 1@5 755", "f a 2@5", {}, "send a"],
  ["l a >x", "l a >x", {}, ""],
  ["l a >x", "l a >y", {}, "send a"],
  ["d a, d a/b, f a/b/c 1@1", "", {}, "send a/b/c, make a a/b"],
  ["d a  555", "d a  555", {}, "open a"],
  ["d a  700", "", {}, "make a, mode a=700"],
  // Only --delete removes, and it removes what is below a directory with that.
  ["", "f a 1@1, d d, f d/x 1@1", {}, ""],
  ["", "f a 1@1, d d, f d/x 1@1", { deleting: true }, "remove a d"],
  ["d d", "d d, o d/socket, l d/out >/etc", { deleting: true }, "remove d/socket d/out"],
  // What is left out, or could not be looked at, stays; and so does the directory that it is in.
  ["", "d d, f d/x.o 1@1, f d/y 1@1", { deleting: true, exclude: "*.o" }, "remove d/y"],
  ["", "d d, f d/x 1@1", { deleting: true, exclude: "d" }, ""],
  ["d d", "d d, f d/x 1@1, f y 1@1", { deleting: true, unknown: "d" }, "remove y, problem d it is secret"],
  // Another kind is in its place. A link to a directory is not followed.
  ["d a, f a/x 1@1", "l a >/etc", {}, "send a/x, make a, clear a"],
  ["f a 1@1", "l a >/etc/passwd", {}, "send a, clear a"],
  ["d a", "f a 1@1", {}, "make a, clear a"],
  ["f a 1@1", "d a, f a/x 1@1", {}, "problem a a directory is in its place in the guest; --delete replaces it"],
  ["f a 1@1", "d a, f a/x 1@1", { deleting: true }, "send a, clear a"],
  [
    "f a 1@1",
    "d a, f a/x.o 1@1",
    { deleting: true, exclude: "*.o" },
    "problem a a directory is in its place in the guest, with files that are left out",
  ],
];

for (const [host, guest, options, expected] of CASES) {
  Deno.test(`sync: here "${host}", there "${guest}" ${JSON.stringify(options)}: ${expected || "nothing"}`, () => {
    assert.equal(planned(host, guest, options), expected);
  });
}

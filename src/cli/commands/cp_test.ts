import * as assert from "#assert";
import fc from "fast-check";
import { FleetboxError } from "../../core/errors.ts";
import { Store } from "../../store.ts";
import { checkPlaces } from "../arguments/places.ts";
import { parsePlace, scpArguments } from "./cp.ts";

Deno.test("cp: a word means a file of a member if a name and no slash is before its first colon", () => {
  const cases: [string, string | undefined, string][] = [
    ["a:", "a", ""],
    ["web-1:/etc/hosts", "web-1", "/etc/hosts"],
    ["a:b:c", "a", "b:c"],
    ["a:-x", "a", "-x"],
    ["a: x\ny", "a", " x\ny"],
    ["./a:b", undefined, "./a:b"],
    ["/a:b", undefined, "/a:b"],
    ["dir/a:b", undefined, "dir/a:b"],
    ["-x", undefined, "-x"],
    ["plain", undefined, "plain"],
  ];
  for (const [word, member, path] of cases) {
    const place = parsePlace(word);
    assert.deepEqual([place.member, place.path], [member, path], word);
  }
  for (const word of [":x", "A:x", "a_b:x", "-a:x", "a b:c", "C:\\x"]) {
    assert.throws(() => parsePlace(word), (thrown) => thrown instanceof FleetboxError && thrown.code === "misuse");
  }
});

Deno.test("cp: scp is given every path so that it can only be read as that path", () => {
  const store = Store.at("/tmp/s");
  const endpoints = new Map([["a", { host: "127.0.0.1", port: 2201, user: "fleetbox" }]]);
  const last = (path: string, member?: string) =>
    scpArguments(store, [{ path: "x" }, member === undefined ? { path } : { member, path }], endpoints).at(-1)!;
  assert.deepEqual(["-x", "a:b", "/abs", "./x", "../x", "~x"].map((path) => last(path)), [
    "./-x",
    "./a:b",
    "/abs",
    "./x",
    "../x",
    "./~x",
  ]);
  assert.equal(last("/etc/x y", "a"), "scp://fleetbox@127.0.0.1:2201//etc/x%20y");
  assert.equal(last("", "a"), "scp://fleetbox@127.0.0.1:2201/");
  fc.assert(fc.property(fc.string({ unit: "binary" }).map((text) => text.toWellFormed()), (path) => {
    const uri = last(path, "a");
    assert.match(uri, /^scp:\/\/fleetbox@127\.0\.0\.1:2201\/[A-Za-z0-9._~/%-]*$/);
    assert.equal(decodeURIComponent(uri.slice("scp://fleetbox@127.0.0.1:2201/".length)), path);
  }));
  const args = scpArguments(store, [{ path: "x" }, { member: "a", path: "" }], endpoints, { preserve: true });
  assert.ok(args.includes("-p") && args.includes("-r"));
  assert.equal(args.at(-3), "--");
});

Deno.test("cp: a missing source, or a target without a directory, is an error before a machine is asked", () => {
  const dir = Deno.makeTempDirSync();
  try {
    Deno.writeTextFileSync(`${dir}/file`, "");
    const refused = (...words: string[]) => {
      try {
        checkPlaces(words.map(parsePlace), (name) => name === "a");
      } catch (thrown) {
        if (thrown instanceof FleetboxError) return `${thrown.code}: ${thrown.message}`;
      }
      return undefined;
    };
    assert.equal(refused("nofile-here", "a:"), "not-found: There is no ./nofile-here");
    assert.equal(refused(`${dir}/x`, `${dir}/file`, "a:"), `not-found: There is no ${dir}/x`);
    assert.equal(refused("a:x", `${dir}/no/y`), `not-found: There is no directory ${dir}/no for x`);
    assert.equal(refused("a:x", `${dir}/no/`), `not-found: There is no directory ${dir}/no/ for x`);
    assert.equal(refused("a:x", "a:y", `${dir}/no`), `not-found: There is no directory ${dir}/no for 2 copies`);
    assert.equal(
      refused("a:x", "a:y", `${dir}/file`),
      `misuse: ${dir}/file is a file, expected a directory for 2 copies`,
    );
    for (const [word, names] of [["a", true], ["nofile", false]] as const) {
      const check = () => checkPlaces([{ path: word }, { member: "b", path: "" }], (name) => name === "a");
      assert.throws(check, ({ hint }: FleetboxError) => hint!.includes(`${word}:`) === names, word);
    }
    for (const words of [["a:x", `${dir}/new`], ["a:x", dir], [`${dir}/file`, "a:"], [dir, "a:"], ["a:x", "b:"]]) {
      assert.equal(refused(...words), undefined, words.join(" "));
    }
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
});

import assert from "node:assert/strict";
import fc from "fast-check";
import { FleetboxError } from "../../core/errors.ts";
import { Store } from "../../store.ts";
import { parsePlace, scpArguments } from "./cp.ts";

Deno.test("cp: a word is on a member when a name stands before its first colon, and no slash does", () => {
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

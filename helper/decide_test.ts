import * as assert from "#assert";
import { checkCatalog } from "./catalog.ts";
import { decide, type Facts } from "./decide.ts";

const entry = { url: "https://example.org/h", sha256: "0".repeat(64), bytes: 1 };
const NONE: Facts = {
  self: "/usr/bin/deno",
  isCompiled: false,
  isFleetbox: false,
  protocol: 1,
  target: "x86_64-unknown-linux-gnu",
  catalog: { version: "0.1.0", protocol: 1, helpers: {} },
};
const filled = { ...NONE.catalog, helpers: { [NONE.target]: entry } };
const source = { program: "/usr/bin/deno", args: ["run", "main.ts"] };
const fleetbox = { isCompiled: true, isFleetbox: true, self: "/opt/fleetbox" };
const users = { isCompiled: true, isFleetbox: false, self: "/opt/their-tests" };
const onPath = { onPath: "/bin/fleetbox" };
const spoke = (protocol?: number) => ({ asked: { program: "/bin/fleetbox", protocol } });

const TABLE: [what: string, facts: Partial<Facts>, expected: string][] = [
  [
    "FLEETBOX_HELPER comes before all",
    { named: { text: "h", program: "/x/h" }, ...fleetbox, ...onPath, source },
    "use /x/h",
  ],
  [
    "FLEETBOX_HELPER that is no program is refused, and nothing else is tried",
    { named: { text: "h" }, source },
    "refuse misuse",
  ],
  ["a compiled fleetbox spawns itself", { ...fleetbox, ...onPath, catalog: filled }, "use /opt/fleetbox"],
  ["from source, the same Deno with our main module", { source, ...onPath }, "use /usr/bin/deno run main.ts"],
  ["fleetbox from source is not the Deno that runs it", { isFleetbox: true, source }, "use /usr/bin/deno run main.ts"],
  ["a user's own compiled program is not spawned again", { ...users, ...onPath }, "ask /bin/fleetbox"],
  ["a compiled program has no source, whatever is found", { ...users, source, ...onPath }, "ask /bin/fleetbox"],
  ["PATH is asked before it is used", onPath, "ask /bin/fleetbox"],
  ["a fleetbox on PATH of our version", { ...users, ...onPath, ...spoke(1) }, "use /bin/fleetbox"],
  ["one of another version is passed over", { ...onPath, ...spoke(2), catalog: filled }, "download"],
  ["one that does not say is passed over", { ...onPath, ...spoke(), catalog: filled }, "download"],
  ["one of another version, and an empty catalogue", { ...onPath, ...spoke(2) }, "refuse unavailable"],
  ["nothing but the catalogue", { ...users, catalog: filled }, "download"],
  ["a catalogue without this platform", { catalog: filled, target: "riscv64-unknown-linux-gnu" }, "refuse unavailable"],
  ["a platform that is a property of every object", { catalog: filled, target: "toString" }, "refuse unavailable"],
  ["a catalogue of another protocol", { catalog: { ...filled, protocol: 2 } }, "refuse unavailable"],
  ["nothing at all", {}, "refuse unavailable"],
];

for (const [what, facts, expected] of TABLE) {
  Deno.test(`helper: ${what}`, () => {
    const decision = decide({ ...NONE, ...facts });
    const told = decision.step === "use"
      ? ["use", decision.executable.program, ...decision.executable.args]
      : decision.step === "ask"
      ? ["ask", decision.program]
      : decision.step === "refuse"
      ? ["refuse", decision.error.code]
      : [decision.step];
    assert.equal(told.join(" "), expected);
  });
}

Deno.test("helper: a refusal says what was found, what was expected and what to set", () => {
  const refusal = (facts: Partial<Facts>) => {
    const decision = decide({ ...NONE, ...facts });
    assert.ok(decision.step === "refuse");
    assert.match(decision.error.hint!, /FLEETBOX_HELPER|unset it/);
    return decision.error.message;
  };
  assert.match(refusal(users), /this program is not fleetbox; no fleetbox is on PATH; .* none to download for x86_64/);
  assert.match(refusal({ ...onPath, ...spoke(7) }), /\/bin\/fleetbox speaks version 7, expected 1/);
  assert.match(refusal({ ...onPath, ...spoke() }), /\/bin\/fleetbox says no protocol version, expected 1/);
  assert.match(refusal({ named: { text: "no such" } }), /FLEETBOX_HELPER is "no such", which is not a program/);
});

Deno.test("helper: a catalogue without a pin, a size, a URL or a version is refused", () => {
  const good = { version: "1.2.3", protocol: 1, helpers: { "aarch64-apple-darwin": entry } };
  assert.deepEqual(checkCatalog(good), good);
  const bad: [Record<string, unknown>, RegExp][] = [
    [{ ...entry, sha256: "abc" }, /not pinned by a SHA-256/],
    [{ ...entry, sha256: undefined }, /not pinned by a SHA-256/],
    [{ ...entry, bytes: 0 }, /has no size/],
    [{ ...entry, url: "file:///etc/passwd" }, /has no URL/],
  ];
  for (const [helper, words] of bad) {
    assert.throws(() => checkCatalog({ ...good, helpers: { "aarch64-apple-darwin": helper } }), words);
  }
  assert.throws(() => checkCatalog({ ...good, version: "../../x" }), /its version/);
  assert.throws(() => checkCatalog({ ...good, helpers: { "../x": entry } }), /is not a platform/);
});

import * as assert from "#assert";
import fc from "fast-check";
import { abilitiesFor, checkOptions, optionsOf, parseOptions, parseSizeMiB } from "./options.ts";
import { FleetboxError, toWireError, UnknownOption } from "./errors.ts";

const misuse = (thrown: unknown) => thrown instanceof FleetboxError && thrown.code === "misuse";

Deno.test("options: the protocol's own keys are used unchanged", () => {
  const json = '{"image":"micro","cpus":2,"mem":0.25,"disk":20,"fixtures":[{"host_path":"/a","guest_path":"/b"}]}';
  assert.deepEqual(parseOptions(json), JSON.parse(json));
  assert.deepEqual([parseOptions(undefined), parseOptions(""), parseOptions("{}")], [{}, {}, {}]);
});

Deno.test("options: wrong types, ranges, unknown keys and broken JSON are refused with what was found", () => {
  const bad = [
    "[]",
    "null",
    "7",
    "{",
    '{"cpus":0}',
    '{"cpus":1.5}',
    '{"cpus":"2"}',
    '{"mem":-1}',
    '{"mem":1e99}',
    '{"egress":"maybe"}',
    '{"fixtures":[{}]}',
    '{"image":""}',
    '{"nosuch":1}',
    '{"members":{}}',
    '{"members":[{"names":["a"]}]}',
    '{"members":[{"names":["A b"],"options":{}}]}',
    '{"members":[{"names":["a"],"options":{"nosuch":1}}]}',
    '{"members":[{"names":["a"],"options":{"members":[]}}]}',
    '{"needs":"a"}',
    '{"needs":[""]}',
    '{"__proto__x":1}',
  ];
  for (const json of bad) assert.throws(() => parseOptions(json), misuse, json);
  assert.throws(() => parseOptions('{"cpus":99999}'), /found 99999, expected a number from 1 to 64/);
});

Deno.test("options: a member has its own ones in place of its group's; those of others are not its", () => {
  const members = [{ names: ["a", "b"], options: { cpus: 2, needs: ["c"] } }, { names: ["b"], options: { mem: 1 } }];
  const all = checkOptions({ cpus: 1, image: "micro", members });
  assert.deepEqual(optionsOf(all, "a"), { cpus: 2, image: "micro", needs: ["c"] });
  assert.deepEqual(optionsOf(all, "b"), { cpus: 2, image: "micro", needs: ["c"], mem: 1 });
  assert.deepEqual(optionsOf(all, "c"), { cpus: 1, image: "micro" });
});

Deno.test("options: any JSON either is options or is refused as misuse", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      try {
        checkOptions(value);
      } catch (thrown) {
        assert.ok(misuse(thrown), String(thrown));
      }
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("options: sizes are read as people write them", () => {
  const sizes = { "512": 512, "512M": 512, "2G": 2048, "1.5G": 1536, "2GiB": 2048, "2gb": 2048, "1T": 1048576 };
  for (const [text, mib] of Object.entries(sizes)) assert.equal(parseSizeMiB(text, "--memory"), mib, text);
  for (const text of ["", "0", "-1", "2X", "G", "1e3", "0x10", "2 G B", "NaN", "9".repeat(400)]) {
    assert.throws(() => parseSizeMiB(text, "--memory"), misuse, text);
  }
});

Deno.test("options: what an earlier version would know and not do must be said, and is refused by name where it cannot be done", () => {
  assert.deepEqual(abilitiesFor({ mem: 1, publish: [{ guest_port: 80 }] }, false), []);
  assert.deepEqual(abilitiesFor({ mem: 1, publish: [{ guest_port: 53, protocol: "udp" }] }, true), ["resize", "sides"]);
  assert.deepEqual(abilitiesFor({ egress: "off" }, true), []);
  checkOptions({ must: ["resize"] });
  for (const [given, name] of [[{ must: ["resize", "levitate"] }, "levitate"], [{ nosuch: 1 }, "nosuch"]] as const) {
    assert.throws(() => checkOptions(given), (thrown) => {
      return thrown instanceof UnknownOption && toWireError(thrown).unknown_option === name;
    });
  }
});

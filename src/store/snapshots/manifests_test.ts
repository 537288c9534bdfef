import * as assert from "#assert";
import {
  type CheckpointManifest,
  parseCheckpoint,
  parseTemplate,
  savedMember,
  type TemplateManifest,
} from "./manifests.ts";
import { configOf, id } from "./testing.ts";

const member = savedMember(configOf("a", { layers: [id(1)] }), 4096);
const made_at = "2026-01-01T00:00:00.000Z";
const TEMPLATE: TemplateManifest = { version: 1, key: id(7), made_at, parts: { cpus: "1" }, member };
const CHECKPOINT: CheckpointManifest = {
  version: 1,
  name: "base",
  made_at,
  group: "a",
  members: { a: member },
  host: "qemu 7.2",
  based_on: "first",
};

const template = (more: object) => parseTemplate(JSON.stringify({ ...TEMPLATE, ...more }), id(7));
const checkpoint = (more: object) => parseCheckpoint(JSON.stringify({ ...CHECKPOINT, ...more }), "base");
/** The same with another value in its member. */
const saved = (more: object) => ({ ...member, ...more });
const config = (more: object) => saved({ config: { ...member.config, ...more } });

Deno.test("manifests: what was written is read back", () => {
  assert.deepEqual(template({}), TEMPLATE);
  assert.deepEqual(checkpoint({}), CHECKPOINT);
  assert.equal(savedMember(configOf("a", { host_name: "web" }), 0).host_name, "web");
  assert.equal(savedMember(configOf("a"), 0).host_name, "a");
});

Deno.test("manifests: every value is checked, also of the member's config", () => {
  const refused: [() => unknown, RegExp][] = [
    [() => template({ version: 2 }), /its "version" is 2, expected 1/],
    [() => template({ key: id(8) }), /its "key" is "0+8", expected "0+7"/],
    [() => template({ made_at: "yesterday" }), /its "made_at" is "yesterday", expected a time/],
    [() => template({ parts: { cpus: 1 } }), /its "parts" is .*, expected texts by their names/],
    [() => template({ parts: [] }), /its "parts"/],
    [() => template({ member: undefined }), /its "member" is missing/],
    [() => template({ member: [] }), /its "member"/],
    [() => template({ member: {} }), /it has no name/],
    [() => template({ member: config({ name: "../a" }) }), /it has no name/],
    [() => template({ member: config({ cpus: "2" }) }), /its member "a": its "cpus" is "2", expected a whole number/],
    [() => template({ member: config({ layers: ["../../../a"] }) }), /its member "a": its "layers"/],
    [() => template({ member: config({ layers: [] }) }), /its member "a": it has no layers/],
    [() => template({ member: config({ disk_file: "../x" }) }), /its member "a": its "disk_file"/],
    [
      () => template({ member: saved({ host_name: "-oX" }) }),
      /its member "a": its "host_name" is "-oX", expected a name/,
    ],
    [() => template({ member: saved({ ip: "::1" }) }), /its "ip"/],
    [() => template({ member: saved({ mac: "x" }) }), /its "mac"/],
    [() => template({ member: saved({ bytes: -1 }) }), /its "bytes" is -1, expected a number of bytes/],
    [() => parseTemplate("null", id(7)), /it is not a JSON object/],
    [() => parseTemplate('{"version":1', id(7)), /JSON/],
    [() => checkpoint({ name: "other" }), /its "name" is "other", expected "base"/],
    [() => checkpoint({ group: "A" }), /its "group"/],
    [() => checkpoint({ host: 1 }), /its "host"/],
    [() => checkpoint({ based_on: ".." }), /its "based_on"/],
    [() => checkpoint({ members: {} }), /its "members" is {}, expected saved members by their names/],
    [() => checkpoint({ members: { b: member } }), /its member "b": it belongs to "a"/],
    [() => checkpoint({ members: { "../a": member } }), /its member "..\/a": it has no name/],
    [() => checkpoint({ members: { a: null } }), /its member "a": it is not a JSON object/],
    [() => parseCheckpoint(JSON.stringify(TEMPLATE), "base"), /its "name" is missing/],
    // A key that every object has is no member.
    [() => parseCheckpoint(JSON.stringify(CHECKPOINT).replace('"a":', '"__proto__":'), "base"), /it has no name/],
  ];
  for (const [parse, words] of refused) assert.throws(parse, words);
});

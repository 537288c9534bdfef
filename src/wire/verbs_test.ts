import * as assert from "#assert";
import { fileURLToPath } from "node:url";
import { decodeRequest } from "./requests.ts";
import { VERBS } from "./verbs.ts";

const PAGE = fileURLToPath(new URL("../../docs/protocol.md", import.meta.url));
const TABLE = /\| request \| replies \|\n\| --- \| --- \|\n(?:\|.*\n)*/;

Deno.test("verbs: the protocol's page has the table of verbs (FLEETBOX_UPDATE_SNAPSHOTS=1 writes it anew)", () => {
  const rows = Object.values(VERBS).map(({ example, replies }) => `| \`${example}\` | ${replies} |\n`);
  const table = `| request | replies |\n| --- | --- |\n${rows.join("")}`;
  const page = Deno.readTextFileSync(PAGE);
  if (Deno.env.get("FLEETBOX_UPDATE_SNAPSHOTS")) {
    return Deno.writeTextFileSync(PAGE, page.replace(TABLE, () => table));
  }
  assert.equal(TABLE.exec(page)?.[0], table);
});

Deno.test("verbs: each one's example is a request of its own, and its fields are checked", () => {
  for (const [op, { example, fields }] of Object.entries(VERBS)) {
    const decoded = decodeRequest(example);
    assert.deepEqual(decoded, { kind: "json", request: JSON.parse(example) }, example);
    assert.equal(JSON.parse(example).op, op);
    for (const [name, { type, isRequired }] of Object.entries(fields)) {
      const valid = JSON.parse(example);
      const wrong = decodeRequest(JSON.stringify({ ...valid, [name]: type === "string" ? 7 : "seven" }));
      assert.deepEqual(wrong, { kind: "bad-json", reason: `bad value for ${name}: expected ${type}` });
      delete valid[name];
      const without = decodeRequest(JSON.stringify(valid));
      assert.equal(without.kind, isRequired ? "bad-json" : "json", `${op} without ${name}`);
    }
    assert.equal(
      decodeRequest(JSON.stringify({ ...JSON.parse(example), newer: 1 })).kind,
      "json",
      "a newer client's key",
    );
  }
});

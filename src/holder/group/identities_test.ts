import * as assert from "#assert";
import { MAX_MEMBERS } from "../../core/names.ts";
import { Store } from "../../store.ts";
import { Identities } from "./identities.ts";
import { GroupUses } from "./uses.ts";

Deno.test("a group of as many members as there may be looks at each one's files a few times when it begins", () => {
  const root = Deno.makeTempDirSync();
  try {
    const store = Store.at(root);
    let reads = 0;
    const { readMember } = store;
    store.readMember = (name) => (reads++, readMember.call(store, name));
    const names = Array.from({ length: MAX_MEMBERS }, (_, index) => `node-${index + 1}`);
    const belongs = new Set(names);
    const identities = new Identities(store);
    const uses = new GroupUses(store, belongs, undefined, () => undefined);
    const ips = names.map((name) => identities.assign(name, belongs, {}).ip);
    for (const name of names) uses.decide(name, {});
    assert.equal(new Set(ips).size, MAX_MEMBERS);
    assert.ok(reads <= 3 * MAX_MEMBERS, `${reads} reads`);
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
});

import * as assert from "#assert";
import { isName } from "../../core/names.ts";
import type { Store } from "../../store.ts";
import { madeUpName } from "./made_up_names.ts";

const storeOf = (...names: string[]) => ({ members: () => names.map((name) => ({ name })) }) as unknown as Store;

Deno.test("a made-up name is a name, and no member's, nor that of numbered ones", () => {
  for (let tries = 0; tries < 200; tries++) assert.ok(isName(madeUpName(storeOf())));
  const [first, second] = [madeUpName(storeOf(), () => 0), madeUpName(storeOf(), () => 0.999)];
  assert.notEqual(first, second);
  const turns = [0, 0, 0.999, 0.999];
  assert.equal(madeUpName(storeOf(`${first}-1`, `${first}-2`), () => turns.shift()!), second);
  assert.equal(madeUpName(storeOf(first, "vm-1"), () => 0), "vm-2");
});

import * as assert from "#assert";
import { FleetboxError } from "./errors.ts";
import { changedLabels, hasLabels, labelsText, parseLabels, parseLabelWish } from "./labels.ts";

Deno.test("labels: KEY=VALUE; the last one counts; a value may have anything but controls", () => {
  assert.deepEqual(parseLabels(["tier=db", "a.b/c-d=x=y z", "tier=web", "gone="], "--label"), {
    tier: "web",
    "a.b/c-d": "x=y z",
    gone: "",
  });
  for (const text of ["", "=x", "tier", "a b=c", "-x=y", "k=a\nb", `k=${"v".repeat(256)}`, "__proto__=x"]) {
    const misuse = (thrown: unknown) => thrown instanceof FleetboxError && thrown.code === "misuse";
    assert.throws(() => parseLabels([text], "--label"), misuse, text);
  }
});

Deno.test("labels: a change adds, replaces, and takes away with an empty value", () => {
  assert.deepEqual(changedLabels({ a: "1", b: "2" }, { b: "", c: "3" }), { a: "1", c: "3" });
  assert.equal(changedLabels({ a: "1" }, { a: "" }), undefined);
  assert.equal(changedLabels(undefined, undefined), undefined);
  assert.equal(labelsText(changedLabels({ z: "1" }, { a: "2" })), "a=2 z=1");
});

Deno.test("labels: a member is found by a key, by a key with its value, and by all that are asked for", () => {
  const has = { tier: "db", env: "test" };
  const asked = (...texts: string[]) => hasLabels(has, texts.map((text) => parseLabelWish(text, "--label")));
  assert.deepEqual([asked(), asked("tier"), asked("tier=db"), asked("tier", "env=test")], [true, true, true, true]);
  assert.deepEqual([asked("tier=web"), asked("tier", "other"), asked("toString")], [false, false, false]);
  assert.equal(hasLabels(undefined, [{ key: "tier" }]), false);
});

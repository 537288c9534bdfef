import * as assert from "#assert";
import {
  causesOf,
  codeOf,
  FleetboxError,
  fromWireError,
  hintOf,
  isNoSpace,
  toWireError,
  type WireError,
} from "./errors.ts";

Deno.test("errors: a chain crosses the wire and is a chain again", () => {
  const inner = new FleetboxError("no-space", "disk full", { hint: "make room", cause: new Error("ENOSPC") });
  const outer = new FleetboxError("failed", "cannot boot a", { cause: inner });
  const wire: WireError = JSON.parse(JSON.stringify(toWireError(outer)));
  assert.deepEqual(wire, {
    code: "no-space",
    message: "cannot boot a",
    causes: ["disk full", "ENOSPC"],
    hint: "make room",
  });
  const back = fromWireError(wire);
  assert.deepEqual([back.code, back.message, causesOf(back), hintOf(back)], [
    "no-space",
    "cannot boot a",
    ["disk full", "ENOSPC"],
    "make room",
  ]);
});

Deno.test("errors: an unknown code from the other side becomes a plain failure", () => {
  assert.equal(fromWireError({ code: "nonsense" as "failed", message: "x", causes: [] }).code, "failed");
  assert.equal(fromWireError({ code: "constructor" as "failed", message: "x", causes: [] }).code, "failed");
});

Deno.test("errors: a chain that bites its own tail still ends", () => {
  const one = new Error("one"), two = new Error("two", { cause: one });
  one.cause = two;
  assert.deepEqual(causesOf(two), ["one", "two"]);
});

Deno.test("errors: the kind is found below a plain failure", () => {
  assert.equal(codeOf(new FleetboxError("failed", "x", { cause: new Deno.errors.PermissionDenied("y") })), "denied");
  assert.equal(codeOf("text"), "failed");
  assert.ok(isNoSpace(new Error("x", { cause: new Error("No space left on device (os error 28)") })));
});

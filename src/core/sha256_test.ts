import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { sha256 } from "./sha256.ts";

Deno.test("sha256() is the digest that others compute, across every length of padding", () => {
  for (let length = 0; length < 200; length++) {
    const text = "é".repeat(length % 3) + "a".repeat(length);
    assert.equal(sha256(text).toHex(), createHash("sha256").update(text).digest("hex"), `${length} letters`);
  }
});

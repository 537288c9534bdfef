import * as assert from "#assert";
import { createHash } from "node:crypto";
import { sha256 } from "./sha256.ts";

Deno.test("sha256() is the digest that others compute, across every length of padding", () => {
  for (let length = 0; length < 200; length++) {
    const text = "é".repeat(length % 3) + "a".repeat(length);
    assert.equal(sha256(text).toHex(), createHash("sha256").update(text).digest("hex"), `${length} letters`);
  }
});

Deno.test("sha256() does not depend on functions that the language leaves approximate", async () => {
  const { cbrt, sqrt } = Math;
  Math.cbrt = (x) => cbrt(x) * (1 + 2 ** -33);
  Math.sqrt = (x) => sqrt(x) * (1 + 2 ** -33);
  try {
    const again: typeof import("./sha256.ts") = await import(`./sha256.ts?${crypto.randomUUID()}`);
    assert.equal(again.sha256("a").toHex(), createHash("sha256").update("a").digest("hex"));
  } finally {
    Object.assign(Math, { cbrt, sqrt });
  }
});

import * as assert from "#assert";
import { printable } from "./printable.ts";

Deno.test("printable: escape sequences are removed, and a line that ends with more than one carriage return is one line", () => {
  assert.equal(printable("\x1b[1;32mok\x1b[0m\r\r\nnext\r\n\x07last"), "ok\nnext\nlast");
});

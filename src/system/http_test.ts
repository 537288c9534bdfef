import * as assert from "#assert";
import { nextAddress } from "./http.ts";

Deno.test("a redirect leads to HTTP, and from HTTPS never to less", () => {
  const refused = (why: string) => new Error(why);
  const next = (location: string | null, from: string) => nextAddress(location, from, refused);
  assert.equal(next("/b?c", "http://host/a"), "http://host/b?c");
  assert.equal(next("//other/b", "https://host/a"), "https://other/b");
  assert.equal(next("https://other/b", "http://host/a"), "https://other/b");
  assert.throws(() => next("http://other/b", "https://host/a"), /redirects to http:\/\/other\/b, expected https$/);
  assert.throws(() => next("file:///etc/passwd", "http://host/a"), /file:\/\/\/etc\/passwd, expected http or https/);
  assert.throws(() => next("https://", "http://host/a"), /redirects to "https:\/\/", expected an address/);
  assert.throws(() => next(null, "http://host/a"), /redirects to null, expected an address/);
});

import * as assert from "#assert";
import { type Asked, judge } from "./guard.ts";

const AT = { port: 4000, token: "secret" };
const GOOD: Asked = {
  method: "GET",
  path: "/stream",
  host: "127.0.0.1:4000",
  origin: null,
  site: null,
  authorization: "Bearer secret",
  isOtherUser: false,
};
const PAGE: Partial<Asked> = { path: "/", authorization: null };

const CASES: [what: string, asked: Partial<Asked>, to: string | number][] = [
  ["the page, from an address bar", { ...PAGE, site: "none" }, "page"],
  ["the page, without what browsers send", PAGE, "page"],
  ["the stream", { site: "same-origin" }, "stream"],
  ["by the other name", { host: "localhost:4000", origin: "http://localhost:4000" }, "stream"],
  ["a command", { method: "POST", path: "/run", origin: "http://127.0.0.1:4000", site: "same-origin" }, "run"],
  ["the end of a capture", { method: "POST", path: "/end" }, "end"],
  ["a console", { method: "POST", path: "/console/a-1" }, "console"],
  ["no host", { host: null }, 403],
  ["another host, also for the page", { ...PAGE, host: "evil.example" }, 403],
  ["another host, with this port", { host: "evil.example:4000" }, 403],
  ["another port", { host: "127.0.0.1:4001" }, 403],
  ["another origin", { origin: "http://evil.example" }, 403],
  ["no place, such as a file", { origin: "null" }, 403],
  ["this host with another scheme", { origin: "https://127.0.0.1:4000" }, 403],
  ["another server of this host", { origin: "http://127.0.0.1:8000" }, 403],
  ["the one name from the other", { origin: "http://localhost:4000" }, 403],
  ["another site, without an origin", { site: "cross-site" }, 403],
  ["another site, also for the page", { ...PAGE, site: "cross-site" }, 403],
  ["another server of this host, by site", { ...PAGE, site: "same-site" }, 403],
  ["another user, also for the page", { ...PAGE, isOtherUser: true }, 403],
  ["another user with the token", { isOtherUser: true }, 403],
  ["no token", { authorization: null }, 401],
  ["an empty token", { authorization: "Bearer " }, 401],
  ["a wrong token", { authorization: "Bearer secreT" }, 401],
  ["the beginning of the token", { authorization: "Bearer secre" }, 401],
  ["more than the token", { authorization: "Bearer secret1" }, 401],
  ["the token in another scheme", { authorization: "Basic secret" }, 401],
  ["an unknown path without a token", { path: "/etc", authorization: null }, 401],
  ["another method for the page, without a token", { ...PAGE, method: "POST" }, 401],
  ["an unknown path", { path: "/etc" }, 404],
  ["a path that every object has", { path: "constructor" }, 404],
  ["a console without a name", { method: "POST", path: "/console/" }, 404],
  ["a console that is no name", { method: "POST", path: "/console/..%2f" }, 404],
  ["another method", { method: "POST" }, 405],
  ["a command by GET", { path: "/run" }, 405],
  ["a console by PUT", { method: "PUT", path: "/console/a" }, 405],
];

for (const [what, asked, to] of CASES) {
  Deno.test(`the view's server, asked for ${what}: ${to}`, () => {
    const verdict = judge({ ...GOOD, ...asked }, AT);
    assert.equal("to" in verdict ? verdict.to : verdict.status, to);
    if ("name" in verdict) assert.equal(verdict.name, "a-1");
    if ("why" in verdict) assert.equal(verdict.why.includes("secret"), false);
  });
}

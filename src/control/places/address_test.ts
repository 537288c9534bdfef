/** Which addresses a place can have: nothing in them is an option or a line of a shell. */

import * as assert from "#assert";
import { parseAddress } from "./address.ts";

Deno.test("an address of a place is ssh://[user@]host[:port]", () => {
  assert.deepEqual(parseAddress("ssh://big"), { scheme: "ssh", options: [], host: "big" });
  assert.deepEqual(parseAddress("ssh://me@big.example:2222"), {
    scheme: "ssh",
    options: ["-l", "me", "-p", "2222"],
    host: "big.example",
  });
  assert.deepEqual(parseAddress("ssh://[fe80::1]:22/"), { scheme: "ssh", options: ["-p", "22"], host: "fe80::1" });
  for (
    const bad of [
      ...[
        "",
        "big",
        "http://big",
        "ssh://",
        "ssh://-oProxyCommand=x",
        "ssh://-l@big",
        "ssh://big:0",
        "ssh://big:99999",
      ],
      ...["ssh://big/path", "ssh://a b", "ssh://big;id", "ssh://$(id)", "ssh://big:x", "ssh://me@"],
    ]
  ) {
    assert.throws(() => parseAddress(bad), /Not a place's address.*ssh:\/\/\[user@\]host\[:port\]/, bad);
  }
  assert.deepEqual(parseAddress("slurm://me@login"), { scheme: "slurm", options: ["-l", "me"], host: "login" });
  assert.deepEqual(parseAddress("slurm://"), { scheme: "slurm", options: [] });
});

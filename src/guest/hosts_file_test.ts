import * as assert from "#assert";
import { renameHost } from "./hosts_file.ts";

Deno.test("hosts file: the old host name is replaced where it is a whole name, or the first label of one", () => {
  const cases: [before: string, after: string][] = [
    ["10.88.0.11 a.fleetbox.internal a # fleetbox\n", "10.88.0.11 web.fleetbox.internal web # fleetbox\n"],
    ["127.0.1.1\ta\tA  # the name a", "127.0.1.1\tweb\tweb  # the name a"],
    ["10.0.0.1 ab a-b b-a b.a x.a.y", "10.0.0.1 ab a-b b-a b.a x.a.y"],
    ["# 10.0.0.1 a", "# 10.0.0.1 a"],
    ["10.0.0.1 b#a a", "10.0.0.1 b#a a"],
    ["\r\n\n  10.0.0.1 a\r\n", "\r\n\n  10.0.0.1 web\r\n"],
    ["a", "a"], // no address before it
    ["fe80::a a", "fe80::a web"],
    ["", ""],
  ];
  for (const [before, after] of cases) assert.equal(renameHost(before, "a", "web"), after);
});

Deno.test("hosts file: a host name that is a word of other lines changes its own alone", () => {
  assert.equal(
    renameHost("10.88.0.11 fleetbox.fleetbox.internal fleetbox # fleetbox", "fleetbox", "a"),
    "10.88.0.11 a.fleetbox.internal a # fleetbox",
  );
  assert.equal(renameHost("10.88.0.11 10.fleetbox.internal 10", "10", "a"), "10.88.0.11 a.fleetbox.internal a");
  const loopback = "127.0.0.1\tlocalhost\n::1 localhost ip6-localhost\n";
  assert.equal(renameHost(`${loopback}10.88.0.11 localhost`, "localhost", "a"), `${loopback}10.88.0.11 a`);
});

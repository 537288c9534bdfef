import * as assert from "#assert";
import { run } from "../system/process.ts";
import { sshArguments, sshConfigValue } from "./ssh_probe.ts";

Deno.test("ssh: the client takes our arguments, asks no agent, and exchanges keys in the way that is cheap for a guest", async () => {
  const key = '/a b/%"key';
  const text = await run("ssh", ["-G", ...sshArguments({ host: "127.0.0.1", port: 2222, user: "root" }, key)]);
  const said = new Map(text.trim().split("\n").map((line) => [line.split(" ", 1)[0], line.replace(/^\S+ /, "")]));
  assert.equal(said.get("user"), "root");
  assert.equal(said.get("port"), "2222");
  assert.equal(said.get("identityagent"), "none");
  assert.match(said.get("identityfile")!, /^\/a b\/%%?"key$/);
  assert.match(said.get("kexalgorithms")!, /^curve25519-sha256,/);
  assert.doesNotMatch(said.get("kexalgorithms")!, /sntrup|mlkem/);
});

Deno.test("ssh: a path with a blank, a quote or a percent sign is one value", () => {
  assert.equal(sshConfigValue("/plain"), "/plain");
  assert.equal(sshConfigValue('/a b"%'), '"/a b\\"%%"');
});

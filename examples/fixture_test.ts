/**
 * A fixture: a machine for one test, named after it, removed after it. When the test fails, the machine's console is printed;
 * `FLEETBOX_KEEP=1` keeps the machine's disk and logs.
 *
 * Run it: `node_modules/.bin/deno test -A examples/fixture_test.ts`
 */

import { equal, match } from "node:assert/strict";
import { clusterTest, vmTest } from "@fleetbox/testing";

vmTest("a web server answers", async (vm) => {
  await vm.writeFile("index.html", "hello\n");
  await using _server = await vm.spawn("httpd -f -p 8080 -h .");
  await vm.waitFor({ port: 8080 }, { timeoutMs: 20_000 });

  const { stdout } = await vm.exec("wget -q -O - http://localhost:8080/", { check: true });

  equal(stdout, "hello\n");
}, { egress: "off" });

clusterTest("the web server finds its database by name", ["web", "db"], async ({ vms: [web, db] }) => {
  await using _database = await db.spawn("while :; do echo hello from $(hostname) | nc -l -p 5432; done");
  const ask = `nc -w 2 ${db.name} 5432 </dev/null`;
  await web.waitFor({ command: `${ask} | grep hello` });

  const { stdout } = await web.exec(`${ask} || { sleep 1; ${ask}; }`, { check: true });

  match(stdout, /^hello from db\n$/);
}, { egress: "off" });

import * as assert from "#assert";
import { join } from "../src/system/path.ts";
import { bundle, missingMembers, usedMembers } from "./npm.ts";

Deno.test("npm: each member of Deno that the library uses is in src/node", async () => {
  const directory = await Deno.makeTempDir({ prefix: "fleetbox-test-" });
  try {
    const packages = await bundle(directory);
    assert.ok(packages.includes("ssh2") && packages.includes("fflate"), packages.join(" "));
    const scripts = [...Deno.readDirSync(directory)].map(({ name }) => name).filter((name) => name.endsWith(".js"));
    for (const name of ["index.js", "testing.js", "vitest.js"]) assert.ok(scripts.includes(name), scripts.join(" "));
    const all = scripts.map((name) => Deno.readTextFileSync(join(directory, name))).join("\n");
    assert.ok(usedMembers(all).length > 40, `the scan found only ${usedMembers(all)}`);
    assert.deepEqual(missingMembers(all), [], "add them to src/node");
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("npm: a member that is not there is found, also one of errors, however esbuild calls Deno", () => {
  const text = 'Deno.statSync(a); Deno2.serve(b); x instanceof Deno.errors.Http; Deno.env.get("A"); // `Deno.cron`';
  assert.deepEqual(usedMembers(text), ["statSync", "serve", "errors.Http", "env.get"]);
  assert.deepEqual(missingMembers(text), ["serve", "errors.Http"]);
});

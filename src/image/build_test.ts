import * as assert from "#assert";
import { linesToAdd, sourcesFrom } from "./build.ts";
import { CATALOG, catalogRow } from "./catalog.ts";
import { earlyScript, firstScript, lateScript } from "./recipe.ts";

const ROW = { suites: ["bookworm", "bookworm-updates", "bookworm-security"], origin: "Debian" };

Deno.test("of the host's sources a build takes its suites from its own publisher, and nothing else", () => {
  const targets = [
    "Packages|http://mirror/debian/|bookworm|main|Debian|$(SIGNED_BY)",
    "Packages|http://mirror/debian/|bookworm|contrib|Debian|$(SIGNED_BY)",
    "Packages|http://mirror/security/|bookworm-security|main|Debian|/usr/share/keyrings/d.gpg",
    "Packages|https://download.example/linux|bookworm|stable|Somebody|/etc/apt/k.asc",
    "Packages|http://mirror/debian/|trixie|main|Debian|",
    "Sources|http://mirror/debian/|bookworm|main|Debian|",
    "",
  ].join("\n");
  assert.deepEqual(sourcesFrom(targets, ROW), [
    "deb http://mirror/debian/ bookworm main contrib",
    "deb [signed-by=/usr/share/keyrings/d.gpg] http://mirror/security/ bookworm-security main",
  ]);
});

Deno.test("a host of another release is told the sources that it lacks", () => {
  const targets = [
    "Packages|http://mirror/debian/|bookworm|main|Debian|$(SIGNED_BY)",
    "Packages|http://mirror/debian/|bookworm|contrib|Debian|$(SIGNED_BY)",
    "Packages|http://mirror/debian/|bookworm-backports|main|Debian|",
    "Packages|http://mirror/security/|bookworm-security|main|Debian|/usr/share/keyrings/d.gpg",
    "Packages|https://download.example/linux|bookworm|main|Somebody|/etc/apt/k.asc",
  ].join("\n");
  assert.deepEqual(linesToAdd(targets, { origin: "Debian", suites: ["trixie", "trixie-security"] }), [
    "deb http://mirror/debian/ trixie main",
    "deb [signed-by=/usr/share/keyrings/d.gpg] http://mirror/security/ trixie-security main",
  ]);
  assert.deepEqual(linesToAdd("", { origin: "Debian", suites: ["trixie"] }), []);
});

Deno.test("the catalogue is whole: each row has both architectures, a digest, a date and an address of https", () => {
  assert.equal(new Set(CATALOG.map(({ alias }) => alias)).size, CATALOG.length);
  for (const { alias, files } of CATALOG) {
    assert.match(alias, /^[a-z]+-[0-9.]+$/);
    assert.deepEqual(Object.keys(files), ["amd64", "arm64"], alias);
    for (const file of Object.values(files)) {
      assert.match(file.sha256, /^[0-9a-f]{64}$/);
      assert.match(file.date, /^20\d\d-\d\d-\d\d$/);
      assert.equal(new URL(file.url).protocol, "https:");
    }
  }
  assert.ok(catalogRow("debian-12")?.build);
  assert.equal(catalogRow("debian"), undefined);
});

Deno.test("the recipe's scripts are shell", async () => {
  for (const script of [firstScript(), earlyScript(), lateScript()]) {
    const child = new Deno.Command("sh", { args: ["-n"], stdin: "piped", stderr: "piped" }).spawn();
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(script));
    await writer.close();
    const { code, stderr } = await child.output();
    assert.equal(code, 0, new TextDecoder().decode(stderr));
  }
});

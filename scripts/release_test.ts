import * as assert from "#assert";
import { join } from "../src/system/path.ts";
import { VERSION } from "../src/system/program_info.ts";
import { fakeDist, inDirectory } from "./release_testing.ts";
import { makeRelease, TARGETS } from "./release.ts";
import { ROOT } from "./toolchain.ts";

Deno.test("the version is the same in package.json, in its lock, and in the program", () => {
  const read = (name: string) => JSON.parse(Deno.readTextFileSync(join(ROOT, name)));
  assert.equal(read("package.json").version, VERSION);
  assert.equal(read("package-lock.json").version, VERSION);
});

Deno.test("a release has each executable, correct sums, an installer, and a formula with every placeholder filled in", async () => {
  await inDirectory(async (dir) => {
    await fakeDist(join(dir, "dist"));
    const to = join(dir, "release");
    await makeRelease({ repository: "somebody/fleetbox", version: VERSION, from: join(dir, "dist"), to });
    const names = [...Deno.readDirSync(to)].map(({ name }) => name).sort();
    assert.deepEqual(names, [
      "SHA256SUMS",
      "fleetbox-licences.txt",
      "fleetbox-linux-aarch64.gz",
      "fleetbox-linux-x86_64.gz",
      "fleetbox-macos-aarch64.gz",
      "fleetbox-macos-x86_64.gz",
      "fleetbox.cdx.json",
      "fleetbox.rb",
      "install.sh",
    ]);
    const check = await new Deno.Command("sha256sum", { args: ["--check", "--strict", "SHA256SUMS"], cwd: to })
      .output();
    assert.equal(check.code, 0);
    assert.equal(new TextDecoder().decode(check.stdout).trim().split("\n").length, names.length - 1);

    const sums = Deno.readTextFileSync(join(to, "SHA256SUMS"));
    const formula = Deno.readTextFileSync(join(to, "fleetbox.rb"));
    for (const target of Object.keys(TARGETS)) {
      const [digest] = new RegExp(`^[0-9a-f]{64}(?=  fleetbox-${target}\\.gz$)`, "m").exec(sums)!;
      const at = `releases/download/v${VERSION}/fleetbox-${target}.gz"`;
      assert.ok(formula.includes(at), target);
      assert.match(formula.slice(formula.indexOf(at)), new RegExp(`^[^\\n]*\\n\\s*sha256 "${digest}"`));
    }
    for (const text of [formula, Deno.readTextFileSync(join(to, "install.sh"))]) {
      assert.match(text, /somebody\/fleetbox/);
      assert.doesNotMatch(text, /@[A-Z]/);
    }
  });
});

Deno.test("the bill of materials names what is bundled, with the lock file's digests, and refers to nothing else", async () => {
  await inDirectory(async (dir) => {
    await fakeDist(join(dir, "dist"));
    const to = join(dir, "release");
    await makeRelease({ repository: "somebody/fleetbox", version: VERSION, from: join(dir, "dist"), to });
    const bill = JSON.parse(Deno.readTextFileSync(join(to, "fleetbox.cdx.json")));
    assert.deepEqual([bill.bomFormat, bill.specVersion, bill.metadata.component.version], [
      "CycloneDX",
      "1.5",
      VERSION,
    ]);
    const refs: string[] = bill.components.map((one: { "bom-ref": string }) => one["bom-ref"]);
    assert.deepEqual(refs, ["deno", "micro", "pkg:npm/commander@15.1.0", "pkg:npm/dns-packet@5.6.1"]);
    assert.equal(new Set(refs).size, refs.length);
    assert.deepEqual(bill.dependencies, [{ ref: "fleetbox", dependsOn: refs }]);
    for (const { type, hashes } of bill.components) {
      if (type === "library") assert.match(hashes[0].content, /^[0-9a-f]{128}$/);
    }
    const micro = bill.components[1];
    for (const { hashes } of micro.components) assert.match(hashes[0].content, /^[0-9a-f]{64}$/);
  });
});

Deno.test("a release that lacks an executable, or has a package that the lock file lacks, is refused", async () => {
  await inDirectory(async (dir) => {
    const from = join(dir, "dist");
    const release = { repository: "somebody/fleetbox", version: VERSION, from, to: join(dir, "release") };
    await fakeDist(from);
    Deno.writeTextFileSync(join(from, "fleetbox-licences.txt"), "no-such-package 1.0.0 (MIT)\n");
    await assert.rejects(makeRelease(release));
    await fakeDist(from);
    Deno.removeSync(join(from, "fleetbox-macos-x86_64"));
    await assert.rejects(makeRelease(release), /fleetbox-macos-x86_64/);
  });
});

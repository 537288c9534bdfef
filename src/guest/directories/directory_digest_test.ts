import * as assert from "#assert";
import { join } from "../../core/paths.ts";
import { digestOfDirectory } from "./directory_digest.ts";

Deno.test("the digest of a directory changes with any of what a guest sees, and with nothing else", async () => {
  const root = await Deno.makeTempDir({ prefix: "fbdd" });
  try {
    const at = (name: string) => join(root, name);
    Deno.mkdirSync(at("sub/deep"), { recursive: true });
    Deno.writeTextFileSync(at("sub/file"), "one");
    Deno.symlinkSync("file", at("sub/link"));
    const time = new Date("2026-01-01T00:00:00Z");
    const settle = () => {
      for (const path of ["sub/file", "sub/deep", "sub", "."]) Deno.utimeSync(at(path), time, time);
    };
    settle();
    const before = await digestOfDirectory(root);
    assert.match(before, /^[0-9a-f]{64}$/);
    assert.equal(await digestOfDirectory(join(root, "sub", "..")), before, "the same directory");

    const changes: Record<string, () => void> = {
      content: () => Deno.writeTextFileSync(at("sub/file"), "two"),
      mode: () => Deno.chmodSync(at("sub/file"), 0o600),
      time: () => Deno.utimeSync(at("sub/deep"), time, new Date("2026-01-02T00:00:00Z")),
      link: () => {
        Deno.removeSync(at("sub/link"));
        Deno.symlinkSync("deep", at("sub/link"));
      },
      name: () => Deno.renameSync(at("sub/deep"), at("sub/deeper")),
      "empty directory": () => Deno.mkdirSync(at("more")),
    };
    const seen = new Set([before]);
    for (const [what, change] of Object.entries(changes)) {
      change();
      if (what === "content" || what === "mode" || what === "link") settle();
      const now = await digestOfDirectory(root);
      assert.ok(!seen.has(now), `${what} changes it`);
      seen.add(now);
    }
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});

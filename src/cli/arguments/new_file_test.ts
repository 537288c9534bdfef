import * as assert from "#assert";
import { FleetboxError } from "../../core/errors.ts";
import { checkNewFile } from "./new_file.ts";

function refused(path: string, how: "replaced" | "written", force = false): string | undefined {
  try {
    checkNewFile(path, { how, force });
    return undefined;
  } catch (thrown) {
    assert.ok(thrown instanceof FleetboxError);
    return `${thrown.code} ${thrown.message.replace(/^.*: /, "")} ${thrown.hint}`;
  }
}

Deno.test("a file that is made anew replaces a regular one alone; one that is opened may be a device, or what a link leads to", () => {
  const directory = Deno.makeTempDirSync({ prefix: "fleetbox-test-" });
  try {
    const [file, link, dangling] = ["file", "link", "dangling"].map((name) => `${directory}/${name}`);
    Deno.writeTextFileSync(file, "mine");
    Deno.symlinkSync(file, link);
    Deno.symlinkSync(`${directory}/nothing`, dangling);
    for (const how of ["replaced", "written"] as const) {
      assert.equal(refused(`${directory}/new`, how), undefined);
      assert.equal(refused(file, how, true), undefined);
      assert.match(refused(file, how)!, /^conflict there is such a file already .*--force/);
      assert.match(refused(directory, how, true)!, /^misuse it is a directory, expected a file .*\/FILE$/);
    }
    for (const force of [false, true]) {
      assert.match(refused("/dev/null", "replaced", force)!, /^misuse it is a device, expected a file Name a file/);
      for (const path of [link, dangling]) assert.match(refused(path, "replaced", force)!, /^misuse it is a link/);
      assert.equal(refused("/dev/null", "written", force), undefined);
    }
    assert.match(refused(link, "written")!, /^conflict/);
    assert.equal(refused(link, "written", true), undefined);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});

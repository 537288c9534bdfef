import * as assert from "#assert";
import { fileURLToPath } from "node:url";
import { isOn, variable, VARIABLES } from "./environment.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

Deno.test("environment: an empty variable is as one that is not set, and a switch is off by the usual words", () => {
  const before = Deno.env.get("FLEETBOX_KEEP");
  try {
    for (
      const [value, expected] of [["", false], ["0", false], [" No ", false], ["off", false], ["1", true], [
        "yes",
        true,
      ]]
    ) {
      Deno.env.set("FLEETBOX_KEEP", String(value));
      assert.equal(isOn("FLEETBOX_KEEP"), expected, `${value}`);
    }
    Deno.env.set("FLEETBOX_KEEP", "");
    assert.equal(variable("FLEETBOX_KEEP"), undefined);
  } finally {
    if (before === undefined) Deno.env.delete("FLEETBOX_KEEP");
    else Deno.env.set("FLEETBOX_KEEP", before);
  }
});

/** Variables that others define, and the guardian's, which is taken out when it was read. */
const READ_ELSEWHERE =
  /Deno\.env\.(get\("(HOME|PATH|TMPDIR|TERM)"\)|toObject\(\)|delete\(GUARDIAN_VARIABLE\)|get\): Paint)/;

Deno.test("environment: code reads fleetbox's variables in one place, where each is in the table", () => {
  const defects: string[] = [];
  for (const file of [...sources("src"), ...sources("helper")]) {
    if (file === "src/core/environment.ts") continue;
    for (const [index, line] of Deno.readTextFileSync(`${ROOT}${file}`).split("\n").entries()) {
      if (line.replace(READ_ELSEWHERE, "").includes("Deno.env.")) defects.push(`${file}:${index + 1}: ${line.trim()}`);
    }
  }
  assert.deepEqual(defects, []);
});

Deno.test("environment: the documentation names each variable that is for users", () => {
  const docs = [...Deno.readDirSync(`${ROOT}docs`)].filter(({ isFile }) => isFile).map(({ name }) => `docs/${name}`);
  const text = ["README.md", ...docs].map((file) => Deno.readTextFileSync(`${ROOT}${file}`)).join("\n");
  assert.deepEqual(Object.keys(VARIABLES).filter((name) => !text.includes(name)), []);
});

function* sources(dir: string): Generator<string> {
  for (const entry of Deno.readDirSync(`${ROOT}${dir}`)) {
    const path = `${dir}/${entry.name}`;
    if (entry.isDirectory) yield* sources(path);
    else if (path.endsWith(".ts") && !/(_test|\/testing)\.ts$/.test(path)) yield path;
  }
}

import * as assert from "#assert";
import { fileURLToPath } from "node:url";
import { isOn, replaceVariables, variable, VARIABLES } from "./environment.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

Deno.test("environment: an empty variable is as one that is not set, and a switch is off by the usual words", () => {
  for (const off of ["", "0", " No ", "off"]) {
    using _ = replaceVariables({ FLEETBOX_KEEP: off });
    assert.equal(isOn("FLEETBOX_KEEP"), false, off);
  }
  for (const on of ["1", "yes"]) {
    using _ = replaceVariables({ FLEETBOX_KEEP: on });
    assert.equal(isOn("FLEETBOX_KEEP"), true, on);
  }
  using _ = replaceVariables({ FLEETBOX_KEEP: "" });
  assert.equal(variable("FLEETBOX_KEEP"), undefined);
});

Deno.test("environment: what a test replaces is as before when the test has ended; else the process's variables count", () => {
  const before = variable("FLEETBOX_IMAGE");
  assert.equal(before, Deno.env.get("FLEETBOX_IMAGE") || undefined);
  {
    using _ = replaceVariables({ FLEETBOX_IMAGE: "one", FLEETBOX_KEEP: "" });
    using _inner = replaceVariables({ FLEETBOX_IMAGE: "two" });
    assert.equal(variable("FLEETBOX_IMAGE"), "two");
    assert.equal(Deno.env.get("FLEETBOX_IMAGE") || undefined, before);
  }
  assert.equal(variable("FLEETBOX_IMAGE"), before);
});

/** Variables that others define, and the guardian's, which is taken out when it was read. */
const READ_ELSEWHERE =
  /Deno\.env\.(get\("(HOME|PATH|SHELL|TMPDIR|TERM|CI|DISPLAY|WAYLAND_DISPLAY|SSH_AUTH_SOCK|XDG_CACHE_HOME|DENO_DIR)"\)|toObject\(\)|delete\(GUARDIAN_VARIABLE\)|get\): Paint)/g;

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

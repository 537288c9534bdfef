/** Checks of the workflows without running them: those of actionlint's that concern these. */

import * as assert from "#assert";
import { join } from "../src/system/path.ts";
import { TARGETS } from "./release.ts";
import { isThere, output, ROOT } from "./toolchain.ts";

interface Step {
  name?: string;
  uses?: string;
  run?: string;
  if?: string;
  env?: Record<string, string>;
}
interface Job {
  "runs-on": string;
  "timeout-minutes": number;
  needs?: string | string[];
  permissions?: Record<string, string>;
  strategy?: { matrix: { include: Record<string, string>[] } };
  env?: Record<string, string>;
  steps: Step[];
}
interface Workflow {
  name: string;
  on: Record<string, unknown>;
  permissions: Record<string, string>;
  jobs: Record<string, Job>;
}

const DIRECTORY = join(ROOT, ".github/workflows");
const FILES = [...Deno.readDirSync(DIRECTORY)].map(({ name }) => name).sort();

async function parse(name: string): Promise<Workflow> {
  // YAML 1.1 reads the key `on` as true; GitHub does not.
  const script = "import json,sys,yaml; d=yaml.safe_load(open(sys.argv[1])); d['on']=d.pop(True); print(json.dumps(d))";
  return JSON.parse(await output("python3", ["-c", script, join(DIRECTORY, name)]));
}

/** Contexts that exist where these workflows use them. */
const CONTEXT = /^(github\.(ref|ref_name|ref_type|repository|token)|matrix\.\w+)$/;

for (const name of FILES) {
  Deno.test(`${name} is a workflow: its jobs have a runner, a limit, steps, and need jobs that exist`, async () => {
    const { on, permissions, jobs } = await parse(name);
    assert.ok(Object.keys(on).length > 0);
    assert.deepEqual(permissions, { contents: "read" }, "permissions are given to each job");
    for (const [id, job] of Object.entries(jobs)) {
      assert.match(job["runs-on"], /^((ubuntu|macos)-\d+(\.\d+)?(-\w+)?|\$\{\{ matrix\.runner \}\})$/, id);
      assert.ok(job["timeout-minutes"] > 0, id);
      for (const needed of [job.needs ?? []].flat()) assert.ok(Object.hasOwn(jobs, needed), `${id} needs ${needed}`);
      const writes = Object.values(job.permissions ?? {}).includes("write");
      assert.equal(writes, id === "publish", `${id} ${writes ? "may write" : "may not write"}`);
      for (const step of job.steps) {
        assert.ok(
          (step.uses === undefined) !== (step.run === undefined),
          `${id}: a step uses an action or runs a script`,
        );
        if (step.uses) {
          assert.match(step.uses, /^actions\/[a-z-]+@v\d+$/, `${id}: an action of GitHub's own, by version`);
        }
      }
    }
  });

  Deno.test(`${name}: no script contains an expression, and each expression names a context that exists`, async () => {
    const text = Deno.readTextFileSync(join(DIRECTORY, name));
    for (const [, expression] of text.matchAll(/\$\{\{\s*(.*?)\s*\}\}/g)) assert.match(expression, CONTEXT);
    const { jobs } = await parse(name);
    for (const { steps, strategy } of Object.values(jobs)) {
      for (const step of steps) assert.doesNotMatch(step.run ?? "", /\$\{\{/);
      const keys = new Set(strategy?.matrix.include.flatMap(Object.keys) ?? []);
      for (const [, key] of JSON.stringify(steps).matchAll(/matrix\.(\w+)/g)) assert.ok(keys.has(key), key);
    }
  });

  Deno.test(`${name}: its scripts pass shellcheck, and use variables that are set`, async () => {
    const { jobs } = await parse(name);
    for (const [id, job] of Object.entries(jobs)) {
      for (const step of job.steps) {
        if (step.run === undefined) continue;
        const env = { ...job.env, ...step.env };
        for (const [, variable] of step.run.matchAll(/\$\{?([A-Z]\w+)/g)) {
          assert.ok(variable in env || variable === "PWD", `${id}: $${variable} is set nowhere`);
        }
        const file = Deno.makeTempFileSync({ prefix: "wf", suffix: ".sh" });
        try {
          Deno.writeTextFileSync(
            file,
            `#!/bin/bash\nset -e\n${Object.keys(env).map((name) => `${name}=\n`).join("")}${step.run}`,
          );
          await output("bash", ["-n", file]);
          if (await hasShellcheck()) await output("shellcheck", ["--severity=warning", "--exclude=SC2034", file]);
        } finally {
          Deno.removeSync(file);
        }
      }
    }
  });

  Deno.test(`${name}: the files that its scripts call are in this checkout`, async () => {
    const makefile = Deno.readTextFileSync(join(ROOT, "Makefile"));
    const scripts = Object.values((await parse(name)).jobs).flatMap(({ steps }) =>
      steps.flatMap(({ run }) => run ?? [])
    );
    for (const [, target] of scripts.join("\n").matchAll(/^\s*make ([a-z-]+)/gm)) {
      assert.match(makefile, new RegExp(`^${target}:`, "m"), target);
    }
    for (const [path] of scripts.join("\n").matchAll(/\bscripts\/[\w.-]+/g)) assert.ok(isThere(join(ROOT, path)), path);
  });
}

Deno.test("the release compiles and tries exactly the targets that exist", async () => {
  const { build, try: trial } = (await parse("release.yml")).jobs;
  const script = build.steps.map(({ run }) => run ?? "").join("\n");
  const compiled = [...script.matchAll(/--target (\S+) --output dist\/fleetbox-([\w-]+)"/g)];
  assert.deepEqual(Object.fromEntries(compiled.map(([, target, name]) => [name, target])), TARGETS);
  assert.deepEqual(trial.strategy!.matrix.include.map(({ target }) => target), Object.keys(TARGETS));
});

Deno.test("the long form runs commands of the Makefile, each with the variable for its options", async () => {
  const makefile = Deno.readTextFileSync(join(ROOT, "Makefile"));
  const campaigns = (await parse("long.yml")).jobs.campaign.strategy!.matrix.include;
  assert.ok(campaigns.length > 0);
  for (const { campaign, with: options } of campaigns) {
    const [, recipe] = new RegExp(`^${campaign}:.*\n((?:\t.*\n)+)`, "m").exec(makefile) ?? [];
    const [, variable] = /^([A-Z_]+)=--\w/.exec(options) ?? [];
    assert.ok(recipe?.includes(`$(${variable})`), `make ${campaign} "${options}"`);
  }
});

async function hasShellcheck(): Promise<boolean> {
  return await output("shellcheck", ["--version"]).then(() => true, () => false);
}

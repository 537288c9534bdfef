/** The package, installed in an empty project: its types, `node --test` and Vitest with real machines, and how groups end. */

import * as assert from "#assert";
import { join } from "../../src/system/path.ts";
import { Store } from "../../src/store.ts";
import { isAlive } from "../../src/system/process.ts";
import { output, ROOT } from "../../scripts/toolchain.ts";
import { assertNothingLeft } from "../library/support.ts";
import { processesOf, until } from "../support/processes.ts";
import { Project, type Ran } from "./support.ts";

/** A failed test in a JUnit report: where it says that it failed, and the bundle that it names. */
function failureIn(xml: string, name: string, line: RegExp): string {
  const [, test] = new RegExp(`<testcase [^>]*name="${name}"([^]*?)</testcase>`).exec(xml) ?? assert.fail(xml);
  const [first] = test.split("\n").filter((text) => /^\s*(at |❯ )/.test(text));
  assert.match(first ?? "", line, "the first line of the stack is the user's");
  const [, bundle] = /\nTrace: (\S+\.zip)/.exec(test) ?? assert.fail(test);
  return bundle;
}

/** A failed run's output is what a reader of the failure needs. */
function ended({ code, text }: Ran, expected: number): string {
  assert.equal(code, expected, text);
  return text;
}

const NODE_TEST = `
import { test } from "node:test";
import { hostProblem, vmTest, withVm } from "fleetbox/testing";

const options = { egress: "off", memoryMiB: 128 };
test("it boots", { skip: hostProblem() }, withVm(async (vm) => {
  const { stdout } = await vm.exec("uname", { check: true });
  if (stdout !== "Linux\\n") throw new Error(stdout);
  await vm.writeFile("word", "kept");
  await vm.exec("grep -x kept word", { check: true });
}, options));
vmTest("it fails", async (vm) => {
  await vm.exec("exit 7", { check: true });
}, options);
`;

const VITEST = `
import { afterAll, expect, test as base } from "vitest";
import { type Cluster, sharedCluster, type Vm } from "fleetbox/testing";
import { forkFixture, vmFixture } from "fleetbox/vitest";

const options = { egress: "off", memoryMiB: 128 } as const;
const seeded = sharedCluster(["a", "b"], async (cluster) => {
  await cluster.get("a").exec("echo seeded > data", { check: true });
}, options);
afterAll(() => seeded.close());

const test = base.extend<{ vm: Vm; cluster: Cluster }>({ vm: vmFixture(options), cluster: forkFixture(seeded) });

test("a machine of its own", async ({ vm }) => {
  expect((await vm.exec("uname", { check: true })).stdout).toBe("Linux\\n");
});
test.for([1, 2])("a fork of its own, %i", async (_, { cluster }) => {
  await cluster.get("a").exec("grep seeded data && rm data && ping -c 1 b", { check: true });
});
test("it fails", async ({ vm }) => {
  await vm.exec("exit 7", { check: true });
});
`;

const VITEST_WORKER = `
import { test as base } from "vitest";
import type { Cluster } from "fleetbox/testing";
import { clusterFixture } from "fleetbox/vitest";

const test = base.extend<{ cluster: Cluster }>({ cluster: clusterFixture(1, { egress: "off", memoryMiB: 128 }) });
test("one", async ({ cluster }) => {
  await cluster.vms[0].exec("touch here", { check: true });
});
test("another finds what the first left", async ({ cluster }) => {
  await cluster.vms[0].exec("ls here", { check: true });
});
`;

const TYPES = `
import { FleetboxError, start, type Vm } from "fleetbox";
import { vmTest } from "fleetbox/testing";

vmTest("a test", async (vm, context) => context.diagnostic((await vm.exec("true")).stdout));
const vm: Vm = await start("x", { memoryMiB: 128 });
console.log(vm.name, FleetboxError.name);
// @ts-expect-error -- there is no such option
await start("x", { memory: 128 });
`;

const COMPILER = {
  strict: true,
  noEmit: true,
  module: "nodenext",
  target: "es2022",
  lib: ["es2023"],
  types: ["node"],
  allowJs: true,
  checkJs: true,
};

/** What is not a mistake where a program is read as if it had types: names that it asks about before it uses them. */
const ASKED = ["SuppressedError", "FLEETBOX_VERSION", "FLEETBOX_COMMIT"];

Deno.test("the package for Node", async (t) => {
  await using project = await Project.make();
  const store = Store.at(project.env.FLEETBOX_HOME);
  const traces = { FLEETBOX_TRACE: "retain-on-failure" };

  await t.step("its declarations fit a strict project; its code has no name that Node 20 does not have", async () => {
    await project.write("types.ts", TYPES);
    await project.write("vm.test.ts", VITEST);
    await project.write("worker.test.ts", VITEST_WORKER);
    const scripts = [...Deno.readDirSync(join(project.root, "node_modules/fleetbox"))]
      .filter(({ name }) => name.endsWith(".js")).map(({ name }) => `node_modules/fleetbox/${name}`);
    const files = ["types.ts", "vm.test.ts", "worker.test.ts", ...scripts];
    await project.write("tsconfig.json", JSON.stringify({ compilerOptions: COMPILER, files }));
    const { text } = await project.run(join(ROOT, "node_modules/.bin/tsc"), []);
    // The scripts are read as if they had types: their names count alone.
    const [ofScripts, ofTypes] = [true, false].map((isScript) =>
      text.split("\n").filter((line) =>
        /TS\d+/.test(line) && isScript === /^node_modules\/fleetbox\/[^/]+\.js\(/.test(line)
      )
    );
    assert.deepEqual(ofTypes, []);
    assert.ok(ofScripts.length > 0, "they were read");
    const unknown = ofScripts.filter((line) => /TS(2304|2550|2552|2583|2584)/.test(line));
    assert.deepEqual(unknown.filter((line) => !ASKED.some((name) => line.includes(`'${name}'`))), []);
  });

  await t.step("without an executable, the error says what was looked for and what to do", async () => {
    await project.write("none.mjs", 'import { start } from "fleetbox";\nawait start("x");\n');
    const node = (await output("/bin/sh", ["-c", "command -v node"])).trim();
    const text = ended(await project.run(node, ["none.mjs"], { FLEETBOX_HELPER: "", PATH: "/nowhere" }), 1);
    assert.match(text, /Cannot find a fleetbox executable to start the holder: .*no fleetbox is on PATH/);
    assert.match(text, /try: Install fleetbox and put it on PATH, or set FLEETBOX_HELPER/);
  });

  await t.step("node --test: a test boots a machine; one that fails says where, and names its bundle", async () => {
    await project.write("node_test.mjs", NODE_TEST);
    const args = ["--test", "--test-reporter=junit", "node_test.mjs"];
    const xml = ended(await project.run("node", args, traces), 1);
    const line = NODE_TEST.split("\n").findIndex((text) => text.includes("exit 7")) + 1;
    const bundle = failureIn(xml, "it fails", new RegExp(`node_test\\.mjs:${line}:`));
    assert.ok(Deno.statSync(bundle).size > 0);
    assert.match(xml, /<testcase name="it boots" [^>]*\/>/);
    assertNothingLeft(store);
  });

  await t.step(
    "Vitest: a machine and a fork for each test; one that fails says where, and names its bundle",
    async () => {
      await project.write(
        "vitest.config.mjs",
        "export default { test: { testTimeout: 120_000, hookTimeout: 60_000, fileParallelism: false } };\n",
      );
      const reports = ["--reporter=default", "--reporter=junit", "--outputFile.junit=vitest.xml"];
      ended(await project.run("node", ["node_modules/vitest/vitest.mjs", "run", ...reports], traces), 1);
      const xml = await Deno.readTextFile(join(project.root, "vitest.xml"));
      assert.match(xml, /<testsuites [^>]*tests="6" failures="1" errors="0"/);
      const line = VITEST.split("\n").findIndex((text) => text.includes("exit 7")) + 1;
      const bundle = failureIn(xml, "it fails", new RegExp(`vm\\.test\\.ts:${line}:`));
      assert.ok(Deno.statSync(bundle).size > 0);
      assertNothingLeft(store);
    },
  );

  await t.step("a program that is killed takes its group with it", async () => {
    await project.write(
      "killed.mjs",
      'import { start } from "fleetbox";\nconsole.log((await start("orphan", { egress: "off" })).ip);\n' +
        "setInterval(() => {}, 1000);\n",
    );
    const child = new Deno.Command("node", {
      args: ["killed.mjs"],
      cwd: project.root,
      env: project.env,
      stdout: "piped",
    }).spawn();
    const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    assert.match((await lines.read()).value ?? "", /^10\.88/);
    const holder = processesOf(store.root).find(({ kind }) => kind === "holder")!;
    child.kill("SIGKILL");
    await child.status;
    await lines.cancel();
    await until("the holder is gone", () => !isAlive(holder), 10_000);
    await until("nothing is left", () => processesOf(store.root).length === 0, 10_000);
    assertNothingLeft(store);
  });
});

/** Bundles of tests: what a failed one leaves and says, and that another one leaves nothing. Real machines. */

import * as assert from "#assert";
import { unzipSync } from "fflate";
import { fileURLToPath } from "node:url";
import { storedTraces } from "../../src/control/recording/traces.ts";
import { replaceVariables } from "../../src/core/environment.ts";
import type {
  TraceClock,
  TraceCommand,
  TraceEvent,
  TraceFault,
  TraceLink,
  TraceMark,
  TraceState,
  TraceTest,
} from "../../src/core/trace/types.ts";
import { namesIn } from "../../src/system/files.ts";
import { withCluster } from "../../testing.ts";
import { processesOf, until } from "../support/processes.ts";
import { test } from "../support/test.ts";
import { assertNothingLeft, fleetbox, program, testStore } from "./support.ts";

const { store, options } = testStore();
const EXAMPLE = fileURLToPath(new URL("../../examples/failing/split_brain.ts", import.meta.url));

async function withDirectory(work: (directory: string) => Promise<void>): Promise<void> {
  const directory = Deno.makeTempDirSync({ prefix: "fleetbox-test-" });
  try {
    await work(directory);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

test("a test that passes leaves no bundle", () =>
  withDirectory(async (directory) => {
    using _ = replaceVariables({ FLEETBOX_TRACE: "retain-on-failure", FLEETBOX_TRACE_DIR: directory });
    const body = withCluster(["a"], async (cluster) => {
      cluster.mark("here");
      await cluster.get("a").exec(["true"], { check: true });
    }, options);
    await body({ name: "passes" });
    assert.deepEqual([namesIn(directory), namesIn(`${store.root}/traces`)], [[], []]);
    assertNothingLeft(store);
  }));

test("a test that is killed leaves what it did until then, as a trace that can be packed", () =>
  withDirectory(async (directory) => {
    await using child = await program(`
      Deno.env.set("FLEETBOX_TRACE", "on");
      const { startCluster } = await import(${JSON.stringify(new URL("../../mod.ts", import.meta.url).href)});
      const cluster = await startCluster(["a"], ${JSON.stringify(options)});
      await cluster.get("a").exec(["echo", "seen"]);
      await cluster.get("a").spawn(["sleep", "1000"]);
      cluster.mark("now");
      console.log("ready");
      await new Promise(() => setInterval(() => {}, 1000));
    `);
    assert.equal(await child.line(), "ready");
    const [{ id }] = storedTraces(store);
    await until("its mark is written", () => /"now"/.test(Deno.readTextFileSync(`${store.trace(id)}/events.ndjson`)));
    child.process.kill("SIGKILL");
    await child.process.status;
    await until("its group is gone", () => processesOf(store.root).length === 0, 20_000);
    const [{ meta, recorder }] = storedTraces(store);
    assert.deepEqual([meta.ended, recorder], [undefined, undefined], "it is left");
    await fleetbox(store, "trace", "stop", id, "-w", `${directory}/t.zip`);
    const told = await fleetbox(store, "trace", "events", `${directory}/t.zip`);
    for (
      const what of [/ a +state +running/, / a +command +echo seen/, / a +command-began +sleep 1000/, / mark +now/]
    ) {
      assert.match(told, what);
    }
    assertNothingLeft(store);
  }));

test("the failing example names its bundle in what is printed and in JUnit's XML; the bundle has what it did, and what happened", () =>
  withDirectory(async (directory) => {
    const [bundles, junit] = [`${directory}/bundles`, `${directory}/junit.xml`];
    const { code, stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["test", "-A", "--no-check", `--junit-path=${junit}`, EXAMPLE],
      env: {
        FLEETBOX_HOME: store.root,
        FLEETBOX_TRACE: "retain-on-failure",
        FLEETBOX_TRACE_DIR: bundles,
        NO_COLOR: "1",
      },
    }).output();
    const printed = new TextDecoder().decode(stdout);
    assert.equal(code, 1, printed);
    const [, file] = /\nTrace: (\S+\.zip)\n/.exec(printed) ?? [];
    assert.deepEqual(namesIn(bundles).map((name) => `${bundles}/${name}`), [file], printed);
    assert.match(file, /there-is-one-leader/);
    assert.ok(Deno.readTextFileSync(junit).includes(`\nTrace: ${file}\n`), "JUnit's XML has it");
    assert.match(printed, /split_brain\.ts:\d+:\d+/);

    const files = unzipSync(Deno.readFileSync(file));
    const text = (name: string) => new TextDecoder().decode(files[name]);
    const events: TraceEvent[] = text("events.ndjson").trim().split("\n").map((line) => JSON.parse(line));
    const of = <E extends TraceEvent>(kind: E["event"]) => events.filter((one): one is E => one.event === kind);
    const { members, test, hypervisor, accelerator } = JSON.parse(text("meta.json"));
    assert.match(hypervisor, /^QEMU \d+\.\d+\.\d+$/);
    assert.match(accelerator, /^(tcg|kvm|hvf)$/);
    assert.deepEqual(members.map(({ name }: { name: string }) => name), ["a", "b"]);
    assert.deepEqual(new Set(of<TraceState>("state").map(({ name }) => name)), new Set(["a", "b"]));
    const asked = of<TraceCommand>("command").filter(({ argv }) => argv[0] === "cat");
    assert.deepEqual(asked.map(({ name, code, stdout }) => [name, code, stdout]), [["a", 0, "a\n"], ["b", 0, "b\n"]]);
    const lines = Deno.readTextFileSync(EXAMPLE).split("\n");
    for (const { file, line } of asked) {
      assert.match(lines[line! - 1], /cat/, "the line of the test");
      assert.equal(file, EXAMPLE);
    }
    assert.deepEqual(of<TraceMark>("mark").map(({ text }) => text), ["b leads", "who leads: a and b"]);
    assert.deepEqual(new Set(of<TraceClock>("clock").map(({ name }) => name)), new Set(["a", "b"]));
    assert.match(of<TraceFault>("fault-began")[0].what, /^cut: a \| b$/);
    assert.ok(of<TraceFault>("fault-ended").length === 1);
    assert.equal(of<TraceTest>("test-ended")[0].ok, false);
    assert.match(text("error.txt"), /split_brain\.ts/);
    assert.match(text("a.cast"), /"m","running"/);
    for (const name of ["a", "b"]) assert.match(text(`${name}.1-cat-log.log`), /^\$ cat log\n/);
    const links = of<TraceLink>("link");
    assert.ok(links.some(({ from, to, frames }) => from === "a" && to === "b" && frames > 0));
    assert.ok(
      links.some(({ from, dropped }) => from === "a" && dropped?.["dns-cut-off"]),
      "a cannot resolve b any more",
    );
    assert.deepEqual(links.filter(({ from, to }) => from === to), [], "all from the first frame on have names");
    assert.ok(files["net.pcapng"].length > 1_000 && test.name === "there is one leader, also in a partition");
    assert.deepEqual(storedTraces(store), []);
    assertNothingLeft(store);
  }));

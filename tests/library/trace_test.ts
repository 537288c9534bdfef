/** Bundles of tests: what a failed one leaves and says, and that another one leaves nothing. Real machines. */

import * as assert from "#assert";
import { unzipSync } from "fflate";
import { replaceVariables } from "../../src/core/environment.ts";
import type {
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
import { assertNothingLeft, testStore } from "./support.ts";

const { store, options } = testStore();

Deno.test("a test that fails names its bundle, which has what it did and what happened; one that passes leaves none", async () => {
  const directory = Deno.makeTempDirSync({ prefix: "fleetbox-test-" });
  using _ = replaceVariables({ FLEETBOX_TRACE: "retain-on-failure", FLEETBOX_TRACE_DIR: directory });
  try {
    const body = (fails: boolean) =>
      withCluster(["a", "b"], async (cluster) => {
        await cluster.get("a").exec(["ping", "-c", "1", "b"], { check: true });
        if (!fails) return;
        cluster.mark("the cut");
        await using _fault = await cluster.partition([["a"], ["b"]]);
        await cluster.get("a").exec("echo out; echo err >&2; ping -c 1 -W 1 b", { check: true });
      }, options);
    await body(false)({ name: "passes" });
    assert.deepEqual(namesIn(directory), []);

    let failure: Error | undefined;
    await body(true)({ name: "the leader is found", origin: import.meta.url }).catch((thrown) => failure = thrown);
    const [, file] = /\nTrace: (\S+\.zip)\n/.exec(failure!.message) ?? [];
    assert.match(failure!.stack!, /\nTrace: /, "runners print the stack");
    assert.deepEqual(namesIn(directory).map((name) => `${directory}/${name}`), [file]);
    assert.match(file, /the-leader-is-found/);

    const files = unzipSync(Deno.readFileSync(file));
    const text = (name: string) => new TextDecoder().decode(files[name]);
    const events: TraceEvent[] = text("events.ndjson").trim().split("\n").map((line) => JSON.parse(line));
    const of = <E extends TraceEvent>(kind: E["event"]) => events.filter((one): one is E => one.event === kind);
    const commands = of<TraceCommand>("command");
    const { members, test } = JSON.parse(text("meta.json"));
    assert.deepEqual(members.map(({ name }: { name: string }) => name), ["a", "b"]);
    assert.deepEqual(commands.map(({ name, code }) => [name, code]), [["a", 0], ["a", 1]]);
    assert.deepEqual(commands[0].argv, ["ping", "-c", "1", "b"]);
    assert.match(commands[1].stdout!, /^out\n/);
    assert.match(commands[1].stderr!, /^err\n/);
    const here = Deno.readTextFileSync(new URL(import.meta.url)).split("\n");
    assert.match(here[commands[1].line! - 1], /echo out; echo err/, "the line of the test");
    assert.match(commands[1].file!, /trace_test\.ts$/);
    assert.deepEqual(of<TraceMark>("mark").map(({ text }) => text), ["the cut"]);
    assert.match(of<TraceFault>("fault-began")[0].what, /^cut: a \| b$/);
    assert.equal(of<TraceTest>("test-ended")[0].ok, false);
    assert.match(text("error.txt"), /ping -c 1 -W 1 b/);
    assert.match(text("a.cast"), /"m","running"/);
    assert.ok(of<TraceState>("state").some(({ state }) => state === "running") && of<TraceLink>("link").length > 0);
    assert.ok(files["net.pcapng"].length > 1_000 && test.name === "the leader is found");
    assert.deepEqual(namesIn(`${store}/traces`), []);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
  assertNothingLeft(store);
});

/**
 * A program that uses the library's groups on the fake QEMU, one case a run; it prints what it found, one JSON object.
 *
 *     library_group.ts CASE
 */

import { watch } from "../../src/control.ts";
import { codeOf, messageOf } from "../../src/core/errors.ts";
import type { Options } from "../../src/core/options.ts";
import { LocalHome } from "../../src/library/places/home.ts";
import { Store } from "../../src/store.ts";

const store = Store.fromEnvironment();
const options: Options = { boot_timeout_ms: 60_000, egress: "off", mem: 0.25 };

async function open(names: string[], request: { existing?: "refuse" | "reuse"; signal?: AbortSignal } = {}) {
  return await new LocalHome(store).open({ names, options, existing: "refuse", ...request });
}

async function refusal(work: Promise<unknown>): Promise<string> {
  return await work.then(() => "no error", (thrown) => `${codeOf(thrown)}: ${messageOf(thrown)}`);
}

const CASES: Record<string, () => Promise<unknown>> = {
  async rejoin() {
    const { group, reports } = await open(["a"]);
    await group.stop("a", {});
    const added = await group.add("b", { boot_timeout_ms: 60_000, cpus: 2 });
    const again = await group.start("a", {});
    const sizes = ["a", "b"].map((name) => [store.config(name)!.cpus, store.config(name)!.memory_mb]);
    await group.close();
    return { isOneNetwork: again.group === added.group, isNewHolder: added.pid !== reports[0].pid, sizes };
  },

  async together() {
    const { group } = await open(["a", "b", "c"]);
    await Promise.all(["a", "b", "c"].map((name) => group.stop(name, {})));
    const reports = await Promise.all(["a", "b", "c"].map((name) => group.start(name, {})));
    await group.close();
    return { holders: new Set(reports.map(({ pid }) => pid)).size, states: reports.map(({ state }) => state) };
  },

  async stopping() {
    const { group } = await open(["a", "b"]);
    const stopped = group.stop("a", {});
    for await (const event of watch(store, "a")) {
      if (event.event === "member" && event.member.stage === "stopping") break;
    }
    const { state } = await group.start("a", {});
    await stopped;
    await group.close();
    return { state };
  },

  async interrupted() {
    const { group } = await open(["a"]);
    const abort = new AbortController();
    const adding = refusal(group.add("never", { boot_timeout_ms: 60_000 }, abort.signal));
    for await (const event of watch(store, "a")) {
      if (event.event === "member" && event.member.name === "never" && event.member.hypervisor_pid) break;
    }
    abort.abort(new Error("enough"));
    const found = {
      adding: await adding,
      never: store.readMember("never") ?? null,
      a: (await group.report("a"))?.state,
    };
    await group.close();
    return found;
  },

  async failing() {
    const refused = await refusal(open(["a", "bad"]));
    const { group } = await open(["a"]);
    const adding = await refusal(group.add("bad", { boot_timeout_ms: 60_000 }));
    const found = { refused, adding, bad: store.readMember("bad") ?? null, a: (await group.report("a"))?.state };
    await group.close();
    return found;
  },
};

console.log(JSON.stringify(await CASES[Deno.args[0]]()));

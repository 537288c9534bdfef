/** A machine's lifetime: machines that fail, are interrupted, or exist already, and what they leave. */

import * as assert from "#assert";
import { handled } from "../support/socket.ts";
import { start, startCluster } from "../../mod.ts";
import { isAlive } from "../../src/system/process.ts";
import { type Found, processesOf, until } from "../support/processes.ts";
import { test } from "../support/test.ts";
import { assertNothingLeft, code, fleetbox, program, testStore } from "./support.ts";

const { store, options } = testStore();

/** The holder, or the machine, of the test: one that another test left is not it. */
function onlyOne(kind: Found["kind"]): Found {
  const [one, ...others] = processesOf(store.root).filter((process) => process.kind === kind);
  assert.deepEqual([one?.kind, others], [kind, []]);
  return one;
}

test("a signal during the boot leaves nothing", async () => {
  const fired = AbortSignal.abort(new Error("too late"));
  await assert.rejects(start("never", { ...options, signal: fired }), code("interrupted", /Starting "never" was/));
  const abort = new AbortController();
  const starting = handled(start({ ...options, cold: true, signal: abort.signal }));
  await until("a machine runs", () => processesOf(store.root).some(({ kind }) => kind === "machine"));
  abort.abort(new Error("enough"));
  await assert.rejects(starting, code("interrupted", /was interrupted/));
  assertNothingLeft(store);
});

test("a boot that fails says why, and leaves nothing", async () => {
  // Cold: from a template it may answer within such a limit.
  const late = { ...options, cold: true, bootTimeoutMs: 100 };
  await assert.rejects(start("late", late), code("timeout", /"late" did not answer/));
  await assert.rejects(
    start("small", { ...options, memoryMiB: 64, image: "/nowhere" }),
    code("not-found", /no image at/),
  );
  await assert.rejects(
    start("bare", { ...options, fixtures: [{ hostPath: "/nowhere", guestPath: "/srv" }] }),
    code("not-found", /Cannot share the directory .*nowhere.*: it does not exist/),
  );
  await assert.rejects(
    start("silly", { ...options, userData: "users: []" }),
    code("misuse", /a format that cloud-init does not know/),
  );
  await assert.rejects(start("Bad Name", options), code("misuse", /Not a member name/));
  const typo: object = { ...options, memory: 64 };
  await assert.rejects(
    start("typo", typo),
    code("misuse", /Unknown option "memory" of start\(\)/),
  );
  await assert.rejects(startCluster(0, options), code("misuse", /Not a number of machines: found 0/));
  await assert.rejects(startCluster(["a", "a"], options), code("misuse", /"a" is given twice/));
  assertNothingLeft(store);
});

test("an exception ends the machine; a name that is in use is refused", async () => {
  await assert.rejects(async () => {
    await using vm = await start("taken", options);
    await assert.rejects(start("taken", options), code("conflict", /this process already has one of that name/));
    assert.equal(await vm.state(), "running", "the refused start changed nothing");
    throw new Error("the test failed");
  }, /the test failed/);
  assertNothingLeft(store);
});

test("killing the test's process leaves nothing, disk included", async () => {
  const script = `
    import { start } from ${JSON.stringify(new URL("../../mod.ts", import.meta.url).href)};
    const vm = await start("orphan", ${JSON.stringify(options)});
    console.log(vm.ip);
    await new Promise(() => setInterval(() => {}, 1000));
  `;
  await using child = await program(script);
  assert.match(await child.line(), /10\.88/);
  const holder = onlyOne("holder");
  child.process.kill("SIGKILL");
  await child.process.status;
  await until("the holder is gone", () => !isAlive(holder), 5_000);
  assertNothingLeft(store);
});

test("a killed holder's machine dies with it; the test gets an error, and can start it again with its disk", async () => {
  {
    await using vm = await start("beheaded", options);
    await vm.exec("echo kept > kept; sync", { check: true });
    const sleep = await vm.spawn("sleep 4715");
    Deno.kill(onlyOne("holder").pid, "SIGKILL");
    await assert.rejects(
      sleep.status,
      code("failed", /the connection to the machine broke|was cut off: its machine is gone/),
    );
    await until("no machine runs", () => processesOf(store.root).every(({ kind }) => kind !== "machine"));
    assert.equal(await vm.state(), "stopped");
    await assert.rejects(vm.exec("true"), code("conflict", /"beheaded" does not run: it is down/));
    await vm.start();
    assert.equal(await vm.readTextFile("kept"), "kept\n");
  }
  assertNothingLeft(store);
});

test("commands that run on a machine end with it, and say why", async () => {
  {
    await using vm = await start("cut", options);
    const exec = handled(assert.rejects(
      vm.exec("touch one; sleep 4716"),
      code("failed", /^exec\(\) on "cut" was cut off: its machine failed$/m),
    ));
    const process = await vm.spawn("touch two; sleep 4717");
    const spawned = handled(assert.rejects(
      process.status,
      code("failed", /^spawn\(\) on "cut" was cut off: its machine failed$/m),
    ));
    await until("both run", async () => (await vm.exec("ls one two")).code === 0);
    Deno.kill(onlyOne("machine").pid, "SIGKILL");
    await Promise.all([exec, spawned]);
    assert.equal(await vm.state(), "error");
    await vm.start();
    await vm.exec("true", { check: true });
  }
  assertNothingLeft(store);
});

test("a killed test's machine that was stopped is replaced; another process's is not", async () => {
  const script = `
    import { start } from ${JSON.stringify(new URL("../../mod.ts", import.meta.url).href)};
    const vm = await start("left", ${JSON.stringify(options)});
    await vm.exec("touch old", { check: true });
    await vm.stop();
    console.log("stopped");
    await new Promise(() => setInterval(() => {}, 1000));
  `;
  await using child = await program(script);
  assert.match(await child.line(), /stopped/);
  await assert.rejects(start("left", options), code("conflict", /process \d+ made it and still runs/));
  child.process.kill("SIGKILL");
  await child.process.status;
  {
    await using vm = await start("left", options);
    assert.equal((await vm.exec("ls old")).code, 1, "the disk is a new one");
  }
  assertNothingLeft(store);
});

test("a user's machine is refused, or booted as it is and kept", async () => {
  await fleetbox(store, "up", "mine", "--egress", "off");
  await fleetbox(store, "ssh", "mine", "--", "echo mine >file");
  await assert.rejects(
    start("mine", { ...options, existing: "reuse" }),
    code("conflict", /"mine" is already served by another holder/),
  );
  await fleetbox(store, "stop", "mine"); // that start did not change it
  await assert.rejects(start("mine", options), code("conflict", /there is one of that name, it was made at/));
  {
    await using vm = await start("mine", { ...options, existing: "reuse" });
    assert.equal(await vm.readTextFile("file"), "mine\n");
  }
  assert.equal(store.config("mine")?.owner, undefined);
  const downs = Deno.readTextFileSync(store.member("mine").serialLog).match(/fleetbox-micro: down/g);
  assert.equal(downs?.length, 2, "both times it was shut down, not cut off");
  await fleetbox(store, "rm", "mine", "--force");
  assertNothingLeft(store);
});

import * as assert from "#assert";
import { FleetboxError } from "../../core/errors.ts";
import { identify, isAlive } from "../../system/process.ts";
import { Workspace } from "../../../tests/fake_qemu/machine.ts";
import type { MachineEvent, Rung } from "../contract.ts";
import { QmpClient } from "./qmp.ts";
import { findQemu } from "./program.ts";
import { qemu } from "./driver.ts";
import { machineState } from "./machine.ts";
import { standsStill, until as untilSo } from "../../../tests/support/processes.ts";

const code = (expected: string, message = /./) => (error: unknown) =>
  error instanceof FleetboxError && error.code === expected && message.test(error.message);
const files = (path: string) => [...Deno.readDirSync(path)].map(({ name }) => name).sort();
const LEFT = ["disk.qcow2", "seed.img", "serial.log"];

async function until(happened: () => boolean): Promise<void> {
  await untilSo(String(happened), happened);
}

Deno.test("a machine that dies at its start fails with its own words, and leaves nothing", async () => {
  await using workspace = new Workspace();
  using _ = workspace.behave({ a: { start: "die", message: "no luck today" } });
  await assert.rejects(qemu.start(await workspace.spec()), code("failed", /^QEMU of "a" ended with code 1 .*no luck/));
  assert.deepEqual(files(workspace.path), ["disk.qcow2", "seed.img"]);
});

Deno.test("a QEMU that was built without a sandbox runs without one", async () => {
  await using workspace = new Workspace();
  using _ = workspace.behave({ a: { sandbox: "missing" } });
  await (await qemu.start(await workspace.spec())).kill();
});

Deno.test("a missing hypervisor is unavailable, with a hint", async () => {
  await using workspace = new Workspace();
  const spec = await workspace.spec({ binary: "/nowhere/qemu-system-x86_64", bound: false });
  await assert.rejects(qemu.start(spec), code("unavailable", /not installed/));
});

Deno.test("a frozen hypervisor does not answer, is not asked again while a question is open, and answers when it is resumed", async () => {
  await using workspace = new Workspace();
  const machine = await qemu.start(await workspace.spec());
  const state = machine.state.bind(machine);
  let questions = 0;
  machine.state = () => (questions++, state());
  assert.equal(await machine.answers(10_000), true);
  Deno.kill(machine.process.pid, "SIGSTOP");
  assert.deepEqual(await Promise.all([machine.answers(50), machine.answers(50)]), [false, false]);
  assert.equal(await machine.answers(50), false);
  assert.equal(questions, 2);
  Deno.kill(machine.process.pid, "SIGCONT");
  assert.equal(await machine.answers(10_000), true);
  await machine.kill();
  assert.equal(await machine.answers(10_000), true, "it is gone, and that is known");
});

Deno.test({
  name:
    "a throttled machine stands still for the rest of the time, answers at once, and is asked to shut down at full speed",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    await using workspace = new Workspace();
    const machine = await qemu.start(await workspace.spec());
    assert.equal(machine.stoppedMs, 0);
    machine.throttle(0.01);
    await untilSo("it stands still", () => standsStill(machine.process));
    for (let times = 0; times < 10; times++) assert.equal(await machine.answers(10_000), true);
    assert.ok(machine.stoppedMs > 0);
    machine.throttle(undefined);
    assert.equal(standsStill(machine.process), false);
    machine.throttle(0.01);
    await untilSo("it stands still", () => standsStill(machine.process));
    const { stoppedMs } = machine;
    assert.equal((await machine.stop({ graceMs: 10_000 })).how, "shutdown");
    assert.ok(machine.stoppedMs - stoppedMs < 1_000);
    machine.throttle(0.5); // nothing happens
    assert.equal(
      (await qemu.start(await workspace.spec()).then((next) => (next.throttle(0.01), next.kill()))).how,
      "quit",
    );
  },
});

Deno.test({
  name: "a machine whose holder died while it stood still is continued when it is adopted, if that may be so",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    await using workspace = new Workspace();
    const spec = await workspace.spec({ bound: false });
    const [program, ...args] = qemu.commandLine(spec);
    using child = disposable(new Deno.Command(program, { args, stdout: "null", stderr: "null" }).spawn());
    (await QmpClient.connect(spec.controlSocket)).close();
    child.kill("SIGSTOP");
    const machine = await qemu.adopt(spec, identify(child.pid)!, { maybeStopped: true });
    assert.equal((await machine.state()).kind, "running");
    machine.throttle(0.3);
    await untilSo("it stands still", () => standsStill(child));
    await machine.kill();
    await child.status;
  },
});

Deno.test("stop() of a guest that listens takes one rung: the guest shuts down", async () => {
  await using workspace = new Workspace();
  const machine = await qemu.start(await workspace.spec());
  const events: MachineEvent[] = [];
  machine.onEvent((event) => events.push(event));
  assert.deepEqual(await machine.state(), { kind: "running", detail: "running" });
  await until(() => Deno.readTextFileSync(`${workspace.path}/serial.log`).includes("fleetbox-micro: ssh"));
  const rungs: Rung[] = [];
  const exit = await machine.stop({ graceMs: 5_000, onRung: (rung) => rungs.push(rung) });
  assert.deepEqual([exit.how, exit.code, exit.reason], ["shutdown", 0, "guest-shutdown"]);
  assert.deepEqual(rungs, ["acpi"]);
  assert.deepEqual(events.map(({ kind }) => kind), ["powerdown", "shutdown"]);
  assert.equal(isAlive(machine.process), false);
  assert.deepEqual(files(workspace.path), LEFT);
  assert.deepEqual(await machine.state(), { kind: "gone", detail: "gone" });
  assert.deepEqual(await machine.stop({ graceMs: 5_000 }), exit);
  assert.deepEqual(await machine.kill(), exit);
});

Deno.test("stop() presses again: a guest that is still booting misses the first press", async () => {
  await using workspace = new Workspace();
  using _ = workspace.behave({ a: { bootMs: 600 } });
  const machine = await qemu.start(await workspace.spec());
  assert.equal((await machine.stop({ graceMs: 10_000 })).how, "shutdown");
});

Deno.test("stop() of a guest that ignores the button ends with quit, after the grace", async () => {
  await using workspace = new Workspace();
  using _ = workspace.behave({ a: { powerdown: "ignore" } });
  const machine = await qemu.start(await workspace.spec());
  const rungs: Rung[] = [];
  const begun = performance.now();
  const exit = await machine.stop({ graceMs: 150, onRung: (rung) => rungs.push(rung) });
  assert.ok(performance.now() - begun >= 149);
  assert.deepEqual([exit.how, rungs], ["quit", ["acpi", "quit"]]);
});

Deno.test("stop() continues at once when its signal fires, and when another call kills", async () => {
  await using workspace = new Workspace();
  using _ = workspace.behave({ a: { powerdown: "ignore" } });
  const first = await qemu.start(await workspace.spec());
  const hurry = new AbortController();
  const onRung = () => hurry.abort(); // before it waits for the guest
  assert.equal((await first.stop({ graceMs: 600_000, signal: hurry.signal, onRung })).how, "quit");
  const second = await qemu.start(await workspace.spec());
  const [stopped, killed] = await Promise.all([second.stop({ graceMs: 60_000 }), second.kill()]);
  assert.deepEqual(stopped, killed);
});

Deno.test("kill() ends a hypervisor that does not quit with SIGKILL", async () => {
  await using workspace = new Workspace();
  using _ = workspace.behave({ a: { quit: "ignore" } });
  const machine = await qemu.start(await workspace.spec());
  const rungs: Rung[] = [];
  const exit = await machine.stop({ graceMs: 0, onRung: (rung) => rungs.push(rung) });
  assert.deepEqual([exit.how, exit.signal, rungs], ["killed", "SIGKILL", ["quit", "kill"]]);
  assert.deepEqual(files(workspace.path), LEFT);
});

Deno.test("a machine that crashes says so, with its last words; one whose guest panics says that", async () => {
  await using workspace = new Workspace();
  {
    using _ = workspace.behave({ a: { dieAfterMs: 100, message: "Assertion failed" } });
    const exit = await (await qemu.start(await workspace.spec())).exited;
    assert.deepEqual([exit.how, exit.code], ["crashed", 134]);
    assert.match(exit.message, /Assertion failed/);
  }
  using _ = workspace.behave({ a: { panicAfterMs: 100 } });
  const machine = await qemu.start(await workspace.spec());
  const events: string[] = [];
  machine.onEvent(({ kind }) => events.push(kind));
  assert.equal((await machine.exited).how, "panicked");
  assert.deepEqual(events, ["panicked", "shutdown"]);
});

Deno.test("a full disk is an event, the machine is paused, and resume() resumes it", async () => {
  await using workspace = new Workspace();
  using _ = workspace.behave({ a: { diskFullAfterMs: 50 } });
  const machine = await qemu.start(await workspace.spec());
  const events: MachineEvent[] = [];
  machine.onEvent((event) => events.push(event));
  await until(() => events.length === 2);
  assert.ok(events[0].kind === "ioError" && events[0].nospace && events[0].stopped);
  assert.equal((await machine.state()).kind, "io-error");
  await machine.resume();
  assert.equal((await machine.state()).kind, "running");
  await machine.kill();
});

Deno.test("run states are distinguished", () => {
  const statuses = [
    "running",
    "paused",
    "prelaunch",
    "postmigrate",
    "io-error",
    "inmigrate",
    "guest-panicked",
    "shutdown",
  ];
  const kinds = statuses.map((status) => machineState(status).kind);
  assert.deepEqual(kinds, ["running", "paused", "paused", "paused", "io-error", "unloaded", "panicked", "ending"]);
});

Deno.test("real QEMU: odd paths, one writer a disk, a second start is refused, quit leaves nothing", async () => {
  await using outer = new Workspace();
  const dir = `${outer.path}/a, "b" ü=c`;
  await Deno.mkdir(dir);
  await using workspace = new Workspace(dir);
  const agentSocket = `${dir}/agent.sock`;
  const spec = await workspace.spec({ binary: findQemu("x86_64"), bound: true, agentSocket });
  const machine = await qemu.start(spec);
  assert.equal((await machine.state()).kind, "running");
  (await Deno.connect({ transport: "unix", path: agentSocket })).close();
  assert.equal(identify(machine.process.pid)?.startTime, machine.process.startTime);
  await assert.rejects(qemu.start(spec), code("conflict", /another process answers/));
  assert.ok((await Deno.lstat(spec.netSocket)).isSocket, "the refused start left the running machine's sockets");
  const elsewhere = {
    controlSocket: `${outer.path}/q`,
    netSocket: `${outer.path}/n`,
    consoleSocket: `${outer.path}/c`,
    agentSocket: `${outer.path}/a`,
  };
  await assert.rejects(qemu.start({ ...spec, ...elsewhere }), code("conflict", /Failed to get "write" lock/));
  const exit = await machine.stop({ graceMs: 0 });
  assert.deepEqual([exit.how, exit.code], ["quit", 0]);
  assert.deepEqual(files(dir), LEFT);
});

Deno.test("real QEMU: a killed one is reported as killed, and stale sockets do not stop the next", async () => {
  await using workspace = new Workspace();
  const spec = await workspace.spec({ binary: findQemu("x86_64"), agentSocket: `${workspace.path}/agent.sock` });
  const machine = await qemu.start(spec);
  Deno.kill(machine.process.pid, "SIGKILL");
  const exit = await machine.exited;
  assert.deepEqual([exit.how, exit.signal], ["killed", "SIGKILL"]);
  assert.match(exit.message, /from outside/);
  using _stale = Deno.listen({ transport: "unix", path: spec.netSocket });
  using _other = Deno.listen({ transport: "unix", path: spec.agentSocket! });
  await (await qemu.start(spec)).kill();
});

Deno.test("real QEMU: another holder adopts a machine, and sees the end of that machine alone", async () => {
  await using workspace = new Workspace();
  const spec = await workspace.spec({ binary: findQemu("x86_64"), bound: false });
  const [program, ...args] = qemu.commandLine(spec);
  using child = disposable(new Deno.Command(program, { args, stdout: "null", stderr: "null" }).spawn());
  const first = await QmpClient.connect(spec.controlSocket);
  const identity = identify(child.pid)!;
  first.close();
  await assert.rejects(qemu.adopt({ ...spec, name: "b" }, identity), code("conflict", /answered by "a", expected "b"/));
  await assert.rejects(qemu.adopt(spec, { ...identity, startTime: "1" }), code("not-found"));
  const machine = await qemu.adopt(spec, identity);
  assert.equal((await machine.state()).kind, "running");
  const rungs: Rung[] = [];
  const exit = await machine.stop({ graceMs: 50, onRung: (rung) => rungs.push(rung) });
  assert.deepEqual([exit.how, exit.code, rungs], ["quit", undefined, ["acpi", "quit"]]);
  await child.status;
  await assert.rejects(qemu.adopt(spec, identity), code("not-found"));
});

Deno.test("real QEMU: a bound machine dies with the process that started it", async () => {
  await using workspace = new Workspace();
  const spec = await workspace.spec({ binary: findQemu("x86_64"), bound: true });
  const program = `
    const { qemu } = await import(${JSON.stringify(new URL("driver.ts", import.meta.url).href)});
    const machine = await qemu.start(${JSON.stringify(spec)});
    machine.throttle(0.01); // it dies while it stands still, too
    console.log(JSON.stringify(machine.process));
    await new Promise(() => setInterval(() => {}, 1000));`;
  using holder = disposable(
    new Deno.Command(Deno.execPath(), { args: ["eval", "-q", program], stdout: "piped", stderr: "inherit" }).spawn(),
  );
  const reader = holder.stdout.getReader();
  const identity = JSON.parse(new TextDecoder().decode((await reader.read()).value));
  assert.ok(isAlive(identity));
  holder.kill("SIGKILL");
  await until(() => !isAlive(identity));
  await reader.cancel();
  await holder.status;
});

function disposable(child: Deno.ChildProcess): Deno.ChildProcess & Disposable {
  return Object.assign(child, {
    [Symbol.dispose]() {
      try {
        child.kill("SIGKILL");
      } catch { /* it is already closed */ }
    },
  });
}

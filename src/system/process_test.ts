import * as assert from "#assert";
import { until } from "../../tests/support/processes.ts";
import { FleetboxError } from "../core/errors.ts";
import { identify, isAlive, ProcessError, run, start, startHolder, which } from "./process.ts";

Deno.test("process: a tool that fails is an error with its code and its last words", async () => {
  assert.equal(await run("echo", ["a  b"]), "a  b\n");
  await assert.rejects(
    run("sh", ["-c", "echo first >&2; echo last >&2; exit 3"]),
    (thrown) => thrown instanceof ProcessError && thrown.exitCode === 3 && /first\nlast$/.test(thrown.stderr),
  );
  await assert.rejects(run("sh", ["-c", "kill -9 $$"]), /was killed by SIGKILL/);
});

Deno.test("process: a program that is not there is unavailable, with the hint", async () => {
  const missing = (thrown: unknown) =>
    thrown instanceof FleetboxError && thrown.code === "unavailable" && thrown.hint === "install it";
  await assert.rejects(run("fleetbox-no-such-program", [], { hint: "install it" }), missing);
  assert.throws(() => start("fleetbox-no-such-program", [], { hint: "install it" }), missing);
  await assert.rejects(startHolder("/no/such", [], { log: "/dev/null", env: {} }), FleetboxError);
});

Deno.test("process: the tail of a talkative child is bounded", async () => {
  const child = start("sh", ["-c", "seq 1 20000; echo end"]);
  const { code } = await child.exited;
  assert.equal(code, 0);
  assert.ok(child.tail().endsWith("20000\nend") && child.tail().length <= 8 * 1024);
  assert.equal(child.kill("SIGTERM"), false);
});

Deno.test("process: an identity is a process and its start, not a number", async () => {
  const child = start("sleep", ["60"]);
  const identity = identify(child.pid)!;
  assert.ok(isAlive(identity));
  assert.ok(!isAlive({ ...identity, startTime: "1" }));
  child.kill("SIGKILL");
  assert.equal((await child.exited).signal, "SIGKILL");
  assert.ok(!isAlive(identity));
  assert.equal(identify(0x7ffffff0), undefined);
});

Deno.test("process: a zombie is not alive", async () => {
  const parent = start("perl", ["-e", "$| = 1; my $child = fork // die; exit 0 if !$child; print $child; sleep 60"]);
  await until("it said its child's process id", () => parent.tail() !== "");
  const pid = Number(parent.tail());
  await until("the child is a zombie", () => !identify(pid));
  assert.match(Deno.readTextFileSync(`/proc/${pid}/stat`), /\) Z /);
  parent.kill("SIGKILL");
  await parent.exited;
});

Deno.test("process: a holder's first line arrives, its standard error is in the log", async () => {
  const log = Deno.makeTempFileSync();
  try {
    const script = 'echo oops >&2; echo "$MARK"; echo second; exec sleep 60';
    const holder = await startHolder("/bin/sh", ["-c", script], { log, env: { MARK: "hello" } });
    assert.equal(await holder.firstLine, "hello");
    const session = Deno.readTextFileSync(`/proc/${holder.pid}/stat`).split(") ")[1].split(" ")[3];
    assert.equal(session, String(holder.pid), "it is a session leader");
    holder.kill("SIGKILL");
    assert.equal((await holder.exited).signal, "SIGKILL");
    assert.equal(Deno.readTextFileSync(log), "oops\n");
    holder.release();
  } finally {
    Deno.removeSync(log);
  }
});

Deno.test("process: a program that never ends its first line is not waited for", async () => {
  const script = "head -c 100000 /dev/zero | tr '\\0' x; exec sleep 60";
  const holder = await startHolder("/bin/sh", ["-c", script], { log: "/dev/null", env: {} });
  assert.match(await holder.firstLine ?? "", /^x{60000}/);
  holder.kill("SIGKILL");
  await holder.exited;
  holder.release();
});

Deno.test("process: which finds programs by name and by path", () => {
  assert.match(which("sh") ?? "", /\/sh$/);
  assert.equal(which("/bin/sh"), "/bin/sh");
  assert.equal(which("fleetbox-no-such-program"), undefined);
  assert.equal(which("/etc/passwd"), undefined);
});

Deno.test("process: one whose first thread has ended is alive until its last one has: its files and ports are in use", async () => {
  const code = [
    "import ctypes, threading, time",
    "threading.Thread(target=time.sleep, args=(60,)).start()",
    "print('on its way', flush=True)",
    "ctypes.CDLL(None).pthread_exit(None)",
  ].join("\n");
  const told = Promise.withResolvers<void>();
  const child = start("python3", ["-c", code], { onOutput: () => told.resolve() });
  try {
    await told.promise;
    const stateOf = () => /\) (\w) /.exec(Deno.readTextFileSync(`/proc/${child.pid}/stat`))?.[1];
    await until("its main thread has ended", () => stateOf() === "Z", undefined, stateOf);
    assert.ok(isAlive(identify(child.pid)!));
  } finally {
    child.kill("SIGKILL");
    await child.exited;
  }
  assert.equal(identify(child.pid), undefined);
});

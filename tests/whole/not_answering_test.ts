/** Machines that do not answer or are gone: what is reported, and how connections to them end. */

import * as assert from "#assert";
import { join } from "../../src/system/path.ts";
import { kill, signal, until } from "../support/processes.ts";
import { type Sandbox, sandbox, test, told } from "../support/sandbox.ts";

test("ls, status and up report frozen hypervisors, ask all of them at once, and say what to do", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a,b,c,d");
  const frozen = ["b", "c", "d"].map((name) => box.process("machine", name));
  for (const machine of frozen) signal(machine, "SIGSTOP");

  // One after the other they would take longer than `ls` waits for a holder, and be "unknown".
  const { stdout } = await box.ok("ls");
  assert.match(stdout, /^a +running +10/m);
  for (const name of ["b", "c", "d"]) {
    assert.match(stdout, new RegExp(`^${name} +running \\(not answering\\) +10`, "m"));
  }
  const wrong = new RegExp(`"b" runs, but its hypervisor \\(process ${frozen[0].pid}\\) does not answer`);
  assert.match(stdout, new RegExp(`^b: ${wrong.source}\n +try: .*fleetbox stop --force b && fleetbox up b$`, "m"));
  const { a, b } = await box.ls();
  assert.deepEqual([a.state, a.not_answering], ["running", undefined]);
  assert.deepEqual([b.state, b.running, b.not_answering], ["running", true, true]);

  const status = await box.ok("status", "b");
  assert.match(status.stdout, /^state +running \(not answering\), for /m);
  assert.match(status.stdout, /^try +.*fleetbox stop --force b/m);
  assert.equal(JSON.parse((await box.ok("status", "b", "--json")).stdout).not_answering, true);
  assert.equal(JSON.parse((await box.ok("status", "a", "--json")).stdout).not_answering, undefined);

  const up = await box.fails(4, [wrong, /fleetbox stop --force b && fleetbox up b/], "up", "a,b");
  assert.doesNotMatch(up.stdout, /b is already running/);
  await box.ok("join", "e", "--via", "b"); // its network is there

  for (const machine of frozen) signal(machine, "SIGCONT");
  await until("they answer", async () => !/not answering/.test((await box.ok("ls")).stdout));
  assert.match((await box.ok("up", "a,b")).stdout, /^b is already running$/m);
});

test("heal, fault ls and suspend --all say that a holder did not answer, and do what they can for others", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await Promise.all([box.up("a,b"), box.up("c")]);
  await box.ok("fault", "drop", "--from", "a");
  await box.ok("fault", "drop", "--from", "c");
  const holder = box.processes("holder").find(({ name }) => name === "a,b")!;
  signal(holder, "SIGSTOP");
  const silent = /The holder of "[ab]" did not answer/;
  const [listed, healed] = [await box.fails(4, silent, "fault", "ls"), await box.fails(4, silent, "heal")];
  assert.match(listed.stdout, /drop: c to all/);
  assert.match((await box.ok("fault", "ls", "--via", "c")).stderr, /no faults/);
  assert.doesNotMatch(healed.stderr, /no faults/);
  assert.match((await box.fails(4, silent, "suspend", "--all")).stdout, /^c suspended$/m);
  signal(holder, "SIGCONT");
  assert.match((await box.ok("heal")).stdout, /healed: drop: a to all/);
});

/** Programs `ssh` and `scp` that print "connected" and then run a shell line. */
function clients({ root }: Sandbox, line: string): Record<string, string> {
  const bin = join(root, "bin");
  Deno.mkdirSync(bin, { recursive: true });
  for (const name of ["ssh", "scp"]) {
    Deno.writeTextFileSync(join(bin, name), `#!/bin/sh\necho connected\n${line}\n`, { mode: 0o755 });
  }
  return { PATH: `${bin}:${Deno.env.get("PATH")}` };
}

/** A connection to a machine that is gone does nothing, for ever. */
const HANGS = "exec sleep 1000";

test("exec, ssh and cp end with the machine, with code 255 and the reason", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a,b");
  const env = clients(box, HANGS);
  const started = [["exec", "a", "--", "x"], ["ssh", "a"], ["ssh", "a", "--", "x"], ["cp", "b:x", "a:y"]].map((args) =>
    box.start(args, { env })
  );
  for (const one of started) await one.printed(/connected/);
  const other = box.start(["exec", "b", "--", "x"], { env });
  await other.printed(/connected/);
  await box.ok("stop", "a", "--force");
  for (const one of started) {
    const result = await one.done;
    assert.equal(result.code, 255, told(result));
    assert.match(result.stderr, /The connection to "a" is over: it was stopped/, told(result));
    assert.match(result.stderr, /fleetbox up a/, told(result));
  }

  Deno.kill(box.process("machine", "b").pid, "SIGKILL");
  const result = await other.done;
  assert.equal(result.code, 255, told(result));
  assert.match(
    result.stderr,
    /The connection to "b" is over: its machine failed[^]*killed from outside/,
    told(result),
  );
});

test("a connection that breaks before the end of its machine is reported has the same reason", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  for (let count = 0; count < 3; count++) {
    await box.up("a");
    const { pid } = box.process("machine", "a");
    const broken = box.start(["exec", "a", "--", "x"], {
      env: clients(box, `while kill -0 ${pid} 2>/dev/null; do :; done; exit 255`),
    });
    await broken.printed(/connected/);
    await box.ok("stop", "a", "--force");
    const result = await broken.done;
    assert.equal(result.code, 255, told(result));
    assert.match(result.stderr, /The connection to "a" is over: it was stopped/, told(result));
  }
});

test("cp that fails says what failed, then what scp says, and keeps its exit code", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  const failed = await box.start(["cp", "a:/etc/x", "a:y", "/tmp"], {
    env: clients(box, "echo 'scp: /etc/x: Permission denied' >&2; exit 1"),
  }).done;
  assert.equal(failed.code, 1, told(failed));
  assert.match(
    failed.stderr,
    /^fleetbox: Cannot copy "a:\/etc\/x", "a:y" to "\/tmp"\nscp: \/etc\/x: Permission denied\n$/,
    told(failed),
  );
  const warned = await box.start(["cp", "a:x", "/tmp"], { env: clients(box, "echo 'scp: a warning' >&2") }).done;
  assert.deepEqual([warned.code, warned.stderr], [0, "scp: a warning\n"], told(warned));
});

test("a command that ends by itself when the machine does keeps its exit code, and nothing is printed", async () => {
  await using box = await sandbox({ fakeQemu: { a: { onSignal: "powerOff" } } });
  await box.up("a");
  const socket = box.store.member("a").qmpSocket;
  const running = box.start(["exec", "a", "--", "poweroff"], {
    env: clients(box, `while [ -S '${socket}' ]; do sleep 0.01; done; exit 7`),
  });
  await running.printed(/connected/);
  box.accident("a");
  const result = await running.done;
  assert.deepEqual([result.code, result.stderr], [7, ""], told(result));
});

test("a killed holder ends no connection while its machine runs; connections end with the machine, also without a new holder", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a,b");
  const env = clients(box, HANGS);
  const [a, b] = ["a", "b"].map((name) => box.start(["exec", name, "--", "x"], { env }));
  for (const one of [a, b]) await one.printed(/connected/);
  box.leavesDebris(); // b's: it is not booted again
  await box.killHolder("a");
  await kill(box.process("machine", "b"));
  const gone = await b.done;
  assert.equal(gone.code, 255, told(gone));
  assert.match(gone.stderr, /The connection to "b" is over: its machine (is gone|failed)/, told(gone));

  await box.ok("ls", "--repair");
  assert.equal((await box.ls()).a.state, "running");
  assert.doesNotMatch(a.stderr, /is over/);
  await box.ok("stop", "a", "--force");
  const stopped = await a.done;
  assert.equal(stopped.code, 255, told(stopped));
  // A client without a holder looks for the next one four times a second, and may not have found it yet.
  assert.match(stopped.stderr, /The connection to "a" is over: (it was stopped|its machine is gone)/, told(stopped));
});

test("when ssh ends by its keep-alive, the reason is printed as far as it is known", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  const file = join(box.root, "gives-up");
  const running = box.start(["exec", "a", "--", "x"], {
    env: clients(box, `while [ ! -e '${file}' ]; do sleep 0.01; done; exit 255`),
  });
  await running.printed(/connected/);
  const machine = box.process("machine", "a");
  signal(machine, "SIGSTOP");
  Deno.writeTextFileSync(file, "");
  const result = await running.done;
  assert.equal(result.code, 255, told(result));
  assert.match(result.stderr, /"a" runs, but its hypervisor \(process \d+\) does not answer/, told(result));
  signal(machine, "SIGCONT");
  await until("it answers", async () => !(await box.ls()).a.not_answering);

  // A program that exits with 255 is not a broken connection.
  const own = await box.start(["exec", "a", "--", "x"], { env: clients(box, "exit 255") }).done;
  assert.deepEqual([own.code, own.stderr], [255, ""], told(own));
});

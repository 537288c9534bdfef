/** The serial console, shared through the holder: on a terminal, in a pipe, on the socket. */

import * as assert from "#assert";
import { until } from "../support/processes.ts";
import { identify } from "../../src/system/process.ts";
import { sandbox, test } from "../support/sandbox.ts";
import { Client, talkJson } from "../support/socket.ts";
import { OnTerminal } from "../support/terminal.ts";
import { FLEETBOX } from "../support/command.ts";

const STTY = "stty -a | tr ';' '\\n' | tr -s ' \\n' '\\n\\n' | grep -xE -- '-?(icanon|echo|isig|opost|icrnl)'";
/** The settings of a terminal that nobody has changed, in stty's order. */
const UNTOUCHED = /icrnl\s+opost\s+isig\s+icanon\s+echo\s*$/;

/** `fleetbox console` with standard input and output in pipes. */
function piped(env: Record<string, string>, ...args: string[]): Deno.ChildProcess {
  return new Deno.Command(FLEETBOX, {
    args: ["console", ...args],
    env,
    clearEnv: true,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

async function type(child: Deno.ChildProcess, text: string): Promise<{ code: number; out: string; err: string }> {
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(text));
  await writer.close();
  const { code, stdout, stderr } = await child.output();
  return { code, out: new TextDecoder().decode(stdout), err: new TextDecoder().decode(stderr) };
}

test("on a terminal: how to detach, the last screen, keys to the guest, Ctrl-] detaches, the terminal is as before", async () => {
  await using box = await sandbox({ fakeQemu: { a: { console: ["first words"] } } });
  await box.up("a");
  const at = new OnTerminal(["console", "a"], { env: box.env, then: STTY });
  await at.shows(/console of a; Ctrl-\] detaches[^]*first words\r\nfleetbox-micro: kernel[^]*fleetbox-micro: ssh/);
  await at.type("uname\x03 -a\r");
  await at.shows(/you typed "uname\\u0003 -a"/); // Ctrl-C is the guest's
  await at.type("raw \\e[?1049h\\e[?25lfull screen\r");
  // deno-lint-ignore no-control-regex
  await at.shows(/\x1b\[\?25lfull screen/);
  await at.type("not sent \x1d nor this");
  assert.equal(await at.done, 0, at.output);
  assert.match(at.output, /detached from a/);
  const after = at.output.slice(at.output.lastIndexOf("full screen"));
  assert.ok(after.includes("\x1b[?1049l\x1b[?25h"), JSON.stringify(after));
  assert.match(after, UNTOUCHED);
  assert.equal(await box.states(), "a=running");
});

test("the terminal is restored whatever ends the console: SIGTERM, the guest, a killed machine, a killed holder", async () => {
  await using box = await sandbox({ fakeQemu: { c: { onSignal: "die", message: "no luck" } } });
  await box.up("a,b,c");
  await box.up("d");
  const attach = async (name: string) => {
    const at = new OnTerminal(["console", name], { env: box.env, then: STTY });
    await at.shows(/fleetbox-micro: ssh/);
    return at;
  };
  const [a, b, c, d] = await Promise.all(["a", "b", "c", "d"].map(attach));
  const commands = box.processes("other").filter(({ command }) => / console a$/.test(command));
  for (const { pid } of commands.filter(({ command }) => !/^(script|sh|\/bin\/sh)\b/.test(command))) {
    Deno.kill(pid, "SIGTERM");
  }
  assert.equal(await a.done, 130, a.output);
  assert.match(a.output, UNTOUCHED);

  await b.type("poweroff\r");
  assert.equal(await b.done, 0, b.output);
  assert.match(b.output, /fleetbox-micro: down[^]*b is (down|stopped)/);
  assert.match(b.output, UNTOUCHED);

  box.accident("c");
  assert.equal(await c.done, 1, c.output);
  assert.match(c.output, /fleetbox: The machine of "c" ended: [^]*no luck/);
  assert.match(c.output, UNTOUCHED);

  await box.killHolder("d");
  assert.equal(await d.done, 1, d.output);
  assert.match(d.output, /"d" has no holder[^]*fleetbox up d/);
  assert.match(d.output, UNTOUCHED);

  // The command adopts it: it has its console again, and the screen from before.
  const again = await attach("d");
  await again.type("still there\r");
  await again.shows(/you typed "still there"/);
  await again.type("\x1d");
  assert.equal(await again.done, 0);
});

test.source("console waits for the end of a killed holder's process, and says that the member has no console", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  const at = new OnTerminal(["console", "a"], { env: box.env });
  await at.shows(/fleetbox-micro: ssh/);
  // This is so for a moment when a holder is killed: its sockets are gone, its process is not.
  const dying = box.spawn("sleep", "1000");
  const record = box.record();
  await box.store.writeGroupRecord({ ...record, holder: identify(dying.pid)! });
  await box.killHolder("a");
  dying.kill("SIGKILL");
  assert.equal(await at.done, 1, at.output);
  assert.match(at.output, /"a" has no holder[^]*fleetbox up a/);
  await box.ok("ls", "--repair");
});

test("in a pipe every byte goes through, from now on, and it ends with its input", async () => {
  await using box = await sandbox({ fakeQemu: { a: { console: ["of the past"] } } });
  await box.up("a");
  const { code, out, err } = await type(piped(box.env, "a"), "one\nraw \\e[31mred\x1d\n");
  assert.equal(code, 0, err);
  assert.match(out, /you typed "one"\r\n/);
  assert.ok(out.includes("\x1b[31mred\x1d\r\n"), "Ctrl-] is a byte like any other here");
  assert.ok(!out.includes("of the past"));
  assert.equal(err, "");

  const off = await type(piped(box.env, "a", "--linger", "1m"), "poweroff\n");
  assert.equal(off.code, 0);
  assert.match(off.out, /fleetbox-micro: down\r\n$/);
  assert.match(off.err, /^a is (down|stopped)\n$/);
  await box.fails(1, [/"a" has no console: it is not running/, /fleetbox up a/], "console", "a");
  await box.fails(3, /There is no member "nobody"/, "console", "nobody");
});

test.source("a member that boots has its console from the start; when it fails the console ends with the cause", async () => {
  await using box = await sandbox({ fakeQemu: { a: { boot: "never", console: ["stuck here"] } } });
  await box.up("a", "--no-wait");
  const at = new OnTerminal(["console", "a"], { env: box.env });
  await at.shows(/stuck here/);
  await at.type("hello\r");
  await at.shows(/you typed "hello"/);
  await box.ok("stop", "a", "--force");
  assert.equal(await at.done, 0, at.output);

  box.behave({ a: { start: "die", message: "no luck", startMs: 1_500 } });
  await box.up("a", "--no-wait");
  const early = piped(box.env, "a", "--linger", "1m");
  const { code, err } = await type(early, "");
  assert.equal(code, 1);
  assert.match(err, /Cannot boot "a": [^]*no luck/);
});

test.source("a console client that does not read holds up neither the guest, nor the holder, nor other clients", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  const socket = box.store.memberSocket("a");
  using lazy = await Client.connect(socket);
  await lazy.send('{"op":"console"}\n');
  const other = piped(box.env, "a", "--linger", "1m");
  const output = other.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const writer = other.stdin.getWriter();
  await writer.write(new TextEncoder().encode("flood 6144\nthe end\n"));
  // The guest comes to its end, and the other client reads it, although one client does not read.
  for (let said = ""; !said.includes('you typed "the end"');) {
    const { value, done } = await output.read();
    assert.ok(!done, "the console of the one that reads has ended");
    said = said.slice(-100) + value;
  }
  assert.equal((await box.status("a"))!.state, "running");
  const hear = async (wanted: RegExp) => {
    for (let said = "", piece = ""; !wanted.test(said); said = (said + piece).slice(-70_000)) {
      piece = await lazy.readOnce();
      assert.notEqual(piece, "", `it ended without ${wanted}`);
    }
  };
  await hear(/\[fleetbox: \d{7} bytes are missing here: read too slowly\]/);
  await lazy.send("and on\r");
  await hear(/you typed "and on"/);
  await box.ok("stop", "a", "--force");
  await output.cancel();
  await writer.close().catch(() => {});
  assert.equal((await other.status).code, 0);
  await other.stderr.cancel();
});

test.source("console on the socket: a greeting and the replay in one, several at once, and a refusal when the member does not run", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a,b");
  const socket = box.store.memberSocket("a");
  const clients = await Promise.all(Array.from({ length: 5 }, () => Client.connect(socket)));
  for (const client of clients) {
    await client.send('{"op":"console"}\n');
    const said = await client.until(/ssh\r\n$/);
    const [greeting] = said.split("\n", 1);
    assert.equal(JSON.parse(greeting).replay, said.length - greeting.length - 1);
  }
  await clients[0].send("hi\r");
  await Promise.all(clients.map((client) => client.until(/you typed "hi"/)));
  for (const client of clients) client[Symbol.dispose]();
  Deno.kill(box.process("machine", "b").pid, "SIGKILL");
  await until("b is in error", async () => (await box.status("b"))!.state === "error");
  const [refusal] = await talkJson(box.store.memberSocket("b"), { op: "console" });
  assert.deepEqual([refusal.event, refusal.code], ["error", "conflict"]);
});

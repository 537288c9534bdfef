import * as assert from "#assert";
import { FleetboxError } from "../core/errors.ts";
import type { WaitTarget } from "./types.ts";
import { waitFor, type Watched } from "./wait_for.ts";

const QUICK = { timeoutMs: 200, intervalMs: 1 };

/** A machine that has nothing yet. */
function machine(parts: Partial<Watched> = {}): Watched {
  return {
    name: "vm",
    ip: "10.88.0.11",
    probe: () => Promise.reject(new Error("connection refused")),
    exists: () => Promise.resolve(false),
    exec: () => Promise.resolve({ code: 1, signal: null, stdout: "", stderr: "no\n" }),
    console: () => Promise.resolve(""),
    read: () => Promise.reject(new Error("no such file")),
    whyNot: () => Promise.resolve(undefined),
    ...parts,
  };
}

async function failure(target: WaitTarget, parts: Partial<Watched> = {}): Promise<FleetboxError> {
  const thrown = await waitFor(machine(parts), target, { ...QUICK, timeoutMs: 20 }).then(() => undefined, (it) => it);
  assert.ok(thrown instanceof FleetboxError, String(thrown));
  return thrown;
}

Deno.test("waitFor: a port counts on the loopback and on the machine's address", async () => {
  const tried: string[] = [];
  const probe = (host: string) => {
    tried.push(host);
    return host === "10.88.0.11" ? Promise.resolve() : Promise.reject(new Error("refused"));
  };
  await waitFor(machine({ probe }), { port: 80 }, QUICK);
  assert.deepEqual(tried, ["127.0.0.1", "10.88.0.11"]);
});

Deno.test("waitFor: the limit's error says what did not come, and the last reason", async () => {
  const port = await failure({ port: 80 });
  assert.equal(port.code, "timeout");
  assert.equal(port.message, 'No program listened on port 80 within 0.02 s on "vm"');
  assert.match(String(port.cause), /connection refused/);
  assert.match((await failure({ file: "/x" })).message, /^There was no \/x within/);
  const command = await failure({ command: ["a", "b"] });
  assert.match(command.message, /^"a b" did not succeed within/);
  assert.match(String(command.cause), /ended with code 1: no/);
  const line = await failure({ log: /ready/ }, { console: () => Promise.resolve("one\ntwo\n") });
  assert.match(line.message, /^No line of the console had \/ready\/ within/);
  assert.match(String(line.cause), /its last lines:\none\ntwo/);
});

Deno.test("waitFor: a line is matched whole; a pattern with the flag g misses no line", async () => {
  assert.equal(
    await waitFor(machine({ console: () => Promise.resolve("a\nis ready 5\n") }), { log: "ready" }, QUICK),
    "is ready 5",
  );
  let text = "x\n";
  const console = () => Promise.resolve(text += "ready\n");
  const pattern = /ready/g;
  pattern.lastIndex = 40;
  assert.equal(await waitFor(machine({ console }), { log: pattern }, QUICK), "ready");
});

Deno.test("waitFor: a guest's log is read on from where it was, across pieces, and anew when it was replaced", async () => {
  const encode = (text: string) => new TextEncoder().encode(text);
  const contents = ["one\nlisten", "one\nlistening ü", "one\nlistening ü on 8080\r\n"].map(encode);
  const asked: number[] = [];
  let turn = 0;
  const read = (_: string, from: number) => {
    asked.push(from);
    return Promise.resolve(contents[Math.min(turn++, 2)].subarray(from));
  };
  assert.equal(await waitFor(machine({ read }), { log: /on \d+/, in: "/log" }, QUICK), "listening ü on 8080");
  assert.deepEqual(asked.slice(0, 3), [0, contents[0].length, contents[1].length]);

  let replaced = false;
  const rotated = (_: string, from: number) => {
    const now = replaced ? encode("new\n") : encode("a long first log\n");
    replaced = true;
    return Promise.resolve(now.subarray(Math.min(from, now.length)));
  };
  assert.equal(await waitFor(machine({ read: rotated }), { log: "new", in: "/log" }, QUICK), "new");
});

Deno.test("waitFor: of a line that a guest does not end, no more than a limit is kept", async () => {
  const pieces = ["x".repeat(1024 * 1024), "x ready", "\nthen ready\n"].map((text) => new TextEncoder().encode(text));
  const read = () => Promise.resolve(pieces.shift() ?? new Uint8Array());
  assert.equal(await waitFor(machine({ read }), { log: "ready", in: "/log" }, QUICK), "then ready");
});

Deno.test("waitFor: a machine that is down ends the wait at once", async () => {
  const whyNot = () => Promise.resolve(new FleetboxError("conflict", '"vm" does not run: it is down'));
  const thrown = await waitFor(machine({ whyNot }), { port: 80 }, { timeoutMs: 600_000 }).then(
    () => undefined,
    (it) => it,
  );
  assert.equal(thrown.code, "conflict");
  assert.match(thrown.message, /No program listened on port 80 on "vm": "vm" does not run: it is down/);
});

Deno.test("waitFor: what is no target is refused", async () => {
  const bad = [
    {},
    { prot: 5 },
    { port: 5, file: "x" },
    { port: 0 },
    { port: 1.5 },
    { file: "x", in: "y" },
    { log: "" },
    null,
  ];
  for (const target of bad as never[]) assert.equal((await failure(target)).code, "misuse", JSON.stringify(target));
});

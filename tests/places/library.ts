/** The library at a place, in programs of their own: they run where the client's `ssh` and store are. */

import * as assert from "#assert";
import { fileURLToPath } from "node:url";
import { bundleForNode } from "../node/support.ts";
import { freePort } from "../support/free_ports.ts";
import { until } from "../support/processes.ts";
import type { Sandbox } from "../support/sandbox.ts";
import { join } from "../../src/system/path.ts";
import { pgrep } from "./pgrep.ts";

const path = (from: string) => fileURLToPath(new URL(from, import.meta.url));

const ON_DENO = [
  Deno.execPath(),
  ...["run", "-A", "--no-check", `--config=${path("../../deno.json")}`, path("samples/library.ts")],
];

function start(here: Sandbox, args: string[], [program, ...before] = ON_DENO): Deno.ChildProcess {
  return new Deno.Command(program, {
    args: [...before, ...args],
    env: here.env,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** What the program tells, when it has ended by itself. */
async function told(here: Sandbox, args: string[], program = ON_DENO): Promise<unknown[]> {
  const child = start(here, args, program);
  await child.stdin.close();
  const { code, stdout, stderr } = await child.output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout).trim().split("\n").map((line) => JSON.parse(line));
}

/** Runs it until it has told the first line. */
async function begun(here: Sandbox, ...args: string[]): Promise<{ child: Deno.ChildProcess; rest: Promise<string> }> {
  const child = start(here, args);
  const errors = new Response(child.stderr).text();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!text.includes("\n")) {
    const { value, done } = await reader.read();
    if (done) assert.fail(`it ended: ${await errors}`);
    text += value;
  }
  const rest = (async () => {
    for (let read = await reader.read(); !read.done; read = await reader.read()) text += read.value;
    await errors;
    return text;
  })();
  return { child, rest };
}

/** No machine there, no holder, no library; nothing here. */
async function nothingLeft(here: Sandbox, there: Sandbox, before: string): Promise<void> {
  const names = () => there.processes("machine").map(({ name }) => name).join(" ");
  await until("its machines there are gone", () => Promise.resolve(names() === before));
  await until("the library there has ended", async () => !(await isRunning("__library")));
  assert.deepEqual(here.processes("machine").map(({ name }) => name).filter((name) => name !== "x"), []);
}

async function isRunning(words: string): Promise<boolean> {
  return (await pids(words)).length > 0;
}

/** The processes whose command line has these words. */
export async function pids(words: string): Promise<number[]> {
  return await pgrep("-f", "--", words);
}

export async function libraryWorks(here: Sandbox, there: Sandbox, before: string): Promise<void> {
  const fixture = join(here.root, "site");
  Deno.mkdirSync(fixture);
  Deno.writeTextFileSync(join(fixture, "index.html"), "hello");
  const [members, ssh, ports, a, fault, stopped, started, added, gone, ...errors] = await told(
    here,
    ["all", fixture, String(freePort())],
  );
  assert.deepEqual(members, ["a a 10.88.0.11", "b b 10.88.0.12"]);
  assert.deepEqual(ssh, ["127.0.0.1", "SSH-2.0", true]);
  assert.deepEqual(ports, ["port 80", "SSH-2.0", true]);
  assert.deepEqual(a, ["running", true]);
  assert.match(JSON.stringify(fault), /^\["cut: a-\w+ \| b-\w+",{}\]$/);
  assert.match(JSON.stringify(stopped), /^\["stopped",\[".*(does not run: it is down|was cut off)/);
  assert.deepEqual([started, added, gone], [["running", "SSH-2.0"], ["c", "running"], "absent"]);
  const [taken, image, place, interrupted, suspended, problems] = errors.map((error) => JSON.stringify(error));
  assert.match(taken, /^\["conflict"/);
  assert.match(image, /^\["not-found",".*There is no .*none\.qcow2/);
  assert.match(place, /^\["not-found",".*no place \\"none\\"/);
  assert.match(interrupted, /^\["interrupted"/);
  assert.equal(suspended, '"suspended"');
  assert.match(problems, /^\["there is no place \\"none\\" .*",null\]$/);
  await nothingLeft(here, there, before);
}

export async function checkpointsWork(here: Sandbox, there: Sandbox, before: string): Promise<void> {
  const script = join(here.root, "library.mjs");
  await bundleForNode("../places/samples/library.ts", script);
  const [fork, opened, refused, none] = await told(here, ["checkpoint"], ["node", script]);
  assert.deepEqual([fork, opened], [["saved", "running"], ["seeded", ["saved"]]]);
  assert.match(JSON.stringify(refused), /^\["not-found"/); // it is none of this host
  assert.match(JSON.stringify(none), /^\["not-found"/);
  await nothingLeft(here, there, before);
}

export async function groupsEndWithTheProgram(here: Sandbox, there: Sandbox, before: string): Promise<void> {
  const { child, rest } = await begun(here, "die");
  child.kill("SIGKILL");
  await nothingLeft(here, there, before);
  await Promise.all([rest, child.stdin.close().catch(() => {}), child.status]);
}

export async function groupsEndWithTheConnection(here: Sandbox, there: Sandbox, before: string): Promise<void> {
  const { child, rest } = await begun(here, "lost");
  const [master] = await pids(`${here.home}/places/big/ctl -f`);
  Deno.kill(master, "SIGKILL");
  const [, lost, closed, again] = (await rest).trim().split("\n");
  assert.match(lost, /^\["failed","The place \\"big\\" answers no more: the connection to it is over/);
  assert.deepEqual([closed, again], ['"nothing"', '"running"']);
  await Promise.all([child.stdin.close().catch(() => {}), child.status]);
  await nothingLeft(here, there, before);
}

/** What `withGuest` does meets a real machine of the library. */
export async function realGuestWorks(here: Sandbox, there: Sandbox, withGuest: () => Promise<void>): Promise<void> {
  const file = join(here.root, "for the library");
  Deno.writeTextFileSync(file, "from here");
  const { child, rest } = await begun(here, "real", file);
  try {
    await withGuest();
  } finally {
    await child.stdin.close();
  }
  const told = JSON.parse((await rest).trim());
  assert.deepEqual(told, ["a", 7, "a\n", "err\n", "from here", "by the library"]);
  assert.equal((await child.status).code, 0);
  await nothingLeft(here, there, "");
}

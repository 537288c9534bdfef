import * as assert from "#assert";
import { until } from "../../tests/support/processes.ts";
import { identify, isAlive, type ProcessIdentity } from "../system/process.ts";
import fc from "fast-check";
import { FleetboxError } from "../core/errors.ts";
import { shellQuote } from "../core/quoting.ts";
import { commandLine, killLine } from "./shell.ts";

async function sh(line: string, stdin?: string): Promise<string> {
  const child = new Deno.Command("/bin/sh", { args: ["-c", line], stdin: "piped", stdout: "piped", stderr: "null" })
    .spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(stdin ?? ""));
  await writer.close();
  return new TextDecoder().decode((await child.output()).stdout);
}

Deno.test("shell: words reach a program exactly, whatever they hold", async () => {
  const word = fc.string({ unit: "grapheme", maxLength: 8 }).filter((text) => !text.includes("\0"));
  await fc.assert(
    fc.asyncProperty(fc.array(word, { minLength: 1, maxLength: 4 }), async (words) => {
      const said = await sh(commandLine(["printf", "<%s>", ...words]));
      assert.equal(said, words.map((one) => `<${one.toWellFormed()}>`).join(""));
    }),
    { numRuns: 60 },
  );
});

Deno.test("shell: variables and the directory are set before the command", async () => {
  const env = { ONE: "it's $HOME", TWO: "a b\nc" };
  assert.equal(await sh(commandLine('printf "%s|%s|" "$ONE" "$TWO"; pwd', { env, cwd: "/" })), "it's $HOME|a b\nc|/\n");
  assert.equal(await sh(commandLine("echo not reached", { cwd: "/nowhere" })), "");
});

Deno.test("shell: a program is never read as a word of the shell's", async () => {
  assert.equal(await sh(commandLine(["if"]) + " 2>/dev/null; echo $?"), "127\n");
  assert.equal(await sh(commandLine(["A=b"]) + " 2>/dev/null; echo $?"), "127\n");
});

Deno.test("shell: what is no command is refused", () => {
  for (const bad of ["", [], [""], ["a", 1], 5, null, "a\0b", ["a\0"]] as never[]) {
    assert.throws(() => commandLine(bad), (thrown) => thrown instanceof FleetboxError && thrown.code === "misuse");
  }
  assert.throws(() => commandLine("true", { env: { "A-B": "" } }), /Not a name of an environment variable/);
});

/** The `sleep`s among a process and what descends from it. */
function sleeps(pid: number): ProcessIdentity[] {
  try {
    const own = Deno.readTextFileSync(`/proc/${pid}/comm`) === "sleep\n" ? [identify(pid)] : [];
    const children = Deno.readTextFileSync(`/proc/${pid}/task/${pid}/children`).trim().split(" ");
    return [...own.filter((one) => one !== undefined), ...children.filter(Boolean).flatMap((id) => sleeps(Number(id)))];
  } catch {
    return []; // gone in between
  }
}

Deno.test("shell: the kill line ends what carries the mark and what descends from it, and nothing else", async () => {
  const mark = `test${crypto.randomUUID().slice(0, 8)}`;
  const start = (line: string) => new Deno.Command("/bin/sh", { args: ["-c", line], stdout: "null" }).spawn();
  const marked = start(commandLine("sleep 30 & env -i sleep 30; echo went on", { mark }));
  const other = start("exec sleep 30");
  // The shell and its first child carry the mark; the second was given no environment, and the third is another's.
  await until("all of them run", () => sleeps(marked.pid).length === 2 && sleeps(other.pid).length === 1);
  const asleep = sleeps(marked.pid);
  // Without sudo: this test may run as root on a host where others work.
  const line = killLine(mark, "KILL").replaceAll("sudo -n true", "false");
  assert.match(await sh(line), /^3\n$/);
  assert.equal((await marked.status).signal, "SIGKILL");
  // The kernel ends what was killed when that process is next scheduled: until then it is there, and would be counted.
  await until("the marked ones are gone", () => !asleep.some(isAlive));
  assert.equal(await sh(line), "0\n");
  other.kill("SIGTERM"); // it is still there
  assert.equal((await other.status).signal, "SIGTERM");
});

Deno.test("shell: what is killed does not go on to its next command in the meantime", async () => {
  const mark = `test${crypto.randomUUID().slice(0, 8)}`;
  const went = await Deno.makeTempFile();
  // A shell in a shell in a shell, each with something to do once the one inside it is over.
  const nested = [1, 2, 3, 4].reduce(
    (inner, depth) => `sh -c ${shellQuote(inner)}; echo ${depth} >>"$WENT"`,
    "sleep 30; true",
  );
  const marked = new Deno.Command("/bin/sh", {
    args: ["-c", commandLine(nested, { mark, env: { WENT: went } })],
    stdout: "null",
  }).spawn();
  await until("the innermost runs", () => sleeps(marked.pid).length === 1);
  // Slow, as it is in a guest that has much else to do.
  const line = killLine(mark, "KILL").replaceAll("sudo -n true", "false").replaceAll(
    "kill -KILL",
    "sleep 0.1; kill -KILL",
  );
  assert.equal(await sh(line), "6\n");
  assert.equal((await marked.status).signal, "SIGKILL");
  assert.equal(await Deno.readTextFile(went), "");
  await Deno.remove(went);
});

/** What a test that fails, or forgets a promise, does to the others: nothing. Each is run by a test runner of its own. */

import * as assert from "#assert";
import { join } from "../../src/system/path.ts";
import { fileURLToPath } from "node:url";
import { identify } from "../../src/system/process.ts";
import { Running } from "./command.ts";
import { kill, until } from "./processes.ts";

const SANDBOX = new URL("sandbox.ts", import.meta.url).href;

/** Runs tests that are made here. @returns the code, and all that the runner printed */
async function runTests(text: string): Promise<{ code: number; output: string; left: string[] }> {
  const root = Deno.makeTempDirSync({ prefix: "sup" });
  try {
    const file = join(root, "made_test.ts");
    Deno.writeTextFileSync(file, `import { sandbox, test } from ${JSON.stringify(SANDBOX)};\n${text}`);
    const config = fileURLToPath(new URL("../../deno.json", import.meta.url));
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["test", "-A", "--quiet", "--no-check", `--config=${config}`, file],
      env: { NO_COLOR: "1", TMPDIR: root },
    }).output();
    const left = [...Deno.readDirSync(root)].map(({ name }) => name).filter((name) => name !== "made_test.ts");
    return { code, output: new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr), left };
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
}

Deno.test("a promise that no code awaits, and an error in a timer, fail their test and no other; nothing is left", async () => {
  const { code, output, left } = await runTests(`
    const later = (ms) => new Promise((soon) => setTimeout(soon, ms));
    test("forgets one", async () => {
      await using box = await sandbox({ fakeQemu: {} });
      void Promise.reject(new Error("forgotten"));
      await later(50);
    });
    test("has a timer", async () => {
      await using box = await sandbox({ fakeQemu: {} });
      setTimeout(() => { throw new Error("of a timer"); });
      await later(50);
    });
    test("awaits it later", async () => {
      await using box = await sandbox({ fakeQemu: {}, program: "/bin/false" });
      const [plain, ok, fails] = [box.run("x"), box.ok("x"), box.fails(2, /x/, "x")];
      await plain;
      await later(50);
      for (const one of [ok, fails]) await one.then(() => Promise.reject(new Error("no error")), () => {});
    });
  `);
  assert.equal(code, 1, output);
  assert.match(output, /^FAILED \| 1 passed \| 2 failed/m, output);
  assert.match(output, /^forgets one => [^]*an error that no code awaited: Error: forgotten/m);
  assert.match(output, /^has a timer => [^]*an error that no code awaited: Error: of a timer/m);
  assert.deepEqual(left, []);
});

Deno.test("a test that fails and leaves something behind tells both, and what it started is ended", async () => {
  const { output, left } = await runTests(`
    test("fails", async () => {
      await using box = await sandbox({ fakeQemu: {}, program: "/bin/sh" });
      await box.start(["-c", "sleep 1000 & echo begun; exec sleep 2000"]).printed(/begun/);
      throw new Error("its own");
    });
  `);
  assert.match(output, /Error: its own[^]*and at its end:\n[^]*left behind: process \d+: sleep 1000/, output);
  assert.deepEqual(left, []);
});

Deno.test("a test that hangs fails with what it had open, which is ended; those behind it run", async () => {
  const { output, left } = await runTests(`
    test("hangs", async () => {
      await using box = await sandbox({ fakeQemu: {}, program: "/bin/sh" });
      await box.start(["-c", "echo begun; exec sleep 2000"]).printed(/begun/);
      await new Promise(() => setInterval(() => {}, 1_000));
    }, { limitMs: 500 });
    test("runs", async () => {});
  `);
  assert.match(output, /^FAILED \| 1 passed \| 1 failed/m, output);
  assert.match(
    output,
    /error: Error: it had not ended after 0\.5 s\ncommand: -c echo begun; exec sleep 2000\n/,
    output,
  );
  assert.deepEqual(left, []);
});

Deno.test("a command is over at its limit, and at end(), also when a process that it started has its output open", async () => {
  const start = (script: string, limitMs: number) => {
    const env = { PATH: Deno.env.get("PATH")! };
    return new Running(["-c", script], env, { program: "/bin/sh", limitMs });
  };
  const open = "sleep 1000 & echo $!; echo words >&2";
  for (const script of [open, `${open}; exec sleep 1000`]) {
    const [late, ended] = [start(script, 300), start(script, 60_000)];
    await Promise.all([late, ended].map((one) => one.printed(/words/)));
    await ended.end();
    await assert.rejects(ended.done, /was ended with its test:\n\d+\nstandard error:\nwords/);
    await assert.rejects(late.done, /did not end within 0.3 s:\n\d+\nstandard error:\nwords/);
    await assert.rejects(late.printed(/more/), /ended \(it did not end within 0.3 s\) without printing/);
    for (const { stdout } of [late, ended]) await kill(identify(Number(stdout))!);
  }
  const quick = start("echo done", 60_000);
  await quick.done;
  await assert.rejects(quick.printed(/more/), /ended with code 0 without printing/);
  await quick.end();
  assert.equal((await quick.done).stdout, "done\n");
  await until("its signal is ignored", () => (quick.kill("SIGTERM"), true));
});

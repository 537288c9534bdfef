/** The lines for the guest's shell, run by the shell of this host. */

import * as assert from "#assert";
import { join } from "../../system/path.ts";
import { execCommandLine, type ExecFlags } from "./exec_arguments.ts";

const WORDS = ["printf", "<%s>", "a b", "$HOME", "*", "it's", "", "-n", ";", "x\ny"];
const TOLD = "<a b><$HOME><*><it's><><-n><;><x\ny>";

async function run(words: readonly string[], flags: ExecFlags, path = "/usr/bin:/bin") {
  const line = execCommandLine("a", "me", words, flags, (name) => name === "HERE" ? "of here" : undefined);
  const { code, stdout, stderr } = await new Deno.Command("sh", {
    args: ["-c", line],
    cwd: "/",
    env: { PATH: path, HOME: "/usr", CDPATH: "/usr" },
    clearEnv: true,
  }).output();
  const text = new TextDecoder();
  return { code, stdout: text.decode(stdout), stderr: text.decode(stderr) };
}

Deno.test("exec's options leave the program's words as they are", async () => {
  const plain = execCommandLine("a", "me", WORDS, { interactive: true, user: "me" });
  assert.equal(plain, execCommandLine("a", "me", WORDS, {}), "without options there is no script");
  for (const flags of [{}, { workdir: "/usr" }, { env: ["A=b", "C=d"] }]) {
    assert.equal((await run(WORDS, flags)).stdout, TOLD, JSON.stringify(flags));
  }
  const odd = await run(["A=b", "x"], { workdir: "/" });
  assert.deepEqual([odd.code, /A=b/.test(odd.stderr)], [127, true], "a program's name is no variable");
});

Deno.test("exec sets the directory and the variables, and says which directory is missing", async () => {
  const say = ["sh", "-c", 'pwd; printf %s "$A|$HERE"'];
  const flags = { workdir: "usr/bin", env: ["A=it's\n$HOME", "HERE"] };
  assert.equal((await run(say, flags)).stdout, "/usr/bin\nit's\n$HOME|of here");
  const missing = await run(say, { workdir: "no 'where" });
  assert.deepEqual(
    missing,
    { code: 125, stdout: "", stderr: `fleetbox: There is no directory "no 'where" on "a"\n` },
  );
});

Deno.test("exec runs as another user by sudo, in that user's home, and says which user is missing", async () => {
  const bin = Deno.makeTempDirSync();
  try {
    const script = (name: string, text: string) =>
      Deno.writeTextFileSync(join(bin, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
    script("id", `[ "$2" = db ]`);
    script("sudo", `user=$3$4; shift; while [ "$1" != -- ]; do shift; done; shift; HOME=/usr/lib USER=$user exec "$@"`);
    const say = ["sh", "-c", "pwd; echo $USER $A $1", "sh", "it's"];
    const path = `${bin}:/usr/bin:/bin`;
    const made = await run(say, { user: "db", env: ["A=1"] }, path);
    assert.deepEqual([made.stdout, made.stderr], ["/usr/lib\n-udb 1 it's\n", ""]);
    assert.equal((await run(say, { user: "0", workdir: "/" }, path)).stdout, "/\n-u#0 it's\n");
    const missing = await run(say, { user: "nobody2" }, path);
    assert.deepEqual(missing, { code: 125, stdout: "", stderr: 'fleetbox: There is no user "nobody2" on "a"\n' });
  } finally {
    Deno.removeSync(bin, { recursive: true });
  }
});

Deno.test("exec refuses values that cannot be", () => {
  const refuse = (flags: ExecFlags, message: RegExp) =>
    assert.throws(() => execCommandLine("a", "me", ["id"], flags, () => undefined), message);
  refuse({ env: ["A-b=1"] }, /Bad value for --env: found "A-b=1", expected NAME=VALUE/);
  refuse({ env: ["=1"] }, /Bad value for --env/);
  refuse({ env: ["NOT_HERE"] }, /the environment here has no NOT_HERE/);
  refuse({ workdir: "" }, /Bad value for --workdir/);
  refuse({ user: "me:us" }, /Bad value for --user: found "me:us"/);
  refuse({ user: "-n" }, /Bad value for --user/);
});

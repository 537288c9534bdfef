/** What is loaded when: the modules that `version` and `ls` read, and those that a compiled executable has to hold. */

import * as assert from "#assert";
import { relative } from "../system/path.ts";
import { fileURLToPath } from "node:url";
import { MODULES } from "../../main.ts";
import { Store } from "../store.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

Deno.test("what is loaded lazily is named in main.ts, by the path that its type has, and is there", async () => {
  const wanted = new Set<string>();
  for (const file of [...sources("src"), ...sources("helper")]) {
    const text = Deno.readTextFileSync(`${ROOT}${file}`);
    for (
      const [, kind, type, rest] of text.matchAll(/\b(lazyModule|entry)<typeof import\("([^"]+)"\)>(\([^;]*?\.ts")/g)
    ) {
      const path = relative(ROOT, fileURLToPath(new URL(type, `file://${ROOT}${file}`)));
      const named = /"([^"]+\.ts)"$/.exec(rest)?.[1];
      assert.equal(kind === "entry" ? `src/cli/commands/${named}` : named, path, `in ${file}`);
      wanted.add(path);
    }
  }
  assert.deepEqual(Object.keys(MODULES).toSorted(), [...wanted].toSorted());
  for (const [path, load] of Object.entries(MODULES)) {
    assert.ok(String(load).includes(`"./${path}"`), `${path} is loaded by ${load}`);
    assert.ok(await load());
  }
});

Deno.test("version reads next to nothing; ls and exec neither the argument parser nor a part of the holder", async () => {
  const home = Deno.makeTempDirSync({ prefix: "m" });
  try {
    const version = await loaded(home, "version");
    assert.deepEqual(version, ["source.ts", "src/core/lazy_modules.ts", "src/start.ts", "src/system/program_info.ts"]);
    const ls = await loaded(home, "ls");
    assert.ok(ls.includes("src/cli/listing.ts"));
    const exec = await loadedByExec(home);
    assert.ok(exec.includes("src/cli/ssh/ssh_client.ts"));
    const processes = /^src\/vmm\/(\w+\/)?processes\.ts$/; // how a hypervisor's process looks: nothing else of a driver
    for (const [command, most] of [[ls, 53], [exec, 48]] as const) {
      assert.deepEqual(
        command.filter((file) => /^src\/(holder|network|vmm|image|library)|^helper|commander/.test(file))
          .filter((file) => !processes.test(file)),
        [],
      );
      // The first of Node's modules costs 6 ms.
      const slow = command.filter((file) => / from "node:/.test(Deno.readTextFileSync(`${ROOT}${file}`)));
      assert.deepEqual(slow, []);
      assert.ok(command.length <= most, `${command.length} modules: ${command}`);
    }
  } finally {
    Deno.removeSync(home, { recursive: true });
  }
});

/** Of a program on a member that runs: here this process is its holder, and `ssh` does nothing. */
async function loadedByExec(home: string): Promise<string[]> {
  const store = Store.at(`${home}/h`);
  Deno.mkdirSync(store.runDir, { recursive: true });
  const holder = Deno.listen({ transport: "unix", path: store.memberSocket("a") });
  const report = { name: "a", state: "running", running: true, ssh: { host: "127.0.0.1", port: 1, user: "me" } };
  const answer = async (connection: Deno.Conn) => {
    using _ = connection;
    const buffer = new Uint8Array(1024);
    const request = new TextDecoder().decode(buffer.subarray(0, await connection.read(buffer) ?? 0));
    const watches = request.includes('"watch"');
    const reply = watches ? { event: "member", member: report } : report;
    await connection.write(new TextEncoder().encode(JSON.stringify(reply) + "\n"));
    // A holder whose events end is gone, and so is the machine then: more is loaded to say so.
    while (watches && await connection.read(buffer) !== null);
  };
  const answers: Promise<void>[] = [];
  const answering = (async () => {
    for await (const connection of holder) answers.push(answer(connection).catch(() => {})); // it may be gone
    await Promise.all(answers);
  })();
  Deno.symlinkSync("/bin/true", `${home}/ssh`);
  try {
    return await loaded(home, "exec", "a", "true");
  } finally {
    holder.close();
    await answering;
  }
}

/** The modules of this checkout and of npm that a command reads, as Deno's own log tells. */
async function loaded(home: string, ...args: string[]): Promise<string[]> {
  const { stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-prompt", `--config=${ROOT}deno.json`, "--log-level=debug", `${ROOT}source.ts`, ...args],
    env: { FLEETBOX_HOME: `${home}/h`, NO_COLOR: "1", PATH: home },
  }).output();
  const found = new Set<string>();
  for (const [, path] of new TextDecoder().decode(stderr).matchAll(/file:\/\/(\/[^\s"'),?]+\.(?:ts|js|json))/g)) {
    if (path.startsWith(ROOT)) found.add(relative(ROOT, path));
  }
  return [...found].filter((file) => file !== "deno.json" && file !== "package.json").toSorted();
}

function* sources(dir: string): Generator<string> {
  for (const entry of Deno.readDirSync(`${ROOT}${dir}`)) {
    const path = `${dir}/${entry.name}`;
    if (entry.isDirectory) yield* sources(path);
    else if (path.endsWith(".ts") && !path.endsWith("_test.ts")) yield path;
  }
}

/** `src/node`, run by Node, beside Deno itself: what each member does, and locks between programs of both. */

import * as assert from "#assert";
import { fileURLToPath } from "node:url";
import { join } from "../../src/system/path.ts";
import { writeAll } from "../../src/core/bytes.ts";
import { lockFile } from "../../src/system/locks.ts";
import { until } from "../support/processes.ts";
import { bundleForNode, run } from "./support.ts";

Deno.test("each member of Deno does on Node what it does on Deno", async () => {
  const root = await Deno.makeTempDir({ prefix: "n" });
  using echo = Deno.listen({ transport: "unix", path: join(root, "echo") });
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const echoing = echoAll(echo);
  try {
    const script = join(root, "members.mjs");
    await bundleForNode("members.ts", script);
    const tell = async (program: string, args: string[]) => {
      const FB_DIRECTORY = await Deno.makeTempDir({ dir: root });
      const FB_PORT = String((taken.addr as Deno.NetAddr).port);
      const env = { FB_DIRECTORY, FB_ECHO: join(root, "echo"), FB_PORT };
      const { code, text } = await run(program, args, { cwd: root, env });
      assert.equal(code, 0, text);
      return JSON.parse(text.trim().split("\n").at(-1)!.replaceAll(FB_DIRECTORY, "DIR"));
    };
    const source = fileURLToPath(new URL("members.ts", import.meta.url));
    const onDeno = await tell(Deno.execPath(), ["run", "-A", "--quiet", "--no-check", source]);
    const onNode = await tell("node", [script]);
    assert.ok(Object.keys(onDeno).length > 30);
    for (const [what, does] of Object.entries(onDeno)) assert.deepEqual({ [what]: onNode[what] }, { [what]: does });
  } finally {
    echo.close();
    await echoing;
    await Deno.remove(root, { recursive: true });
  }
});

/** Sends back what each connection has sent, once that has ended. */
async function echoAll(listener: Deno.UnixListener): Promise<void> {
  const all: Promise<void>[] = [];
  for await (const conn of listener) {
    all.push((async () => {
      try {
        const got: Uint8Array[] = [];
        const buffer = new Uint8Array(65_536);
        for (let n = await conn.read(buffer); n !== null; n = await conn.read(buffer)) got.push(buffer.slice(0, n));
        for (const bytes of got) await writeAll(conn, bytes);
        conn.close();
      } catch { /* it was closed by the other side */ }
    })());
  }
  await Promise.all(all);
}

Deno.test("a lock holds between a program on Node and one on Deno, and goes with a killed program", async () => {
  const root = await Deno.makeTempDir({ prefix: "n" });
  try {
    const script = join(root, "locker.mjs");
    await bundleForNode("locker.ts", script);
    const start = () => {
      const child = new Deno.Command("node", {
        args: [script],
        env: { FB_LOCK: join(root, "lock") },
        stdin: "piped",
        stdout: "piped",
      }).spawn();
      const pieces = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      const next = async (): Promise<string | undefined> => {
        while (!rest.includes("\n")) {
          const { value, done } = await pieces.read();
          if (done) return undefined;
          rest += value;
        }
        const [line, ...others] = rest.split("\n");
        rest = others.join("\n");
        return line;
      };
      return { child, next, end: () => pieces.cancel() };
    };
    const isLocked = async () => {
      const { code } = await run("flock", ["--nonblock", join(root, "lock"), "true"], { cwd: root });
      return code !== 0;
    };
    const one = start();
    assert.equal(await one.next(), "locked");
    assert.ok(await isLocked());
    const ours = lockFile(join(root, "lock"));
    one.child.kill("SIGKILL");
    using held = await ours;
    assert.ok(held, "a killed program has let go of it");
    const other = start();
    await other.child.stdin.close();
    const inode = held.statSync().ino;
    const waits = new RegExp(`-> FLOCK .*:${inode} `);
    await until("the other waits for ours", () => waits.test(Deno.readTextFileSync("/proc/locks")));
    held.close();
    assert.equal(await other.next(), "locked");
    assert.equal(await other.next(), "let go");
    assert.equal(await isLocked(), false);
    await Promise.all([one, other].map(async ({ child, end }) => {
      await end();
      await child.status;
    }));
    await one.child.stdin.close().catch(() => {});
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});

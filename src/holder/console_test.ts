import assert from "node:assert/strict";
import { consoleTail, followConsole, printable } from "./console.ts";

Deno.test("console: the last lines are printable, and of this boot", () => {
  const path = Deno.makeTempFileSync();
  try {
    const before = "an earlier boot\n";
    Deno.writeTextFileSync(path, before + "\x1b[2J\x1b[?7lone\r\n\x07two\x00\r\n\r\n" + "x".repeat(500) + "\nlast");
    const lines = consoleTail(path, before.length, 3);
    assert.deepEqual([lines[0], lines[1].length, lines[2]], ["two", 300, "last"]);
    assert.deepEqual(consoleTail(path, 0, 99)[0], "an earlier boot");
    assert.deepEqual(consoleTail(path + "-nosuch", 0), []);
  } finally {
    Deno.removeSync(path);
  }
});

Deno.test("console: of a log of any size only the end is read", () => {
  const path = Deno.makeTempFileSync();
  try {
    Deno.writeTextFileSync(path, "line\n".repeat(500_000) + "end\n");
    assert.deepEqual(consoleTail(path, 0, 2), ["line", "end"]);
  } finally {
    Deno.removeSync(path);
  }
});

Deno.test("console: escape sequences do not survive", () => {
  assert.equal(printable("\x1b]0;title\x07a\x1b[31mb\x1b[0mc\x9bd"), "abcd");
});

Deno.test("console: the firmware's lines are not the kernel's", async () => {
  const dir = Deno.makeTempDirSync();
  const path = `${dir}/s`;
  const listener = Deno.listen({ transport: "unix", path });
  const stages: string[] = [];
  try {
    const accepted = listener.accept();
    const ended = Promise.withResolvers<void>();
    const letGo = await followConsole(path, (stage) => {
      stages.push(stage);
      if (stage === "ssh") ended.resolve();
    });
    using guest = await accepted;
    const say = (text: string) => guest.write(new TextEncoder().encode(text));
    await say("\x1bcSeaBIOS (version 1)\nBooting from ROM..fleetbox-mi");
    await say("cro: kernel\nfleetbox-micro: network\nfleetbox-micro: ssh\n");
    await ended.promise;
    letGo();
    assert.deepEqual(stages, ["kernel", "network", "ssh"]);
  } finally {
    listener.close();
    Deno.removeSync(dir, { recursive: true });
  }
});

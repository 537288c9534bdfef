import * as assert from "#assert";
import { printable } from "../../core/printable.ts";
import { BootLines, consoleTail, cutLog } from "./console.ts";

Deno.test("a console's log that has become too large is cut to its end, with a note, and appended to as before", () => {
  const path = Deno.makeTempFileSync();
  try {
    using guest = Deno.openSync(path, { append: true });
    const say = (line: string) => guest.writeSync(new TextEncoder().encode(`${line}\r\n`));
    for (let line = 0; line < 1_000; line++) say(`line ${line}`);
    const before = Deno.statSync(path).size;
    assert.equal(cutLog(path, { maxBytes: before, keptBytes: 100 }), false);
    assert.equal(Deno.statSync(path).size, before);
    assert.equal(cutLog(path, { maxBytes: before - 1, keptBytes: 100 }), true);
    say("and on");
    assert.ok(Deno.statSync(path).size < 200);
    const tail = consoleTail(path, before, 100);
    assert.match(tail[0], /^\[fleetbox: \d+ bytes of this console were cut off here\]$/);
    assert.deepEqual(
      tail.slice(-2),
      ["line 999", "and on"],
      "what a boot said after its offset was cut away is not told",
    );
  } finally {
    Deno.removeSync(path);
  }
});

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

const encode = (text: string) => new TextEncoder().encode(text);

Deno.test("console: the firmware's lines are not the kernel's, and lines may be cut anywhere", () => {
  const heard: string[] = [];
  const lines = new BootLines({ onStage: (stage) => heard.push(stage), onCloudInit: (what) => heard.push(what) });
  lines.push(encode("\x1bcSeaBIOS (version 1)\nBooting from ROM..fleetbox-mi"));
  assert.deepEqual(heard, []);
  lines.push(encode("cro: kernel\nfleetbox-micro: network\nfleetbox-micro: ssh\n"));
  lines.push(encode("Cloud-init v. 22.4 finished at …\n"));
  assert.deepEqual(heard, ["kernel", "network", "ssh", "finished"]);
});

Deno.test("console: a guest that never ends its line costs no memory and no time", () => {
  const heard: string[] = [];
  const lines = new BootLines({ onStage: (stage) => heard.push(stage), onCloudInit: () => {} });
  const piece = encode("x".repeat(1024));
  const before = Deno.memoryUsage().heapUsed;
  for (let count = 0; count < 64 * 1024; count++) lines.push(piece);
  assert.ok(Deno.memoryUsage().heapUsed - before < 32 * 1024 * 1024);
  lines.push(encode("\nfleetbox-micro: ssh\n"));
  assert.deepEqual(heard, ["kernel", "ssh"]);
});

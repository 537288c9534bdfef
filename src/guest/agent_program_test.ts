/** The agent's program, worked off by a guest that is an object here, and its file in the micro image. */

import * as assert from "#assert";
import { FakeKernel } from "../../tests/fake_qemu/fake_kernel.ts";
import { agentMessage, agentProgram } from "./agent_program.ts";
import { type Call, results, timespec } from "./call_table.ts";
import { replied } from "./program_file.ts";

const HEX = new URL("../../images/micro/lib/agent.hex", import.meta.url);
const UPDATE = "FLEETBOX_UPDATE_SNAPSHOTS";
const AGENT = agentProgram("x86_64");
const MARK = new TextEncoder().encode("sixteen letters.");

function listening(guest = new FakeKernel()): FakeKernel {
  guest.load(AGENT.file);
  return guest;
}

/** Sets the clock, which a test can see. */
function setClock(ms: number): { message: Uint8Array; set: Call; replyBytes: number } {
  const set: Call = { name: "clock_settime", args: [0, timespec(ms)] };
  const { message, table } = agentMessage("x86_64", replied([set], AGENT.wait), [MARK]);
  return { message, set, replyBytes: table.replyBytes };
}

Deno.test("agent: the file in the micro image is this program's", () => {
  const hex = AGENT.file.toHex().match(/.{1,80}/g)!.join("\n") + "\n";
  if (Deno.env.get(UPDATE)) return Deno.writeTextFileSync(HEX, hex);
  const hint =
    `images/micro/lib/agent.hex is another program; if this is a new one, give it a new AGENT_VERSION and run: ` +
    `${UPDATE}=1 node_modules/.bin/deno test -A src/guest/agent_program_test.ts`;
  assert.equal(Deno.readTextFileSync(HEX), hex, hint);
});

Deno.test("agent: it works off each table, and waits for the next one", () => {
  const guest = listening();
  for (const ms of [5_000, 7_000]) {
    const { message, set } = setClock(ms);
    const { table, message: again } = agentMessage("x86_64", replied([set], AGENT.wait), [MARK]);
    for (let at = 0; at < message.length; at += 7) guest.feed(message.subarray(at, at + 7));
    assert.equal(guest.clockMs, ms);
    assert.equal(results(table, guest.takeTo(MARK)).of(set), 0);
    guest.feed(again);
    assert.equal((guest.takeTo(MARK)).length, table.replyBytes);
  }
  assert.ok(!guest.hasEnded);
});

Deno.test("agent: after noise, and after half a message, it finds the next one, and does nothing else", () => {
  const long = agentMessage("x86_64", replied([setClock(1).set, setClock(2).set], AGENT.wait), [MARK]).message;
  const noises = [
    new TextEncoder().encode("login: \r\n\xf1\xf1"),
    Uint8Array.from({ length: 300 }, (_, index) => index % 256),
    ...Array.from({ length: long.length }, (_, length) => long.subarray(0, length)),
  ];
  for (const noise of noises) {
    const guest = listening();
    guest.feed(noise);
    const { message, replyBytes } = setClock(9_000);
    guest.feed(message); // which may be taken for the rest of the half one
    guest.feed(new Uint8Array(long.length));
    guest.feed(message);
    const heard = guest.takeTo(MARK);
    assert.equal(heard.length, replyBytes, `after ${noise.length} bytes it says something else`);
    assert.equal(guest.clockMs, 9_000);
    assert.ok(guest.settings <= 2, `after ${noise.length} bytes it sets the clock ${guest.settings} times`);
  }
});

Deno.test("agent: a table whose length is nonsense is read as far as there is room, and given up", () => {
  const guest = listening();
  const broken = setClock(1).message.slice();
  new DataView(broken.buffer).setUint32(5, 0xffff_ffff, true);
  guest.feed(broken);
  guest.feed(new Uint8Array(0x10000));
  guest.feed(setClock(9_000).message);
  guest.takeTo(MARK);
  assert.deepEqual([guest.clockMs, guest.settings, guest.hasEnded], [9_000, 1, false]);
});

Deno.test("agent: without its port it ends", () => {
  const without = new FakeKernel();
  without.files.delete("/dev/ttyS1");
  const broken = new FakeKernel();
  broken.refuses = { 16: -5 }; // a port that no hardware is behind
  for (const guest of [without, broken]) assert.ok(listening(guest).hasEnded);
});

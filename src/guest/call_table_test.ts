import * as assert from "#assert";
import { type Call, callTable, errorWords, jump, NOT_MADE, path, timespec, timespecMs } from "./call_table.ts";

Deno.test("call table: a call is ten words, and what it points to is behind the table", () => {
  const answer = new Uint8Array(16);
  const read: Call = { name: "read", args: [0, answer, 16], whole: true, otherwise: 0x1234 };
  const open: Call = { name: "openat", args: [-100, path("/x"), 0, 7], to: { call: read, index: 0 } };
  const calls = [open, read, { name: "write", args: [1, "table", "reply"] } satisfies Call, jump(open)];
  const table = callTable("x86_64", 0x1000, calls, [answer]);
  const words = [...new Int32Array(table.bytes.buffer)];
  const row = (index: number) => words.slice(10 * index, 10 * index + 10);
  const behind = 0x1000 + 4 * 40, least = -0x80000000;
  assert.deepEqual(row(0), [257, -100, behind + 16, 0, 7, 0x1000 + 44, least, 0, 0, NOT_MADE]);
  assert.deepEqual(row(1), [0, 0, behind, 16, 0, 0x1000 + 76, 1, 0x1234, 1, NOT_MADE]);
  assert.deepEqual(row(2), [1, 1, 0x1000, 4 * 40 + 16, 0, 0x1000 + 116, least, 0, 0, NOT_MADE]);
  assert.deepEqual(row(3), [39, 0, 0, 0, 0, 0x1000 + 156, NOT_MADE, 0x1000, 0, NOT_MADE]);
  assert.equal(table.replyBytes, 4 * 40 + 16);
  assert.equal(table.bytes.length, 4 * 40 + 16 + 8);
  assert.deepEqual(table.bytes.subarray(-8), new TextEncoder().encode("/x\0\0\0\0\0\0"));
  assert.equal(new Int32Array(callTable("aarch64", 0x1000, calls).bytes.buffer)[0], 56);
});

Deno.test("call table: results and pieces are read back from a reply", () => {
  const answer = new Uint8Array(16);
  const look: Call = { name: "clock_gettime", args: [0, answer] };
  const table = callTable("x86_64", 0x1000, [jump(0x2000), look], [answer]);
  const reply = table.bytes.slice(0, table.replyBytes);
  assert.equal(table.result(look, reply), NOT_MADE);
  new DataView(reply.buffer).setInt32(40 + 36, -22, true);
  reply.set(timespec(5), 80);
  assert.equal(table.result(look, reply), -22);
  assert.equal(timespecMs(table.back(answer, reply)), 5);
});

Deno.test("call table: a call that may fail without a next one, and one that is not in the table, are mistakes", () => {
  const look: Call = { name: "getpid", args: [], atLeast: 1 };
  assert.throws(() => callTable("x86_64", 0, [look]), /says nothing of a result that is too small/);
  assert.throws(() => callTable("x86_64", 0, [jump(look)]), /is not in its table/);
});

Deno.test("call table: times keep their milliseconds, before 1970 too", () => {
  for (const ms of [0, 1, 1_795_835_835_434, 4_294_967_296_999, -1]) assert.equal(timespecMs(timespec(ms)), ms);
  assert.deepEqual([...new BigInt64Array(timespec(-1).slice().buffer)], [-1n, 999_000_000n]);
});

Deno.test("call table: errors are told in words, unknown ones by their number", () => {
  assert.equal(errorWords(-1), "Operation not permitted (error 1)");
  assert.equal(errorWords(-999), "error 999");
});

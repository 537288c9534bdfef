/** The program for guests is one for this host's kernel too: its code is run here, with calls that change nothing. */

import * as assert from "#assert";
import { join } from "../system/path.ts";
import { exists } from "../system/files.ts";
import type { Architecture } from "../vmm/contract.ts";
import { type Call, path, timespecMs } from "./call_table.ts";
import { AT_FDCWD, guestProgram, guestScript, printfFormat, ROOM } from "./guest_program.ts";

const ARCH = Deno.build.arch as Architecture;
const ignore = Deno.build.os !== "linux";

/** Runs a program with this input, given in pieces of `pieceBytes`; returns its output. */
async function execute(file: Uint8Array, input: Uint8Array[], directory: string, pieceBytes = 7): Promise<Uint8Array> {
  Deno.writeFileSync(join(directory, "program"), file, { mode: 0o700 });
  const child = new Deno.Command("./program", { cwd: directory, stdin: "piped", stdout: "piped" }).spawn();
  const output = child.output();
  const writer = child.stdin.getWriter();
  for (const message of input) {
    for (let at = 0; at < message.length; at += pieceBytes) await writer.write(message.slice(at, at + pieceBytes));
  }
  await writer.close();
  const { code, stdout } = await output;
  assert.equal(code, 0);
  return stdout;
}

async function inDirectory(work: (directory: string) => Promise<void>): Promise<void> {
  const directory = Deno.makeTempDirSync({ prefix: "fleetbox-test-" });
  try {
    await work(directory);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

Deno.test({
  name: "guest program: it removes itself, reads its file, works off each table, and ends with its input",
  ignore,
  fn: () =>
    inDirectory(async (directory) => {
      const content = "x".repeat(60_000);
      Deno.writeTextFileSync(join(directory, "file"), content);
      Deno.writeTextFileSync(join(directory, "kept"), "old and long");
      const program = guestProgram(ARCH, "program", join(directory, "file"));
      const answer = new Uint8Array(16);
      const write: Call = { name: "write", args: [9, new TextEncoder().encode("new"), 3], whole: true, otherwise: 1 };
      const cut: Call = { name: "ftruncate", args: [9, 3] };
      const missing: Call = { name: "openat", args: [AT_FDCWD, path("no/such"), 0], atLeast: 0, otherwise: cut };
      const skipped: Call = { name: "getpid", args: [] };
      const name: Call = { name: "dup3", args: [0, 9, 0] };
      const open: Call = { name: "openat", args: [AT_FDCWD, path("kept"), 1], to: { call: name, index: 0 } };
      const look: Call = { name: "clock_gettime", args: [0, answer] };
      // Harmless even for root: the kernel refuses these values.
      const set: Call = { name: "clock_settime", args: [0, new Uint8Array(16).fill(255)] };
      const calls = [open, name, write, missing, skipped, cut, look, set];
      const { table, message } = program.next(calls, [answer]);
      const second = program.next([look], [answer]);
      const output = await execute(program.file, [message, second.message], directory);

      assert.ok(!exists(join(directory, "program")));
      assert.equal(program.fileBytes(output), content.length);
      assert.deepEqual(output.slice(program.replyBytes - 16, program.replyBytes), program.mark);
      const replies = output.subarray(program.replyBytes + content.length);
      assert.equal(new TextDecoder().decode(output.slice(program.replyBytes, -replies.length)), content);
      assert.equal(replies.length, table.replyBytes + second.table.replyBytes);
      assert.ok(table.result(open, replies) > 2);
      assert.equal(table.result(name, replies), 9);
      assert.equal(table.result(write, replies), 3);
      assert.equal(table.result(missing, replies), -2);
      assert.equal(table.result(skipped, replies), 0x7fffffff, "it was made");
      assert.equal(table.result(cut, replies), 0);
      assert.ok([-1, -22].includes(table.result(set, replies)), `${table.result(set, replies)}`);
      assert.equal(Deno.readTextFileSync(join(directory, "kept")), "new");
      for (const [which, reply] of [[table, replies], [second.table, replies.subarray(table.replyBytes)]] as const) {
        assert.equal(which.result(look, reply), 0);
        assert.ok(Math.abs(timespecMs(which.back(answer, reply)) - Date.now()) < 60_000);
      }
    }),
});

Deno.test({
  name: "guest program: a file that is missing, empty or a directory is told, and the tables come after it",
  ignore,
  fn: () =>
    inDirectory(async (directory) => {
      Deno.writeTextFileSync(join(directory, "empty"), "");
      for (const [file, expected] of [["no-such", -2], ["empty", 0], [".", -21]] as const) {
        const program = guestProgram(ARCH, "program", file);
        const ask: Call = { name: "getpid", args: [] };
        const { table, message } = program.next([ask]);
        const output = await execute(program.file, [message], directory, message.length);
        assert.equal(program.fileBytes(output), expected);
        assert.equal(output.length, program.replyBytes + table.replyBytes, file);
        assert.ok(table.result(ask, output.subarray(program.replyBytes)) > 0);
      }
      const program = guestProgram(ARCH, "program");
      assert.equal((await execute(program.file, [], directory)).length, program.replyBytes, "it reads no file");
      assert.throws(
        () => program.next([{ name: "write", args: [1, new Uint8Array(ROOM), 1] }]),
        /expected 65536 at most/,
      );
    }),
});

Deno.test("guest program: the shell's printf writes any bytes from their format", async () => {
  const bytes = new Uint8Array(3 * 256);
  for (let at = 0; at < 256; at++) bytes.set([at, 0x30 + at % 10, at], 3 * at);
  const { code, stdout } = await new Deno.Command("/bin/sh", { args: ["-c", `printf '${printfFormat(bytes)}'`] })
    .output();
  assert.equal(code, 0);
  assert.deepEqual(stdout, bytes);
});

Deno.test({
  name: "guest program: the script runs it, and leaves nothing behind, also when sudo refuses",
  ignore,
  fn: () =>
    inDirectory(async (directory) => {
      const bin = join(directory, "bin");
      Deno.mkdirSync(bin);
      const sudo = (body: string) => Deno.writeTextFileSync(join(bin, "sudo"), `#!/bin/sh\n${body}\n`, { mode: 0o700 });
      const name = `.fleetbox-${crypto.randomUUID()}`;
      const shell = async (options: { sudo: boolean }) => {
        const program = guestProgram(ARCH, name);
        const { code, stdout, stderr } = await new Deno.Command("/bin/sh", {
          args: ["-c", guestScript(program.file, name, options)],
          env: { PATH: `${bin}:${Deno.env.get("PATH")}`, HOME: directory },
          stdin: "null",
        }).output();
        for (const place of ["/dev/shm", "/tmp", "/run", "/var/tmp", directory]) {
          assert.ok(!exists(join(place, name)), `it is still in ${place}`);
        }
        return { code, said: new TextDecoder().decode(stderr), isMarked: indexOf(stdout, program.mark) >= 0 };
      };
      assert.deepEqual(await shell({ sudo: false }), { code: 0, said: "", isMarked: true });
      sudo('[ "$1" = -n ] && shift && exec "$@"');
      assert.deepEqual(await shell({ sudo: true }), { code: 0, said: "", isMarked: true });
      sudo("echo 'sudo: a password is required' >&2; exit 1");
      assert.deepEqual(await shell({ sudo: true }), {
        code: 1,
        said: "sudo: a password is required\n",
        isMarked: false,
      });
    }),
});

function indexOf(bytes: Uint8Array, part: Uint8Array): number {
  return bytes.findIndex((_, at) => part.every((byte, index) => bytes[at + index] === byte));
}

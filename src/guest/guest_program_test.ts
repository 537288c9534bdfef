/** The program for guests is one for this host's kernel too: its code is run here, with calls that change nothing. */

import * as assert from "#assert";
import { join } from "../system/path.ts";
import { exists } from "../system/files.ts";
import type { Architecture } from "../vmm/contract.ts";
import { AT_FDCWD, type Call, NOT_MADE, path, timespecMs } from "./call_table.ts";
import { type GuestProgram, guestProgram, guestScript, printfFormat } from "./guest_program.ts";
import { EndOfOutput, Output } from "./output.ts";
import { ROOM } from "./program_file.ts";
import type { GuestKernel } from "./renewal.ts";

const ARCH = Deno.build.arch as Architecture;
const ignore = Deno.build.os !== "linux";

/** A program that runs here, as a guest's kernel. What is written to it comes in pieces of `pieceBytes`. */
class Executed {
  readonly kernel: GuestKernel;
  readonly #child: Deno.ChildProcess;
  readonly #output = new Output();
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  #written = Promise.resolve();

  constructor(program: GuestProgram, directory: string, pieceBytes = 7) {
    Deno.writeFileSync(join(directory, "program"), program.file, { mode: 0o700 });
    this.#child = new Deno.Command("./program", { cwd: directory, stdin: "piped", stdout: "piped" }).spawn();
    this.#writer = this.#child.stdin.getWriter();
    void this.#hear(this.#child.stdout);
    this.kernel = program.kernel({
      write: (bytes) => {
        for (let at = 0; at < bytes.length; at += pieceBytes) {
          this.#written = this.#written.then(() => this.#writer.write(bytes.slice(at, at + pieceBytes)));
        }
      },
      read: (length) => this.#output.read(length),
      readTo: (mark) => this.#output.readTo(mark),
    });
  }

  async #hear(stdout: ReadableStream<Uint8Array>): Promise<void> {
    for await (const piece of stdout) this.#output.push(piece);
    this.#output.end();
  }

  /** Its input ends; then it must, too, and have said no more than was read. */
  async end(): Promise<void> {
    await this.#written;
    await this.#writer.close();
    assert.equal((await this.#child.status).code, 0);
    await assert.rejects(this.#output.read(1), EndOfOutput);
  }
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
      const executed = new Executed(program, directory);
      const { kernel } = executed;
      assert.equal(new TextDecoder().decode((await kernel.file()) as Uint8Array), content);
      const results = await kernel.call([open, name, write, missing, skipped, cut, look, set], [answer]);
      const second = await kernel.call([look], [answer]);
      await executed.end();

      assert.ok(!exists(join(directory, "program")));
      assert.ok(results.of(open) > 2);
      assert.deepEqual([name, write, missing, cut].map(results.of), [9, 3, -2, 0]);
      assert.equal(results.of(skipped), NOT_MADE, "it was made");
      assert.ok([-1, -22].includes(results.of(set)), `${results.of(set)}`);
      assert.equal(Deno.readTextFileSync(join(directory, "kept")), "new");
      for (const reply of [results, second]) {
        assert.equal(reply.of(look), 0);
        assert.ok(Math.abs(timespecMs(reply.back(answer)) - Date.now()) < 60_000);
      }
    }),
});

Deno.test({
  name: "guest program: a file that is missing, empty or a directory is told, and the tables come after it",
  ignore,
  fn: () =>
    inDirectory(async (directory) => {
      Deno.writeTextFileSync(join(directory, "empty"), "");
      const ask: Call = { name: "getpid", args: [] };
      for (const [file, expected] of [["no-such", -2], ["empty", new Uint8Array(0)], [".", -21]] as const) {
        const executed = new Executed(guestProgram(ARCH, "program", file), directory, 10_000);
        assert.deepEqual(await executed.kernel.file(), expected);
        assert.ok((await executed.kernel.call([ask])).of(ask) > 0);
        await executed.end();
      }
      const executed = new Executed(guestProgram(ARCH, "program"), directory);
      await executed.kernel.ready();
      await assert.rejects(
        executed.kernel.call([{ name: "write", args: [1, new Uint8Array(ROOM), 1] }]),
        /expected 65536 at most/,
      );
      await executed.end();
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
        const output = new Output();
        output.push(stdout);
        output.end();
        const ready = program.kernel({
          write: () => {},
          read: (length) => output.read(length),
          readTo: (mark) => output.readTo(mark),
        }).ready();
        const ran = await ready.then(() => true, (thrown) => !(thrown instanceof EndOfOutput));
        return { code, said: new TextDecoder().decode(stderr), ran };
      };
      assert.deepEqual(await shell({ sudo: false }), { code: 0, said: "", ran: true });
      sudo('[ "$1" = -n ] && shift && exec "$@"');
      assert.deepEqual(await shell({ sudo: true }), { code: 0, said: "", ran: true });
      sudo("echo 'sudo: a password is required' >&2; exit 1");
      assert.deepEqual(await shell({ sudo: true }), {
        code: 1,
        said: "sudo: a password is required\n",
        ran: false,
      });
    }),
});

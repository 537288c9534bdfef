/** One real machine: commands, files, waits, restarts. It is booted once, for all steps. */

import * as assert from "#assert";
import { handled } from "../support/socket.ts";
import { test } from "../support/test.ts";
import { pause } from "../../src/core/deadline.ts";
import { join } from "../../src/system/path.ts";
import { CommandError, FleetboxError, start } from "../../mod.ts";
import { assertNothingLeft, testStore, textOf } from "./support.ts";

const { store, options } = testStore();

/** The error that a call must reject with: its code, and words of its message. */
async function fails(call: Promise<unknown>, code: string, words: RegExp): Promise<FleetboxError> {
  try {
    await call;
  } catch (thrown) {
    assert.ok(thrown instanceof FleetboxError, String(thrown));
    assert.equal(thrown.code, code, thrown.message);
    assert.match(thrown.message, words);
    return thrown;
  }
  assert.fail(`expected a failure with ${words}`);
}

test("one machine", async (t) => {
  const directory = Deno.makeTempDirSync();
  {
    Deno.mkdirSync(join(directory, "fixture"));
    Deno.writeTextFileSync(join(directory, "fixture", "word"), "fixed\n");
    await using vm = await start("one", {
      ...options,
      publish: [8000],
      fixtures: [{ hostPath: join(directory, "fixture"), guestPath: "/srv/fixture" }],
      userData: "#cloud-config\nusers:\n  - name: tester\n",
      run: { script: "cat /srv/fixture/word >/srv/ran; id -un >>/srv/ran; grep -c ^tester: /etc/passwd >>/srv/ran" },
    });

    await t.step("has run its script, as root, when all of that was there", async () => {
      assert.equal(await vm.readTextFile("/srv/ran"), "fixed\nroot\n1\n");
    });

    await t.step("has its shared directory, and what user-data asks for", async () => {
      assert.equal(await vm.readTextFile("/srv/fixture/word"), "fixed\n");
      await vm.exec("grep ^tester: /etc/passwd && ! sudo touch /srv/fixture/x", { check: true });
    });

    await t.step("has a name, an address and an SSH port", async () => {
      assert.equal(vm.name, "one");
      assert.match(vm.ip, /^10\.88\.0\.\d+$/);
      assert.equal(vm.ssh.keyPath, store.key);
      assert.equal(await vm.state(), "running");
      assert.equal((await vm.exec("hostname")).stdout, "one\n");
    });

    await t.step("exec gives code, signal and both outputs, also of a command that fails", async () => {
      assert.deepEqual(await vm.exec("echo out; echo err >&2; exit 3"), {
        code: 3,
        signal: null,
        stdout: "out\n",
        stderr: "err\n",
      });
      const { code, signal } = await vm.exec("kill -9 $$");
      assert.deepEqual({ code, signal }, { code: null, signal: "SIGKILL" });
      const thrown = await fails(vm.exec("echo no >&2; exit 7", { check: true }), "failed", /ended with code 7: no/);
      assert.ok(thrown instanceof CommandError);
      assert.equal(thrown.result.code, 7);
    });

    await t.step("exec passes words, variables, directory and input exactly", async () => {
      const odd = ["a b", "it's", "$HOME", "*", "", 'ü\n"x"', "--"];
      const { stdout } = await vm.exec(["printf", "<%s>", ...odd]);
      assert.equal(stdout, odd.map((word) => `<${word}>`).join(""));
      assert.equal((await vm.exec("echo $ODD; pwd", { env: { ODD: "q'x y" }, cwd: "/tmp" })).stdout, "q'x y\n/tmp\n");
      assert.equal((await vm.exec("cat", { stdin: "text" })).stdout, "text");
      assert.equal((await vm.exec("wc -c", { stdin: new Uint8Array(100_000) })).stdout.trim(), "100000");
      const stream = new Blob(["streamed ", "in"]).stream();
      assert.equal((await vm.exec("cat", { stdin: stream })).stdout, "streamed in");
      assert.equal((await vm.exec("cat")).stdout, "");
      const endless = new ReadableStream<Uint8Array>({ pull: (it) => it.enqueue(new Uint8Array(65536)) });
      assert.equal((await vm.exec("head -c 3 >/dev/null; echo over", { stdin: endless })).stdout, "over\n");
    });

    await t.step("exec limits the output that it keeps", async () => {
      await fails(
        vm.exec("yes", { maxOutputBytes: 10_000, timeoutMs: 30_000 }),
        "failed",
        /wrote more than 10000 bytes to standard output/,
      );
      assert.equal((await vm.exec("ps | grep -c '[y]es'")).stdout, "0\n");
    });

    await t.step("a command that writes too much, or whose input fails, is ended with what it started", async () => {
      const flood = "head -c 20000 /dev/zero; (sleep 4716 &); sleep 4716; touch /tmp/flooded";
      await fails(vm.exec(flood, { maxOutputBytes: 10_000 }), "failed", /wrote more than 10000 bytes/);
      const stdin = new ReadableStream<Uint8Array>({ pull: (it) => it.error(new Error("it broke")) });
      await assert.rejects(vm.exec("cat; sleep 4717", { stdin }), /it broke/);
      assert.equal((await vm.exec("ps -o args | grep '471[67]'; ls /tmp/flooded")).stdout, "");
    });

    await t.step("a limit ends a command with all that it started", async () => {
      await vm.exec("true");
      await fails(
        vm.exec("(sleep 4711 &); sudo sleep 4711; touch /tmp/went-on", { timeoutMs: 1500 }),
        "timeout",
        /did not end within 1500 ms; it was killed \([2-9] processes\)/,
      );
      assert.deepEqual((await vm.exec("ps -o args | grep 471[1]; ls /tmp/went-on")).stdout, "");
    });

    await t.step("an AbortSignal ends a command, and an aborted one starts none", async () => {
      const abort = new AbortController();
      setTimeout(() => abort.abort(new Error("enough")), 500);
      const thrown = await fails(vm.exec("sleep 4712", { signal: abort.signal }), "interrupted", /was interrupted/);
      assert.equal((thrown.cause as Error).message, "enough");
      await fails(vm.exec("touch /tmp/never", { signal: abort.signal }), "interrupted", /not started/);
      assert.deepEqual((await vm.exec("ps -o args | grep 471[2]; ls /tmp/never")).stdout, "");
    });

    await t.step("more simultaneous commands than one connection takes are queued", async () => {
      const all = await Promise.all(Array.from({ length: 20 }, (_, at) => vm.exec(`echo ${at}`)));
      assert.deepEqual(all.map(({ stdout }) => Number(stdout)), Array.from({ length: 20 }, (_, at) => at));
    });

    await t.step("spawn streams both ways, and disposing of it kills", async () => {
      {
        await using cat = await vm.spawn('while read -r line; do echo "<$line>"; done; echo end >&2', {
          stdin: "piped",
        });
        const writer = cat.stdin.getWriter();
        const reader = cat.stdout.pipeThrough(new TextDecoderStream()).getReader();
        const stderr = handled(textOf(cat.stderr));
        await writer.write(new TextEncoder().encode("one\n"));
        assert.equal((await reader.read()).value, "<one>\n");
        await writer.write(new TextEncoder().encode("two\n"));
        assert.equal((await reader.read()).value, "<two>\n");
        await writer.close();
        assert.equal((await reader.read()).done, true);
        assert.equal(await stderr, "end\n");
        assert.deepEqual(await cat.status, { code: 0, signal: null });
      }
      {
        await using sleep = await vm.spawn("sleep 4713");
        void sleep;
        await vm.waitFor({ command: "ps -o args | grep '471[3]'" });
      }
      assert.equal((await vm.exec("ps -o args | grep 471[3]")).stdout, "");
      await using trap = await vm.spawn("trap 'echo got it; exit 5' TERM; echo set; while :; do sleep 0.1; done");
      const reader = trap.stdout.pipeThrough(new TextDecoderStream()).getReader();
      assert.equal((await reader.read()).value, "set\n");
      await trap.kill("TERM");
      assert.equal((await reader.read()).value, "got it\n");
      assert.equal((await trap.status).code, 5);
    });

    await t.step("writeFile and readFile keep every byte, and the mode", async () => {
      const bytes = new Uint8Array(300_000).map((_, at) => (at * 31) % 256);
      await vm.writeFile("bytes", bytes, { mode: 0o640 });
      assert.deepEqual(await vm.readFile("bytes"), bytes);
      assert.equal((await vm.exec("stat -c %a bytes")).stdout, "640\n");
      await vm.writeFile("bytes", "short\n");
      assert.equal(await vm.readTextFile("bytes"), "short\n");
      await vm.writeFile("empty", "");
      assert.equal((await vm.readFile("empty")).length, 0);
      assert.match(await vm.readTextFile("/proc/version"), /^Linux version/);
      const missing = await fails(
        vm.readFile("/nowhere"),
        "not-found",
        /Cannot read \/nowhere on "one": there is no such/,
      );
      assert.match(missing.stack!, /machine_test/);
      await fails(vm.writeFile("/etc/hostname", "x"), "denied", /permission denied for the guest's user/);
      // A piece that fails while the next one is waited for.
      const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
      const writing = handled(vm.writeFile("/dev/full", readable));
      const writer = writable.getWriter();
      await writer.write(new Uint8Array(10));
      await pause(500);
      await writer.close();
      await fails(writing, "failed", /Cannot write \/dev\/full on "one"/);
    });

    await t.step("files and streamed commands have a limit, too; what is stuck holds up nothing", async () => {
      await vm.exec("mkfifo /tmp/pipe", { check: true });
      const stuck = await fails(
        vm.readFile("/tmp/pipe", { timeoutMs: 300 }),
        "timeout",
        /^readFile\(\) on "one" did not end within 300 ms: reading \/tmp\/pipe$/,
      );
      assert.match(stuck.stack!.split("\n").find((line) => /^ +at /.test(line))!, /machine_test/);
      await vm.readTextFile("/etc/hostname"); // its channel is open
      const pieces = new Blob([new Uint8Array(65536)]);
      const beside = vm.writeFile("/tmp/beside", slow(pieces.stream(), 2000), { timeoutMs: 30_000 });
      await fails(vm.readFile("/tmp/pipe", { timeoutMs: 300 }), "timeout", /reading \/tmp\/pipe$/);
      await fails(
        beside,
        "failed",
        /Cannot write \/tmp\/beside on "one": (No response|the channel for files was closed)/,
      );
      let isCancelled = false;
      const silent = new ReadableStream<Uint8Array>({ cancel: () => void (isCancelled = true) }, { highWaterMark: 0 });
      const other = handled(vm.writeFile("/tmp/other", slow(pieces.stream(), 2000)));
      await fails(vm.writeFile("/tmp/silent", silent, { timeoutMs: 300 }), "timeout", /writing \/tmp\/silent$/);
      await other;
      assert.equal((await vm.exec("stat -c %s /tmp/other")).stdout, "65536\n");
      assert.ok(isCancelled);
      const copy = vm.copyTo(directory, "/tmp/x", { signal: AbortSignal.abort(new Error("enough")) });
      await fails(copy, "interrupted", /^copyTo\(\) on "one" was interrupted: copying .* to \/tmp\/x$/);
      assert.equal(await vm.readTextFile("/etc/hostname", { timeoutMs: 60_000 }), "one\n");
      const sleep = await vm.spawn("sleep 4715", { timeoutMs: 300 });
      await fails(sleep.status, "timeout", /"sleep 4715" on "one" did not end within 300 ms; it was killed/);
      assert.equal((await vm.exec("ps -o args | grep 471[5]")).stdout, "");
    });

    await t.step("directories are copied both ways, with modes and links", async () => {
      const from = join(directory, "tree");
      Deno.mkdirSync(join(from, "inner/empty"), { recursive: true });
      Deno.writeTextFileSync(join(from, "run.sh"), "#!/bin/sh\necho ran\n");
      Deno.writeTextFileSync(join(from, "inner/ü $x"), "odd");
      for (let at = 0; at < 30; at++) Deno.writeTextFileSync(join(from, `inner/${at}`), String(at));
      Deno.symlinkSync("run.sh", join(from, "link"));
      Deno.chmodSync(join(from, "run.sh"), 0o750);
      Deno.chmodSync(join(from, "inner/1"), 0o400);
      Deno.chmodSync(join(from, "inner/empty"), 0o500);
      Deno.chmodSync(join(from, "inner"), 0o711);
      await vm.copyTo(from, "tree");
      const listed = await vm.exec("stat -c '%a %F' tree/run.sh tree/inner/1 tree/inner/empty tree/inner tree/link");
      assert.equal(
        listed.stdout,
        "750 regular file\n400 regular file\n500 directory\n711 directory\n777 symbolic link\n",
      );
      assert.equal((await vm.exec("tree/link")).stdout, "ran\n");
      await vm.copyTo(join(from, "run.sh"), "/tmp"); // into a directory
      await vm.copyFrom("tree", join(directory, "back"));
      assert.deepEqual(listing(join(directory, "back")), listing(from));
      assert.equal(Deno.readTextFileSync(join(directory, "back/inner/ü $x")), "odd");
      assert.equal(Deno.readLinkSync(join(directory, "back/link")), "run.sh");
      await vm.copyFrom("/tmp/run.sh", `${directory}/into/`);
      assert.equal(Deno.statSync(join(directory, "into/run.sh")).mode! & 0o777, 0o750);
      await fails(vm.copyTo(join(directory, "none"), "x"), "not-found", /There is no .*none on this host/);
    });

    await t.step(
      "a guest's link that an earlier copy has brought is replaced: nothing is written through it",
      async () => {
        const [mine, out] = [join(directory, "mine"), join(directory, "out")];
        Deno.mkdirSync(mine);
        Deno.writeTextFileSync(join(mine, "keys"), "mine\n");
        await vm.exec(`mkdir out && cd out && ln -s ${mine} inner && ln -s ${mine}/keys file`, { check: true });
        await vm.copyFrom("out", out);
        await vm.exec("cd out && rm inner file && mkdir inner && echo theirs | tee file >inner/new", { check: true });
        await vm.copyFrom("out", out);
        assert.deepEqual([...Deno.readDirSync(mine)].map(({ name }) => name), ["keys"]);
        assert.equal(Deno.readTextFileSync(join(mine, "keys")), "mine\n");
        assert.equal(Deno.readTextFileSync(join(out, "file")), "theirs\n");
        assert.equal(Deno.readTextFileSync(join(out, "inner/new")), "theirs\n");
      },
    );

    await t.step("waitFor waits for ports, files, lines and commands, and its error says what was there", async () => {
      await vm.waitFor({ port: 22 });
      await vm.exec("(sleep 1; touch /tmp/ready; echo 'listening on 8080' >>/tmp/log) >/dev/null 2>&1 &");
      await Promise.all([
        vm.waitFor({ file: "/tmp/ready" }),
        vm.waitFor({ command: ["test", "-e", "/tmp/ready"] }),
        vm.waitFor({ log: /listening on (\d+)/g, in: "/tmp/log" }).then((line) =>
          assert.equal(line, "listening on 8080")
        ),
      ]);
      assert.match(await vm.waitFor({ log: "fleetbox-micro: ssh" }), /ssh/);
      const thrown = await fails(
        vm.waitFor({ port: 4713 }, { timeoutMs: 700 }),
        "timeout",
        /No program listened on port 4713 within 0.7 s on "one"/,
      );
      assert.match(String(thrown.cause), /refused/i);
      const second = await fails(
        vm.waitFor({ command: "echo not yet >&2; false" }, { timeoutMs: 1000 }),
        "timeout",
        /did not succeed within 1 s/,
      );
      assert.match(String(second.cause), /code 1: not yet/);
      // @ts-expect-error: not a target
      await fails(vm.waitFor({ prot: 22 }), "misuse", /expected one of port, file, log/);
    });

    await t.step(
      "port forwards lead to the guest: published ones, and others at any time",
      async () => {
        await vm.exec(
          "mkdir -p site && echo served > site/file && (httpd -p 8000 -h site; httpd -p 8001 -h site) >/dev/null 2>&1",
          {
            check: true,
          },
        );
        const get = async (port: number) => await (await fetch(`http://127.0.0.1:${port}/file`)).text();
        const port = await vm.forward(8000);
        assert.equal(await get(port), "served\n");
        assert.equal(await vm.forward(8000), port);
        assert.equal(await get(await vm.forward(8001)), "served\n");
        await fails(vm.forward(8002, port), "conflict", /already leads to port 8000 of "one"/);
        await fails(vm.forward(0), "misuse", /guest_port/);
      },
    );

    await t.step("options are checked", async () => {
      // @ts-expect-error: not an option
      await fails(vm.exec("true", { timeout: 5 }), "misuse", /Unknown option "timeout" of exec\(\) on "one"/);
      await fails(vm.exec("true", { timeoutMs: -5 }), "misuse", /Bad option "timeoutMs".*found -5, expected a number/);
      await fails(vm.exec("true", { env: { "A B": "x" } }), "misuse", /Not a name of an environment variable/);
      await fails(vm.exec([]), "misuse", /it is empty/);
    });

    await t.step("the connection comes back after the guest restarted itself", async () => {
      const bootId = async () => (await vm.exec("cat /proc/sys/kernel/random/boot_id", { timeoutMs: 60_000 })).stdout;
      const before = await bootId();
      await vm.exec("echo kept > kept; sync; sudo reboot", { timeoutMs: 20_000 }).catch(() => {});
      await vm.waitFor({ command: ["sh", "-c", `test "$(cat /proc/sys/kernel/random/boot_id)" != ${before.trim()}`] });
      assert.notEqual(await bootId(), before);
      assert.equal(await vm.readTextFile("kept"), "kept\n");
    });

    await t.step("stop and start keep the disk", async () => {
      await vm.stop();
      assert.equal(await vm.state(), "stopped");
      await fails(vm.exec("true"), "conflict", /"one" does not run: it is down/);
      await fails(vm.waitFor({ port: 22 }), "conflict", /it is down/);
      await vm.stop(); // a second time
      await vm.start();
      assert.equal(await vm.readTextFile("kept"), "kept\n");
      assert.equal((await vm.console()).match(/fleetbox-micro: ssh/g)?.length, 1, "the latest start alone");
      assert.equal((await vm.console({ all: true })).match(/fleetbox-micro: ssh/g)?.length, 3);
      await vm.start(); // one that runs
    });

    await t.step("a restart by force cuts the power, as kill does: synced data is kept", async () => {
      await vm.exec("echo synced > synced; sync", { check: true });
      const sleep = await vm.spawn("sleep 4714");
      const restarted = handled(vm.restart({ force: true }));
      await fails(sleep.status, "failed", /the connection to the machine broke/);
      await restarted;
      assert.equal(await vm.readTextFile("synced"), "synced\n");
    });

    await t.step("destroy removes it, and may be called twice; disposing waits for it", async () => {
      const destroyed = handled(vm.destroy());
      await vm[Symbol.asyncDispose]();
      assertNothingLeft(store);
      await destroyed;
      assert.equal(await vm.state(), "absent");
      await vm.destroy();
      assertNothingLeft(store);
      await fails(vm.exec("true"), "conflict", /was destroyed/);
      await fails(vm.start(), "conflict", /was closed|was destroyed/);
    });
  }
  Deno.removeSync(directory, { recursive: true });
});

/** A stream that gives its first piece late. */
function slow(stream: ReadableStream<Uint8Array>, ms: number): ReadableStream<Uint8Array> {
  return stream.pipeThrough(
    new TransformStream({
      async transform(piece, controller) {
        await pause(ms);
        controller.enqueue(piece);
      },
    }),
  );
}

/** Paths and modes below a directory. */
function listing(root: string, path = ""): string[] {
  return [...Deno.readDirSync(join(root, path))].sort((a, b) => a.name < b.name ? -1 : 1).flatMap((entry) => {
    const inner = join(path, entry.name);
    const mode = entry.isSymlink ? "link" : (Deno.statSync(join(root, inner)).mode! & 0o777).toString(8);
    return [`${inner} ${mode}`, ...(entry.isDirectory ? listing(root, inner) : [])];
  });
}

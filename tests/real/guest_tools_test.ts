/** A real guest from the command line: `exec`, `cp`, a larger disk, a shared directory. Two machines are booted once. */

import * as assert from "#assert";
import { handled } from "../support/socket.ts";
import { exists } from "../../src/system/files.ts";
import { join } from "../../src/system/path.ts";
import { until } from "../support/processes.ts";
import { freePorts } from "../support/free_ports.ts";
import { FLEETBOX } from "../support/command.ts";
import { MAY_SHARE } from "../support/guest.ts";
import { type Sandbox, sandbox, test, told } from "../support/sandbox.ts";
import { OnTerminal } from "../support/terminal.ts";

test("exec and cp work on real guests, the root file system has 20 GiB of disk, and a shared directory is there, read-only", async () => {
  await using box = await sandbox({ warm: true });
  const shared = join(box.root, "fixture");
  Deno.mkdirSync(shared);
  Deno.writeTextFileSync(join(shared, "a b"), "fixed\n", { mode: 0o640 });
  const share = MAY_SHARE ? ["--share", `${Deno.makeTempDirSync({ dir: box.root, prefix: "share" })}:/srv/w`] : [];
  await box.up("a,b", "--disk", "20G", "--fixture", `${shared}:/srv/f`, ...share);
  await Promise.all([executes(box), copies(box), looks(box), syncs(box)]);
  if (MAY_SHARE) await shares(box, share[1].split(":")[0]);
});

/** Both ways at once, in both guests, and not out of the directory by a link. */
async function shares(box: Sandbox, dir: string): Promise<void> {
  Deno.writeTextFileSync(join(dir, "of the host"), "1\n");
  Deno.symlinkSync("/etc/hostname", join(dir, "link"));
  const script = "cd /srv/w && cat 'of the host' link && echo 2 >guest && mkdir d && mv guest d";
  assert.equal((await box.ok("exec", "a", "--", "sudo", "sh", "-c", script)).stdout, "1\na\n");
  assert.equal(Deno.readTextFileSync(join(dir, "d/guest")), "2\n");
  assert.equal((await box.ok("exec", "b", "--", "sudo", "cat", "/srv/w/d/guest")).stdout, "2\n");
}

/** By busybox's programs; tests/whole/sync_test.ts has the rest, by GNU's. */
async function syncs(box: Sandbox): Promise<void> {
  const dir = join(box.root, "sync");
  for (const name of ["in ner/ro", "l".repeat(120)]) Deno.mkdirSync(join(dir, name), { recursive: true });
  for (const name of ["-dash", "new\nline", "in ner/ro/ü", `${"l".repeat(120)}/${"m".repeat(120)}`]) {
    Deno.writeTextFileSync(join(dir, name), "x");
    Deno.utimeSync(join(dir, name), 1e9, 1e9);
  }
  Deno.symlinkSync("/etc/passwd", join(dir, "link"));
  Deno.chmodSync(join(dir, "in ner/ro"), 0o555);
  assert.equal((await box.ok("sync", dir, "b:/srv/new/s")).stdout, "b:/srv/new/s  8 sent (1K)\n");
  assert.equal((await box.ok("sync", dir, "b:/srv/new/s")).stdout, "b:/srv/new/s  up to date\n");
  Deno.writeTextFileSync(join(dir, "in ner/ro/ü"), "xx");
  Deno.utimeSync(join(dir, "in ner/ro/ü"), 1e9, 1e9);
  Deno.removeSync(join(dir, "l".repeat(120)), { recursive: true });
  assert.equal(
    (await box.ok("sync", dir, "b:/srv/new/s", "--delete")).stdout,
    "b:/srv/new/s  1 sent (1K), 1 removed\n",
  );
  const list = await box.ok("exec", "b", "--", "sh", "-c", "cd /srv/new/s && find . | sort && cat 'in ner/ro/ü'");
  assert.equal(list.stdout, ".\n./-dash\n./in ner\n./in ner/ro\n./in ner/ro/ü\n./link\n./new\nline\nxx");
  const back = join(box.root, "from guest");
  assert.equal((await box.ok("sync", "b:/srv/new/s", back)).stdout, `${back}  6 received (1K)\n`);
  assert.equal((await box.ok("sync", "b:/srv/new/s", back)).stdout, `${back}  up to date\n`);
  assert.equal(Deno.readTextFileSync(join(back, "in ner/ro/ü")), "xx");
  assert.equal(Deno.readLinkSync(join(back, "link")), "/etc/passwd");
  const watching = box.start(["sync", dir, "b:/srv/new/s", "--watch"]);
  await watching.printed(/up to date/);
  Deno.writeTextFileSync(join(dir, "later"), "watched\n");
  await watching.printed(/ 1 sent/);
  assert.equal((await box.ok("exec", "b", "--", "cat", "/srv/new/s/later")).stdout, "watched\n");
  watching.kill("SIGINT");
  await watching.done;
}

async function executes(box: Sandbox): Promise<void> {
  assert.equal((await box.run("exec", "a", "--", "sh", "-c", "exit 7")).code, 7);
  const each = await box.ok("exec", "a,b", "--", "sh", "-c", "hostname; tr -d '\\n' </dev/stdin; printf end");
  assert.deepEqual(each.stdout.trim().split("\n").sort(), ["a | a", "a | end", "b | b", "b | end"], told(each));
  const apart = await box.run("exec", "a", "--", "sh", "-c", "tty; echo out; echo err >&2");
  assert.deepEqual([apart.stdout, apart.stderr], ["not a tty\nout\n", "err\n"], told(apart));
  const words = ["a b", "$HOME", "*", "it's", "", "-n", ";", "x\ny"];
  const { stdout } = await box.ok("exec", "a", "--", "printf", "<%s>", ...words);
  assert.equal(stdout, words.map((word) => `<${word}>`).join(""));
  assert.equal((await box.run("exec", "a", "--", "no-such-program")).code, 127);

  const asRoot = [
    "exec",
    "-u",
    "root",
    "-w",
    "/etc",
    "-e",
    "A=it's",
    "a",
    "--",
    "sh",
    "-c",
    'id -un; pwd; echo "$A $HOME $1"',
  ];
  assert.equal((await box.ok(...asRoot, "sh", "$HOME")).stdout, "root\n/etc\nit's /root $HOME\n");
  for (
    const [flag, value, what] of [["-u", "nobody2", "user"], ["-u", "4711", "user"], ["-w", "/nowhere", "directory"]]
  ) {
    await box.fails(125, new RegExp(`There is no ${what} "${value}" on "a"`), "exec", flag, value, "a", "--", "true");
  }
  await onTerminal(box);
  await forwards(box);

  const bytes = new Uint8Array(300_000).map((_, at) => at % 251);
  const piped = new Deno.Command(FLEETBOX, {
    args: ["exec", "a", "--", "cat"],
    env: box.env,
    clearEnv: true,
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = piped.stdin.getWriter();
  const written = handled(writer.write(bytes).then(() => writer.close()));
  const output = await piped.output();
  await written;
  assert.deepEqual(output.stdout, bytes);
}

async function onTerminal(box: Sandbox): Promise<void> {
  // No word of it has an apostrophe, between which the words go to the terminal's shell.
  const script = `stty size; until stty size | grep "40 111"; do sleep 0.2; done; read key; echo "got $key"; exit 7`;
  const at = new OnTerminal(["exec", "-it", "-w", "/", "a", "--", "sh", "-c", script], {
    env: box.env,
    columns: 97,
    rows: 31,
  });
  await at.shows(/^31 97\r$/m);
  await at.resize(111, 40);
  await at.shows(/^40 111\r$/m);
  await at.type("x\r");
  assert.equal(await at.done, 7, at.output);
  assert.match(at.output, /got x/);
}

/** `ssh -L -R -D -A`: ports here and there that lead to the other side, and an agent's socket in the guest. */
async function forwards(box: Sandbox): Promise<void> {
  const server = "mkdir www && echo here >www/file && httpd -p 8000 -h www >/dev/null 2>&1";
  await box.ok("exec", "a", "--", "sh", "-c", server);
  await using service = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => new Response("the host's\n"),
  );
  const [port, socks] = freePorts(2);
  const socket = join(box.root, "agent");
  box.spawn("ssh-agent", "-D", "-a", socket);
  await until("an agent listens", () => exists(socket));
  const ways = [
    "-L",
    `127.0.0.1:${port}:localhost:8000`,
    "-R",
    `7001:127.0.0.1:${service.addr.port}`,
    "-D",
    `${socks}`,
  ];
  const line = 'test -S "$SSH_AUTH_SOCK" && wget -qO- http://127.0.0.1:7001/; echo up; sleep 1000';
  const ssh = box.start(["ssh", "-A", ...ways, "a", "--", line], { env: { SSH_AUTH_SOCK: socket } });
  await ssh.printed(/up/);
  assert.match(ssh.stdout, /^the host's\nup\n/);
  assert.equal(await (await fetch(`http://127.0.0.1:${port}/file`)).text(), "here\n");
  const curl = await new Deno.Command("curl", {
    args: ["-sS", "--noproxy", "", "--socks5-hostname", `127.0.0.1:${socks}`, "http://localhost:8000/file"],
  }).output();
  assert.equal(new TextDecoder().decode(curl.stdout), "here\n", new TextDecoder().decode(curl.stderr));
  ssh.kill("SIGTERM");
  await ssh.done;
}

async function copies(box: Sandbox): Promise<void> {
  const at = (...path: string[]) => join(box.root, ...path);
  Deno.mkdirSync(at("tree", "in ner"), { recursive: true });
  Deno.writeTextFileSync(at("tree", "run"), "#!/bin/sh\n", { mode: 0o755 });
  Deno.writeTextFileSync(at("tree", "in ner", "ü"), "odd\n", { mode: 0o600 });
  Deno.writeTextFileSync(at("a:b"), "colon\n");
  Deno.writeTextFileSync(at("-x"), "dash\n");

  await box.ok("exec", "b", "--", "mkdir", "into");
  await box.ok("cp", "-p", at("tree"), at("a:b"), at("-x"), "b:into");
  const listed = await box.ok(
    "exec",
    "b",
    "--",
    "sh",
    "-c",
    "cd into && cat ./a:b ./-x && stat -c '%a %n' tree/run tree/in*/*",
  );
  assert.equal(listed.stdout, "colon\ndash\n755 tree/run\n600 tree/in ner/ü\n");

  Deno.mkdirSync(at("back"));
  await box.ok("cp", "b:into/tree", "b:/etc/hostname", at("back"));
  assert.equal(Deno.readTextFileSync(at("back", "tree", "in ner", "ü")), "odd\n");
  assert.equal(Deno.readTextFileSync(at("back", "hostname")), "b\n");
  await box.ok("cp", "b:into/tree", "a:moved"); // from one to the other
  assert.equal((await box.ok("exec", "a", "--", "cat", "moved/in ner/ü")).stdout, "odd\n");
  // The shells ask for these when somebody presses Tab.
  const offered = async (place: string) => (await box.ok("__complete", "cp", place)).stdout;
  assert.equal(await offered("b:/etc/hostn"), "quote\nb:/etc/hostname\n");
  assert.equal(await offered("b:into/tree/in n"), "nospace quote\nb:into/tree/in ner/\n");
  assert.equal(await offered("b:into/tree/in ner/"), "quote\nb:into/tree/in ner/ü\n");
  assert.equal(await offered("b:/no/such"), "nospace quote\n");
  const missing = await box.run("cp", "b:no-such-file", at("back"));
  assert.notEqual(missing.code, 0);
  assert.match(missing.stderr, /no-such-file.*No such file/);
}

async function looks(box: Sandbox): Promise<void> {
  const own = await box.ok("exec", "b", "--", "sh", "-c", 'ping -c1 -w5 "$(hostname)" | head -n1');
  assert.match(own.stdout, /\(10\.88\.0\.\d+\)/, "its own name is its address on the network");
  const script =
    "df -m / | awk 'END { print $2 }'; sudo cat '/srv/f/a b'; stat -c '%a %u' '/srv/f/a b'; sudo touch /srv/f/x";
  const { stdout, stderr, code } = await box.run("exec", "b", "--", "sh", "-c", script);
  const [mebibytes, ...rest] = stdout.trim().split("\n");
  assert.ok(Number(mebibytes) > 18_000, `the root has ${mebibytes} MiB of a disk of 20 GiB`);
  assert.deepEqual(rest, ["fixed", `640 ${Deno.uid()}`]);
  assert.notEqual(code, 0);
  assert.match(stderr, /Read-only file system/);
}

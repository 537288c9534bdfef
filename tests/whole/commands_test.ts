/** What each command promises: help, JSON, exit codes, ssh, logs, and ls when something is broken. */

import * as assert from "#assert";
import { join } from "../../src/system/path.ts";
import { sandbox, test, told } from "../support/sandbox.ts";
import { FLEETBOX, IS_COMPILED } from "../support/command.ts";
import { OnTerminal } from "../support/terminal.ts";
import { until } from "../support/processes.ts";

const COMMANDS = [
  ...["up", "stop", "restart", "join", "rm", "ls", "status", "wait", "logs", "ssh", "console", "forward", "ssh-config"],
  ...["doctor", "prune", "version", "help"],
];

/** What each one says is tested beside its source (src/cli/help_test.ts). */
test("help lists every command; one's is told by --help and by help COMMAND; no argument gives the list", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const list = await box.ok("help");
  for (const command of COMMANDS) assert.match(list.stdout, new RegExp(`^ {2}${command}\\b`, "m"));
  for (const command of ["up", "fault", "trace", "help"]) {
    const help = await box.ok("help", command);
    assert.match(help.stdout, new RegExp(`^Usage: fleetbox ${command}`));
    assert.match(help.stdout, /fleetbox \w+.*\n?$/m);
    if (command === "help") continue;
    assert.match(help.stdout, /\nExamples?:\n {2}fleetbox /, command);
    assert.equal((await box.ok(command, "--help")).stdout, help.stdout);
  }
  assert.equal((await box.ok()).stdout, list.stdout);
  await box.fails(2, [/There is no command "stpo"/, /Did you mean stop\?/], "help", "stpo");
});

test("version is one line, or JSON", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const { stdout } = await box.ok("version");
  assert.match(
    stdout,
    IS_COMPILED ? /^fleetbox \d+\.\d+\.\d+ \([0-9a-f]{12}(-dirty)?\)\n$/ : /^fleetbox \d+\.\d+\.\d+\n$/,
  );
  for (const flag of ["--version", "-V"]) assert.equal((await box.ok(flag)).stdout, stdout);
  const json = JSON.parse((await box.ok("version", "--json")).stdout);
  const commit = json.commit === null ? "" : ` (${json.commit})`;
  assert.deepEqual([`fleetbox ${json.version}${commit}\n`, json.protocol], [stdout, 1]);
});

test("the wrapper works through symbolic links, from any directory", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const [first, second] = [join(box.root, "one link"), join(box.root, "two")];
  Deno.symlinkSync(FLEETBOX, first);
  Deno.symlinkSync("one link", second);
  const { code, stdout } = await new Deno.Command(second, { args: ["version"], cwd: "/", env: box.env }).output();
  assert.equal(code, 0);
  assert.match(new TextDecoder().decode(stdout), /^fleetbox /);
});

test("with --json an error is one line of JSON on standard error, and standard output has none", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  for (const [code, ...args] of [[3, "status", "a"], [2, "up", "A"], [2, "ls", "--nope"]] as [number, ...string[]][]) {
    const result = await box.run(...args, "--json");
    assert.equal(result.code, code);
    assert.equal(result.stdout, "");
    const error = JSON.parse(result.stderr);
    assert.equal(error.event, "error");
    assert.ok(["not-found", "misuse"].includes(error.code) && error.message && Array.isArray(error.causes));
  }
});

test.source("an unknown name is answered with the nearest one", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("web-1");
  for (const command of [["status"], ["ssh"], ["logs"], ["stop"], ["rm"], ["wait"], ["ssh-config"]]) {
    await box.fails(3, [/There is no member "wbe-1"/, /Did you mean "web-1"\?/], ...command, "wbe-1");
  }
});

test.source("stop and rm of several: an unknown name fails the command, the others are done", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a,b,c");
  const stop = await box.fails(3, /There is no member "nobody"/, "stop", "a", "nobody", "b");
  assert.match(stop.stdout, /^a: stopped/m);
  assert.equal(await box.states(), "a=stopped b=stopped c=running");
  const rm = await box.fails(3, /There is no member "nobody"/, "rm", "nobody", "a,c");
  assert.match(rm.stdout, /^a removed\nc removed$/m);
  const json = await box.run("stop", "b", "--json");
  assert.deepEqual(JSON.parse(json.stdout.trim().split("\n").at(-1)!), {
    event: "stop",
    stopped: [],
    not_running: ["b"],
  });
});

test("--all together with names is refused, and so is neither of them", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  for (const command of ["stop", "rm"]) {
    await box.fails(2, /found both/, command, "a", "--all");
    await box.fails(2, [/Which members\? For example: fleetbox/, /--all/], command);
    assert.equal((await box.run(command, "--all")).code, 0);
  }
});

test.source("rm also removes the logs of the holders that served the members", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a,b");
  await box.up("z");
  await box.ok("rm", "a");
  assert.notEqual(box.holderLog("a"), ""); // its group lives
  await box.ok("rm", "b", "z");
  assert.equal(box.holderLog("a") + box.holderLog("z"), "");
});

test.source("ls lists damaged members with the reason, and rm removes them", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a,b,c");
  await box.ok("stop", "a", "b");
  Deno.writeTextFileSync(box.store.member("a").config, '{"name":');
  const ls = await box.ok("ls");
  assert.match(ls.stdout, /^a +damaged/m);
  assert.match(ls.stdout, /^b +stopped[^]*^c +running/m);
  assert.match(ls.stdout, /^a: The config of "a" cannot be read[^]*fleetbox rm a/m);
  await box.fails(1, /The config of "a" cannot be read/, "up", "a");
  assert.equal((await box.run("status", "a")).code, 0);
  await box.ok("rm", "a");
  assert.equal(await box.states(), "b=stopped c=running");
});

test.source("a holder that does not answer costs ls one second, and only its members have no state", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a,b");
  await box.up("z");
  const holder = box.processes("holder").find(({ name }) => name === "a,b")!;
  Deno.kill(holder.pid, "SIGSTOP");
  try {
    await box.ok("ls", "-q");
    assert.equal(await box.states(), "a=unknown b=unknown z=running");
    assert.match((await box.ok("ls")).stdout, /^a, b: The holder of "a" did not answer within 1 s/m);
  } finally {
    Deno.kill(holder.pid, "SIGCONT");
  }
});

test.source("a killed holder's machines are orphaned: ls says what to do, stop and rm end them", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a,b,c");
  await box.killHolder("a");
  const ls = await box.ok("ls");
  assert.match(ls.stdout, /^a +orphaned/m);
  assert.match(ls.stdout, /^a, b, c: orphaned: run fleetbox up a \(/m);
  await box.ok("stop", "a");
  assert.equal(await box.states(), "a=stopped b=running c=running");
  await box.killHolder("b");
  await box.ok("rm", "b", "c");
  assert.deepEqual(box.stored(), ["a"]);
  await box.empty();
});

/** A program `ssh` (or `scp`) that prints its arguments, one a line, and then runs `rest`. */
function fakeSsh(root: string, rest: string, program: "ssh" | "scp" = "ssh"): Record<string, string> {
  const bin = join(root, "bin");
  Deno.mkdirSync(bin, { recursive: true });
  Deno.writeTextFileSync(join(bin, program), `#!/bin/sh\nprintf '%s\\n' "$@"\n${rest}\n`, { mode: 0o755 });
  return { PATH: `${bin}:${Deno.env.get("PATH")}` };
}

test("ssh runs the system's ssh with our key; arguments stay apart, a single one is a shell line; the exit code is passed on", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  const env = { ...fakeSsh(box.root, "exit 7"), SSH_AUTH_SOCK: "/run/agent" };
  const ssh = async (...args: string[]) => {
    const result = await box.start(["ssh", ...args], { env }).done;
    assert.equal(result.code, 7, result.stderr);
    return result.stdout.trimEnd().split("\n");
  };
  const shell = await ssh("a");
  assert.deepEqual(shell.slice(0, 2), ["-F", "/dev/null"]);
  assert.ok(shell.includes(`IdentityFile=${box.store.key}`));
  const { port } = (await box.report("a")).ssh!;
  assert.deepEqual(shell.slice(-3), ["-p", String(port), "fleetbox@127.0.0.1"]);
  assert.deepEqual((await ssh("a", "--", "echo", "x y", "$HOME")).slice(-2), ["--", "'echo' 'x y' '$HOME'"]);
  assert.deepEqual((await ssh("a", "uname", "-a")).slice(-2), ["--", "'uname' -a"]);
  assert.deepEqual((await ssh("a", "--", "cd /tmp && ls")).slice(-2), ["--", "cd /tmp && ls"]);
  assert.deepEqual((await ssh("a", "--", "tool", "--json", "--", "-n")).at(-1), "'tool' --json -- -n");
  assert.ok((await ssh("-t", "a", "top")).includes("-t"));

  // ssh's own options reach it as they are; a port that cannot be opened ends it.
  const given = await ssh("-NAL", "8080:localhost:80", "-R/run/s:host:1", "-D", "1080", "-L", "1:[::1]:2", "a");
  assert.deepEqual(given.slice(given.indexOf("-A")), [
    ...["-A", "-N", "-o", "ExitOnForwardFailure=yes", "-L", "8080:localhost:80", "-L", "1:[::1]:2"],
    ...["-R", "/run/s:host:1", "-D", "1080", "fleetbox@127.0.0.1"],
  ]);
  assert.ok((await ssh("-tt", "a", "--", "tty", "-s")).includes("-tt"));
  const ran = await box.start(["exec", "-iw", "/tmp", "-e", "A=1", "a", "--", "ls", "a b"], { env }).done;
  assert.match(ran.stdout, /^-T$[^]*^exec "\$@"' sh ls 'a b'$/m);
  const refused = async (message: RegExp, ...args: string[]) => {
    const { code, stdout, stderr } = await box.start(args, { env: { ...env, SSH_AUTH_SOCK: "" } }).done;
    assert.deepEqual([stdout, code === 0, message.test(stderr)], ["", false, true], stderr);
  };
  await refused(/No SSH agent runs here[^]*ssh-agent/, "ssh", "-A", "a");
  await refused(/-N runs no command/, "ssh", "-N", "a", "--", "ls");
  await refused(/no option -X[^]*fleetbox ssh-config NAME/, "ssh", "-X", "a");
  await refused(/fleetbox ssh -L 1:b:2 a -- ls/, "ssh", "a", "-L", "1:b:2", "--", "ls");
  await refused(/not a terminal[^]*fleetbox ssh -tt a/, "exec", "-it", "a", "--", "sh");
});

test("exec in several members names them in front of each line, and runs in all or in none", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a,b2,c");
  const port = async (name: string) => (await box.report(name)).ssh!.port;
  const code = `case "$*" in *"-p ${await port("b2")} "*) code=3 ;; *) code=0 ;; esac`;
  const env = fakeSsh(box.root, `${code}\nprintf 'no newline' >&2\ncat\nexit $code`);
  const each = await box.start(["exec", "a,b2,c", "--", "echo", "x y"], { env }).done;
  assert.equal(each.code, 3, told(each));
  const count = (text: string, line: RegExp) => [...text.matchAll(new RegExp(line, "gm"))].length;
  for (const name of ["a ", "b2", "c "]) {
    assert.equal(count(each.stdout, new RegExp(`^${name} \\| 'echo' 'x y'$`)), 1, each.stdout);
    assert.equal(count(each.stderr, new RegExp(`^${name} \\| no newline$`)), 1, each.stderr);
  }
  assert.ok(each.stdout.trimEnd().split("\n").every((line) => /^(a |b2|c ) \| /.test(line)), each.stdout);
  assert.match(each.stderr, /^b2 \| exit code 3$/m);
  assert.equal(count(each.stderr, /exit code/), 1);

  const refused = async (message: RegExp, ...args: string[]) => {
    const { code, stdout, stderr } = await box.start(args, { env }).done;
    assert.deepEqual([stdout, code === 0, message.test(stderr)], ["", false, true], stderr);
  };
  await refused(/-t gives a terminal to the program of one member, found 2/, "exec", "-t", "a,c", "--", "sh");
  await refused(/-i gives standard input to the program of one member/, "exec", "-i", "a,c", "--", "sh");
  await refused(/The name "a" is given twice/, "exec", "a,a", "--", "true");
  await refused(/Bad value for --user/, "exec", "-u", "a b", "a,c", "--", "true");
  await box.ok("stop", "c");
  await refused(/Cannot reach "c": it is not running/, "exec", "a,c", "--", "true");
});

test("exec in several members ends in each with its machine, and by SIGTERM", async () => {
  await using box = await sandbox({ fakeQemu: { b: { onSignal: "powerOff" } } });
  await box.up("a,b");
  const env = fakeSsh(box.root, "exec sleep 1000");
  const each = box.start(["exec", "a,b", "--", "sleep"], { env });
  await each.printed(/^a \| 'sleep'$/m);
  await each.printed(/^b \| 'sleep'$/m);
  box.accident("b");
  await each.printed(/^b \| exit code 255$/m);
  each.kill("SIGTERM");
  const { code, stderr } = await each.done;
  assert.deepEqual([code, /"b"/.test(stderr)], [143, true], stderr);
});

test("Ctrl-C ends exec with code 130, in one member and in several, and nothing is said of it", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a,b");
  // As OpenSSH does it.
  const env = { ...box.env, ...fakeSsh(box.root, "trap 'kill $!; exit 255' INT; sleep 1000 & echo ready; wait") };
  for (const names of ["a", "a,b"]) {
    const at = new OnTerminal(["exec", names, "--", "true"], { env });
    await at.shows(names === "a" ? /ready/ : /(ready[^]*){2}/);
    await at.type("\x03");
    assert.equal(await at.done, 130, at.output);
    assert.match(at.output, /ready\s*\^C$/);
  }
});

test("Ctrl-C ends cp with code 130, and says that a part may have been copied", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  const env = { ...box.env, ...fakeSsh(box.root, "trap 'kill $!; exit 1' INT; sleep 1000 & echo ready; wait", "scp") };
  const at = new OnTerminal(["cp", "/etc/hostname", "a:"], { env });
  await at.shows(/ready/);
  await at.type("\x03");
  assert.equal(await at.done, 130, at.output);
  assert.match(at.output, /Interrupted; what was copied stays, and the last file may be\s+incomplete/);
  assert.doesNotMatch(at.output, /Cannot copy/);

  // The signal is heard after the end of scp.
  const late = { ...box.env, ...fakeSsh(box.root, "(sleep 0.03; kill -INT $PPID) & exit 1", "scp") };
  const { code, stderr } = await box.start(["cp", "/etc/hostname", "a:"], { env: late }).done;
  assert.deepEqual([code, /Interrupted/.test(stderr), /Cannot copy/.test(stderr)], [130, true, false], stderr);
});

test.source("ssh to a member that does not run says why and what to do", async () => {
  await using box = await sandbox({ fakeQemu: { b: { bootMs: 60_000 } } });
  await box.up("a");
  await box.ok("stop", "a");
  await box.fails(1, [/it is not running/, /fleetbox up a/], "ssh", "a");
  await box.up("b", "--no-wait");
  await box.fails(1, [/it is still booting/, /fleetbox wait b/], "ssh", "b");
  await box.fails(1, [/is not running and not booting/, /fleetbox up a/], "wait", "a");
  await box.fails(4, /Not running after 0.3 s: b \(\w+\)/, "wait", "b", "--timeout", "300ms");
});

test("SIGTERM to fleetbox ssh ends its ssh", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  const ssh = box.start(["ssh", "a"], { env: fakeSsh(box.root, "exec sleep 1000") });
  await ssh.printed(/fleetbox@127/);
  ssh.kill("SIGTERM");
  assert.equal((await ssh.done).code, 143);
});

test("ssh-config is a configuration that ssh itself understands", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  assert.match((await box.ok("ssh-config")).stderr, /no member runs/);
  await box.up("a,b");
  const file = join(box.root, "hosts");
  Deno.writeTextFileSync(file, (await box.ok("ssh-config")).stdout);
  const { stdout } = await new Deno.Command("ssh", { args: ["-G", "-F", file, "b"] }).output();
  const told = new TextDecoder().decode(stdout);
  const { port } = (await box.report("b")).ssh!;
  for (const line of ["hostname 127.0.0.1", `port ${port}`, "user fleetbox", `identityfile ${box.store.key}`]) {
    assert.match(told, new RegExp(`^${line}$`, "m"));
  }
  assert.doesNotMatch((await box.ok("ssh-config", "a")).stdout, /Host b/);
});

test("logs prints the last lines, follows what comes, and ends when the member is removed", async () => {
  await using box = await sandbox({ fakeQemu: { a: { console: ["one", "two"] } } });
  await box.up("a");
  const { serialLog } = box.store.member("a");
  const all = (await box.ok("logs", "a")).stdout;
  assert.match(all, /^one\r?\ntwo\r?\n/);
  assert.equal((await box.ok("logs", "a", "-n", "1")).stdout, all.slice(all.trimEnd().lastIndexOf("\n") + 1));
  await box.fails(2, /Bad value for -n/, "logs", "a", "-n", "few");
  const follow = box.start(["logs", "a", "-f", "-n", "0"]);
  await until("it watches", async () => {
    await Deno.writeTextFile(serialLog, "appended\n", { append: true });
    return /appended/.test(follow.stdout);
  });
  assert.doesNotMatch(follow.stdout, /one/);
  await box.ok("rm", "a");
  assert.equal((await follow.done).code, 0);
});

test("a closed pipe is not an error, and ends logs -f", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("node", "-n", "5");
  const line = `set -o pipefail; "$0" ls | head -n 1; "$0" help | true; "$0" status node-1 | true`;
  const env = { ...box.env, PATH: Deno.env.get("PATH")! }; // the shell's own
  const { code, stdout, stderr } = await new Deno.Command("bash", { args: ["-c", line, FLEETBOX], env }).output();
  assert.equal(new TextDecoder().decode(stderr), "");
  assert.equal(code, 0);
  assert.match(new TextDecoder().decode(stdout), /^NAME/);

  const follow = new Deno.Command("bash", {
    args: ["-c", `"$0" logs node-1 -f | head -n 1`, FLEETBOX],
    env,
    stdout: "null",
  }).spawn();
  let isOver = false;
  void follow.status.then(() => isOver = true);
  // Like tail -f, it notices the closed pipe with the next line.
  const { serialLog } = box.store.member("node-1");
  await until("logs -f has ended", async () => {
    if (!isOver) await Deno.writeTextFile(serialLog, "another line\n", { append: true });
    return isOver;
  });
});

test.source("up of an existing member with another image keeps what the member was made with, and says so", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a", "--cpus", "2");
  await box.ok("stop", "a");
  const up = await box.up("a", "--image", "debian-12", "--cpus", "2");
  assert.match(up.stderr, /a keeps --image micro, with which it was made \(asked: debian-12\)/);
  assert.doesNotMatch(up.stderr, /--cpus/);
});

test("status shows everything about a member, as text and as JSON, also when it is stopped", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a,b");
  const { stdout } = await box.ok("status", "a");
  for (const key of ["name", "state", "address", "ssh", "group", "hypervisor", "holder", "console", "dropped"]) {
    assert.match(stdout, new RegExp(`^${key} +\\S`, "m"));
  }
  const json = JSON.parse((await box.ok("status", "a", "--json")).stdout);
  assert.equal(json.config.name, "a");
  assert.equal(json.paths.serialLog, box.store.member("a").serialLog);
  assert.equal(typeof json.network.dropped, "object");
  assert.equal(json.hypervisor_pid, box.process("machine", "a").pid);
  await box.ok("stop", "a");
  const stopped = JSON.parse((await box.ok("status", "a", "--json")).stdout);
  assert.deepEqual([stopped.state, stopped.running, stopped.config.name], ["stopped", false, "a"]);
});

test("doctor lists each check with what it found, and so does --json", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const { stdout } = await box.ok("doctor");
  const programs = ["qemu", "accelerator", "qemu-img", "virtiofsd", "ssh", "ssh-keygen"];
  for (const what of [...programs, "store", "disk", "memory", "image"]) {
    assert.match(stdout, new RegExp(`^(ok|warn) +${what} +\\S`, "m"));
  }
  const findings = JSON.parse((await box.ok("doctor", "--json")).stdout);
  assert.ok(findings.every((one: { what: string; found: string }) => one.what && one.found));
});

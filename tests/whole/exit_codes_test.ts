/** The exit codes that help and README promise, each from the real command line; and the answer to a typing mistake. */

import * as assert from "#assert";
import { join } from "../../src/system/path.ts";
import { FLEETBOX } from "../support/command.ts";
import { sandbox, test, told } from "../support/sandbox.ts";

test("exit code 0: done, also when there is nothing to do", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  for (const args of [["up", "a"], ["ls"], ["status", "a"], ["wait", "a"], ["stop", "a"], ["stop", "a"], ["rm", "a"]]) {
    await box.ok(...args);
  }
});

test("exit code 1: the command failed, or the members' state does not allow it", async () => {
  await using box = await sandbox({ fakeQemu: { a: { start: "die", message: "no luck" } } });
  await box.fails(1, /no luck/, "up", "a", "--egress", "off");
  await box.up("b");
  await box.up("c");
  await box.fails(1, /two networks cannot merge/, "up", "b,c");
  await box.ok("stop", "b");
  await box.fails(1, /it is not running/, "ssh", "b");
  const { code, stderr } = await box.start(["up", "b"], { env: { FLEETBOX_QEMU: "/nonexistent/qemu" } }).done;
  assert.equal(code, 1, stderr);
});

test("a version that cannot be written is an error like others", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const line = '"$0" version >/dev/full';
  const { code, stderr } = await new Deno.Command("bash", { args: ["-c", line, FLEETBOX], env: box.env }).output();
  assert.equal(code, 1);
  assert.match(new TextDecoder().decode(stderr), /^fleetbox: Cannot write to standard output\n {2}because: No space/);
}, { ignore: Deno.build.os !== "linux" }); // others have no such device

test("exit code 2: wrong usage, and nothing is made", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const cases: string[][] = [
    ["nonsense"],
    ["help", "nonsense"],
    ["help", "image", "nonsense"],
    ["image"],
    ["image", "nonsense"],
    ["ls", "--nonsense"],
    ["rename", "a"],
    ["up", "UPPER"],
    ["up", "a", "--memory", "much"],
    ["up", "a", "--egress", "maybe"],
    ["up", "a", "-n", "0"],
    ["join", "a"],
    ["wait", "a", "--timeout", "soon"],
    ["stop"],
    ["stop", "a", "--force", "--grace", "5s"],
    ["restart", "a", "--force", "--grace", "5s"],
    ["rm", "a", "--all"],
    ["cp", "here", "there"],
    ["exec", "a"],
    ["completion", "tcsh"],
  ];
  await Promise.all(cases.map((args) => box.fails(2, /^fleetbox: /, ...args)));
  assert.deepEqual(box.stored(), []);
  const { code } = await box.start(["ls"], { env: { FLEETBOX_HOME: `/tmp/${"deep/".repeat(30)}` } }).done;
  assert.equal(code, 2);
});

test("exit code 3: a member, an image or a file is not found", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const missing = join(box.root, "missing.qcow2");
  const cases: string[][] = [
    ["status", "nobody"],
    ["stop", "nobody"],
    ["rm", "nobody"],
    ["wait", "nobody"],
    ["logs", "nobody"],
    ["ssh", "nobody"],
    ["exec", "nobody", "--", "true"],
    ["cp", "nobody:file", "."],
    ["ssh-config", "nobody"],
    ["heal", "--via", "nobody"],
    ["fault", "ls", "--via", "nobody"],
    ["fault", "partition", "--shape", "one", "--of", "nobody"],
    ["join", "a", "--via", "nobody"],
    ["up", "a", "--image", "nonsense"],
    ["up", "a", "--image", missing],
    ["up", "a", "--user-data", missing],
    ["image", "rm", "nonsense"],
    ["image", "pull", "nonsense"],
  ];
  const boots = ({ 0: command }: string[]) => command === "up" || command === "join";
  await Promise.all(cases.filter((args) => !boots(args)).map((args) => box.fails(3, /^fleetbox: /, ...args)));
  // Those that would boot would each boot the same member: one after the other.
  for (const args of cases.filter(boots)) await box.fails(3, /^fleetbox: /, ...args);
  await box.fails(3, /There is no member "nobody"/, "fault", "partition", "nobody", "a");
  assert.deepEqual(box.stored(), []);
});

test("exit code 4: timed out", async () => {
  await using box = await sandbox({ fakeQemu: { "*": { bootMs: 60_000 } } });
  await box.fails(4, /did not answer|Not running after/, "up", "a", "--egress", "off", "--timeout", "500ms");
  await box.up("b", "--no-wait");
  await box.fails(4, /Not running after 0.3 s/, "wait", "b", "--timeout", "300ms");
});

test("exit code 130: interrupted, by Ctrl-C or SIGTERM", async () => {
  await using box = await sandbox({ fakeQemu: { "*": { bootMs: 60_000 } } });
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    const up = box.start(["up", "a", "--egress", "off"]);
    await up.printed(/a: (boot|kernel|network|ssh)/);
    up.kill(signal);
    const result = await up.done;
    assert.equal(result.code, 130, told(result));
  }
});

test("a typing mistake in a command, an option, a member, an image or a shell is answered with the nearest word", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("web-server");
  const cases: [code: number, meant: RegExp, ...args: string[]][] = [
    [2, /Did you mean stop\?/, "stpo"],
    [2, /Did you mean ssh-config\?/, "help", "ssh-confg"],
    [2, /Did you mean pull\?/, "image", "pul", "debian-12"],
    [2, /Did you mean pull\?/, "help", "image", "pul"],
    [2, /Did you mean --memory\?/, "up", "a", "--memry", "1G"],
    [2, /Did you mean --force\?/, "stop", "--forse", "web-server"],
    [2, /Did you mean debian-12\?/, "image", "build", "debain-12"],
    [3, /Did you mean "web-server"\?/, "status", "web-serve"],
    [3, /Did you mean "web-server"\?/, "join", "a", "--via", "web-sevrer"],
    [3, /Did you mean debian-12\?/, "up", "a", "--image", "debain-12"],
    [3, /Did you mean ubuntu-24.04\?/, "image", "pull", "ubunut-24.04"],
    [3, /Did you mean micro\?/, "image", "rm", "mirco"],
  ];
  for (const [code, meant, ...args] of cases) await box.fails(code, meant, ...args);
  for (const name of ["something-else", "web", "b"]) {
    const { stderr } = await box.fails(3, [/There is no member/, /^ {2}There are: web-server$/m], "status", name);
    assert.doesNotMatch(stderr, /Did you mean/);
  }
});

test("commands of other tools that mean the same are aliases of ours, with the same arguments", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.ok("start", "a", "--egress", "off");
  assert.equal((await box.ok("list", "-q")).stdout, "a\n");
  assert.equal((await box.ok("info", "a", "--json")).stdout, (await box.ok("status", "a", "--json")).stdout);
  await box.fails(2, [/There is no command "kill"/, /try: fleetbox stop a --force/], "kill", "a");
  await box.ok("halt", "a");
  await box.ok("delete", "a");
  assert.deepEqual(box.stored(), []);
});

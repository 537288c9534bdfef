/** Help and errors on a terminal: no line is wider than it, and what a user copies is in one piece. */

import * as assert from "#assert";
import { Screen } from "../support/screen.ts";
import { OnTerminal } from "../support/terminal.ts";
import { type Sandbox, sandbox, test } from "../support/sandbox.ts";

// deno-lint-ignore no-control-regex
const ESCAPES = /\x1b\[[0-9;?]*[A-Za-z]/g;

/** What a command prints on a terminal, line by line. */
async function linesOf(box: Sandbox, columns: number, args: string[], code?: number): Promise<string[]> {
  const terminal = new OnTerminal(args, { env: box.env, columns, cwd: box.root });
  const ended = await terminal.done;
  if (code !== undefined) assert.equal(ended, code, terminal.output);
  // Lines that were overdrawn are not part of an error.
  const text = terminal.output.replace(ESCAPES, "").replaceAll("\r", "").trimEnd();
  return text.slice(Math.max(0, text.search(/fleetbox: (?=[A-Z"])/))).split("\n");
}

function fits(told: string[], columns: number, what: string): void {
  for (const line of told) assert.ok([...line].length <= columns, `${what}: ${line}`);
}

test("help fits the terminal, wide and narrow, and 80 columns without one", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  for (const args of [["--help"], ["up", "--help"], ["help", "image", "ls"], ["status", "--help"]]) {
    fits((await box.ok(...args)).stdout.split("\n"), 80, args.join(" "));
    fits(await linesOf(box, 80, args, 0), 80, args.join(" "));
    const wide = await linesOf(box, 120, args, 0);
    fits(wide, 120, args.join(" "));
    assert.ok(wide.some((line) => line.length > 80), `${args.join(" ")}: the width is not used`);
  }
  fits(await linesOf(box, 60, ["prune", "--help"], 0), 60, "prune --help");
});

/** Errors of every kind: of the parser, of values, of members, of images, of the host. What they share is how they are folded. */
const ERRORS: string[][] = [
  ["nonsense"],
  ["up", "a", "--nonsense"],
  ["up", "a", "--memory", "much"],
  ["up", "a", "--egress", "perhaps"],
  ["up", "a", "-p", "99999:80"],
  ["up", "a", "--image", "nonsense"],
  ["up", "a", "--image", "./no/such/directory/with/a/disk.qcow2"],
  ["up", "a", "--fixture", "/no/such/directory:/srv"],
  ["up", "a", "--user-data", "/no/such/file"],
  ["join", "b"],
  ["stop"],
  ["rm", "a", "--all"],
  ["status", "nobody"],
  ["ssh", "nobody"],
  ["cp", "here"],
  ["cp", "/no/such/file", "nobody:"],
  ["console", "stopped"],
  ["ssh", "stopped"],
  ["forward", "stopped", "nonsense"],
  ["image"],
  ["image", "pull", "nonsense"],
  ["completion", "csh"],
  ["help", "nonsense"],
];

test("errors fit 80 columns and 50, but for what must not be broken; in a pipe a sentence is a line", async () => {
  await using box = await sandbox({ fakeQemu: {}, env: { FLEETBOX_OFFLINE: "1" } });
  await box.up("stopped");
  await box.ok("stop", "stopped");
  for (const args of ERRORS) {
    const what = args.join(" ");
    const told = await linesOf(box, 80, args);
    fits(told, 80, what);
    const piped = await box.start(args, { cwd: box.root }).done; // relative paths are told as whole ones
    assert.notEqual(piped.code, 0, what);
    // The same words, whatever the width.
    const words = (text: string) => text.trim().split(/\s+/).join(" ");
    assert.equal(words(told.join("\n")), words(piped.stderr), what);
    assert.match(piped.stderr, /^fleetbox: .*\n( {2,}.*\n)*$/, what);
  }
  fits(await linesOf(box, 50, ["rm", "a", "--all"], 2), 50, "rm a --all");
});

test("an error's hint keeps its command in one piece, however narrow the terminal", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("stopped");
  await box.ok("stop", "stopped");
  const told = await linesOf(box, 30, ["console", "stopped"], 1);
  for (const command of ["fleetbox up stopped", "fleetbox logs stopped"]) {
    assert.ok(told.some((line) => line.includes(command)), told.join("\n"));
  }
});

test("notes and status fit the terminal, between words; in a pipe each is a line", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a,b");
  const up = new OnTerminal(["up", "a", "--memory", "1G"], { env: box.env, columns: 60, cwd: box.root });
  assert.equal(await up.done, 0, up.output);
  const screen = new Screen(60, 24);
  screen.write(up.output);
  await screen.settled();
  assert.match(
    screen.text,
    /^a runs with --memory \S+ \(asked: 1G\): .*\n {2}boot\. To boot it so: fleetbox restart a --memory 1G$/m,
  );
  const checks = await linesOf(box, 60, ["doctor"], 0);
  fits(checks.filter((line) => !/^\s*\S*\/\S*$/.test(line)), 60, "doctor"); // a path stays in one piece
  assert.ok(checks.some((line) => /^ {19}\S/.test(line)), checks.join("\n"));
  const cut = ["fault", "partition", "a", "b"];
  const fault = await linesOf(box, 40, cut, 0);
  fits(fault, 40, "fault partition");
  assert.match(fault.join("\n"), /^f[0-9a-f]{4}: cut: a \| b; end it:\n {2}fleetbox heal f[0-9a-f]{4}$/);
  const facts = await linesOf(box, 40, ["status", "a"], 0);
  fits(facts.filter((line) => !line.includes(box.home)), 40, "status");
  const piped = (await box.ok("status", "a")).stdout.trimEnd().split("\n");
  assert.ok(piped.some((line) => line.length > 40 && !line.includes(box.home)), piped.join("\n"));
  assert.ok(facts.length > piped.length, facts.join("\n"));
});

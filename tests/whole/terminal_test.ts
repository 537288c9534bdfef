/** What a user sees on a terminal, and what is left out without one. */

import * as assert from "#assert";
import { FLEETBOX } from "../support/command.ts";
import { OnTerminal } from "../support/terminal.ts";
import { Screen } from "../support/screen.ts";
import { rawDisk, serve } from "../../src/image/testing.ts";
import { sandbox, test } from "../support/sandbox.ts";

// deno-lint-ignore no-control-regex
const ESCAPES = /\x1b\[[0-9;?]*[a-zA-Z]/g;
const HIDE = "\x1b[?25l";
const SHOW = "\x1b[?25h";

test("up on a terminal draws one line a member, which fits 40 columns, and ends with how to reach them", async () => {
  await using box = await sandbox({ fakeQemu: { "*": { bootMs: 600 } } });
  const name = "a-member-with-quite-a-long-name-for-40-columns";
  const up = new OnTerminal(["up", `a,b,${name}`, "--egress", "off"], { env: box.env, columns: 40 });
  assert.equal(await up.done, 0, up.output);
  const frames = up.output.slice(up.output.indexOf(HIDE), up.output.indexOf(SHOW));
  assert.match(frames, /a +.*(boot|kernel|network|ssh).* s/);
  for (const line of frames.split(/[\r\n]+/)) {
    const text = line.replace(ESCAPES, "");
    assert.ok(text.length < 40, JSON.stringify(text));
  }
  const result = up.output.slice(up.output.indexOf(SHOW)).replace(ESCAPES, "");
  assert.match(result, /^a +10\.88\.0\.11 +fleetbox ssh a\r$/m);
  assert.match(result, new RegExp(`^${name} .*fleetbox ssh ${name}\r$`, "m"));
});

test.source("up of more members than the terminal has rows never scrolls the window, and leaves no line behind", async () => {
  await using box = await sandbox({ fakeQemu: { "*": { bootMs: 600 } } });
  const [columns, rows] = [40, 8];
  const up = new OnTerminal(["up", "node", "-n", "12", "--egress", "off"], { env: box.env, columns, rows });
  assert.equal(await up.done, 0, up.output);
  const screen = new Screen(columns, rows);
  // deno-lint-ignore no-control-regex
  const frames = up.output.slice(0, up.output.indexOf(SHOW)).split(/(?=\r\x1b\[\d+A)/);
  assert.ok(frames.length > 3, up.output);
  const end = frames.pop()!; // clears the lines
  for (const frame of frames) {
    screen.write(frame);
    await screen.settled();
    const lines = screen.text.split("\n");
    assert.ok(lines.length < rows, screen.text);
    assert.match(lines.at(-1)!, /^and 6 more: \d/, screen.text);
    assert.ok(lines.slice(0, -1).every((line) => /^node-\d+ +\S+ +\d+\.\d s$/.test(line)), screen.text);
  }
  assert.deepEqual(screen.scrolled, []);
  screen.write(end);
  await screen.settled();
  assert.equal(screen.text, "");
  // How to reach each member does not fit 40 columns in the summary: it is printed once.
  const summary = up.output.slice(up.output.indexOf(SHOW)).replace(ESCAPES, "").trim().split(/\r?\n/);
  assert.deepEqual(
    summary.map((line) => line.trimEnd().replace(/ +10\.88\.0\.\d+$/, "")),
    [...Array.from({ length: 12 }, (_, index) => `node-${index + 1}`), "reach them: fleetbox ssh NAME"],
  );
});

test("image pull on a terminal draws a bar with bytes, rate and time left, on one line, which is cleared at the end", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await using server = serve(rawDisk(1024 * 1024), "slow");
  const pull = new OnTerminal(["image", "pull", server.url], { env: box.env, columns: 70 });
  assert.equal(await pull.done, 0, pull.output);
  assert.match(pull.output, /disk\.img: \[=+> +\] [1-9]\d?% {2}\S+ of 1M {2}\S+\/s {2}\S+ m?s left/);
  const drawn = pull.output.split("\r").map((line) => line.replace(ESCAPES, ""));
  for (const line of drawn.slice(0, -2)) assert.ok(line.length < 70 && !line.includes("\n"), JSON.stringify(line));
  assert.match(drawn.join("\r"), /\rhttp:.*disk\.img: .*, a disk of 1M \(.*\r\n$/);
});

test("up redraws its lines when the window becomes smaller, and nothing of the old ones is left", async () => {
  await using box = await sandbox({ fakeQemu: { "*": { bootMs: 60_000 } }, env: { NO_COLOR: "1" } });
  const [before, after] = [{ columns: 60, rows: 20 }, { columns: 22, rows: 8 }];
  const up = new OnTerminal(["up", "node", "-n", "12", "--egress", "off"], { env: box.env, ...before });
  await up.shows(/node-12 +(queued|boot|kernel|network|ssh)/);
  await up.resize(after.columns, after.rows);
  await up.shows(/( more: \d[^]*){3}/);
  // deno-lint-ignore no-control-regex
  const frames = up.output.split(/(?=\r\x1b\[\d+A)/).slice(0, -1); // the last one may not be whole
  await up.type("\x03");
  assert.equal(await up.done, 130, up.output);

  const first = frames.findIndex((frame) => / more: \d/.test(frame));
  assert.ok(first > 0 && first < frames.length, up.output);
  const screen = new Screen(before.columns, before.rows);
  frames.slice(0, first).forEach((frame) => screen.write(frame));
  await screen.settled();
  assert.equal(screen.text.split("\n").length, 12, screen.text);
  await screen.resize(after.columns, after.rows);
  for (const frame of frames.slice(first)) {
    screen.write(frame);
    await screen.settled();
    const lines = screen.text.split("\n");
    assert.equal(lines.length, after.rows - 1, screen.text);
    assert.ok(lines.slice(0, -1).every((line) => /^node-\d+ +\S+ +\d+\.\d s$/.test(line)), screen.text);
    assert.match(lines.at(-1)!, /^and 6 more: /);
  }
});

test("Ctrl-C typed during up takes the members down, and shows the cursor again", async () => {
  await using box = await sandbox({ fakeQemu: { "*": { bootMs: 60_000 } } });
  const up = new OnTerminal(["up", "a,b"], { env: box.env });
  await up.shows(/boot/);
  await up.type("\x03");
  assert.equal(await up.done, 130, up.output);
  assert.match(up.output, /stopped again: a, b/);
  assert.ok(up.output.lastIndexOf(SHOW) > up.output.lastIndexOf(HIDE));
  assert.deepEqual(box.stored(), []);
});

test.source("stop on a terminal leaves a line for each member", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a,b");
  const stop = new OnTerminal(["stop", "a", "b"], { env: box.env });
  assert.equal(await stop.done, 0, stop.output);
  const text = stop.output.replace(ESCAPES, "");
  for (const name of ["a", "b"]) assert.match(text, new RegExp(`^${name} +stopped +[0-9.]+ s`, "m"));
});

test("rm on a terminal lists what it deletes and asks; only yes deletes", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  for (const answer of ["n\n", "\n", "nope\n"]) {
    const rm = new OnTerminal(["rm", "a"], { env: box.env });
    await rm.shows(/\[y\/N\]/);
    assert.match(rm.output, /a \(it runs: its power is cut\), disk \d+/);
    await rm.type(answer);
    assert.equal(await rm.done, 1, rm.output);
    assert.match(rm.output, /Nothing was removed/);
  }
  assert.equal(await box.states(), "a=running");
  const rm = new OnTerminal(["rm", "a"], { env: box.env });
  await rm.shows(/\[y\/N\]/);
  await rm.type("y\n");
  assert.equal(await rm.done, 0, rm.output);
  assert.deepEqual(box.stored(), []);
});

test("ls has colours on a terminal, but not with NO_COLOR and not in a pipe", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  const ls = async (env: Record<string, string>) => {
    const running = new OnTerminal(["ls"], { env: { ...box.env, ...env } });
    assert.equal(await running.done, 0, running.output);
    return running.output;
  };
  assert.ok((await ls({})).includes("\x1b[32mrunning"));
  assert.doesNotMatch(await ls({ NO_COLOR: "1" }), ESCAPES);
  assert.doesNotMatch(await ls({ TERM: "dumb" }), ESCAPES);
  assert.doesNotMatch((await box.ok("ls")).stdout, ESCAPES);
});

test("logs removes control sequences on a terminal, and writes every byte to a pipe", async () => {
  const line = "\x1b[31mred\x1b[0m \x1b]0;title\x07end";
  await using box = await sandbox({ fakeQemu: { a: { console: [line] } } });
  await box.up("a");
  assert.ok((await box.ok("logs", "a")).stdout.includes(line));
  const logs = new OnTerminal(["logs", "a"], { env: box.env });
  assert.equal(await logs.done, 0, logs.output);
  assert.match(logs.output, /^red end\r$/m);
});

test.source("logs ends with a newline, whole, with -n, with -f, and on a terminal; a pipe gets every byte", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  await box.ok("stop", "a");
  const bytes = [...new TextEncoder().encode("first\r\n"), 0xff, 0xfe, ...new TextEncoder().encode("\r\na login: ")];
  Deno.writeFileSync(box.store.member("a").serialLog, new Uint8Array(bytes));
  const { stdout } = await new Deno.Command(FLEETBOX, { args: ["logs", "a"], env: box.env, clearEnv: true }).output();
  assert.deepEqual([...stdout], [...bytes, 0x0a]);
  assert.equal((await box.ok("logs", "a", "-n", "1")).stdout, "a login: \n");
  const follow = box.start(["logs", "a", "-f", "-n", "1"]);
  await follow.printed(/login: /);
  follow.kill("SIGINT");
  assert.equal((await follow.done).stdout, "a login: \n");
  const logs = new OnTerminal(["logs", "a"], { env: box.env });
  assert.equal(await logs.done, 0, logs.output);
  assert.match(logs.output, /\r\na login: \r\n$/);
  Deno.writeTextFileSync(box.store.member("a").serialLog, "whole\n");
  assert.equal((await box.ok("logs", "a")).stdout, "whole\n", "a newline is added only where it is missing");
});

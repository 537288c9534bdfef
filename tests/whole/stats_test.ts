/** `fleetbox stats`: the figures of members through the real command line, on a terminal, in a pipe and as JSON. */

import * as assert from "#assert";
import type { MemberStats } from "../../src/control/live/stats.ts";
import { host } from "../../src/system/os.ts";
import { FLEETBOX, type Running } from "../support/command.ts";
import { kill, signal, until } from "../support/processes.ts";
import { Screen } from "../support/screen.ts";
import { OnTerminal } from "../support/terminal.ts";
import { sandbox, test, told } from "../support/sandbox.ts";

interface Told {
  event: string;
  members: MemberStats[];
}

const linesOf = (text: string): Told[] => text.split("\n").slice(0, -1).map((line) => JSON.parse(line));

/** Passes over the lines of `stats --json`, each once, until one is as it should be. */
function reading(stats: Running): (wanted: (members: Record<string, MemberStats>) => unknown) => Promise<void> {
  let at = 0;
  return async (wanted) => {
    for (let isFound = false; !isFound; at++) {
      await stats.printed(new RegExp(`^(.*\n){${at + 1}}`));
      const { members } = linesOf(stats.stdout)[at];
      isFound = Boolean(wanted(Object.fromEntries(members.map((one) => [one.name, one]))));
    }
  };
}

test("stats --once --json tells the CPU of a busy guest and of an idle one, as their processes use it", async () => {
  await using box = await sandbox({ fakeQemu: { a: { busy: true } } });
  await box.up("a,b");
  const pid = box.process("machine", "a").pid;
  const [began, before] = [performance.now(), host().cpuTimeMs(pid)];
  const { stdout } = await box.ok("stats", "--once", "--json");
  const used = 100 * (host().cpuTimeMs(pid) - before) / (performance.now() - began);
  const [{ event, members: [a, b] }, ...more] = linesOf(stdout);
  assert.deepEqual([event, a.name, b.name, more.length], ["stats", "a", "b", 0]);
  assert.equal(a.hypervisor_pid, pid);
  assert.ok(a.interval_ms! > 400, stdout);
  // This host may be busy, and give it less than a core.
  assert.ok(a.cpu_percent! > used / 2 && a.cpu_percent! < used * 2, `${used}: ${stdout}`);
  assert.ok(a.cpu_percent! > 2 * b.cpu_percent!, stdout);
  for (const { memory_bytes, disk_read_bytes } of [a, b]) {
    assert.ok(memory_bytes! > 1024 * 1024 && disk_read_bytes! >= 0, stdout);
  }
});

test("stats --json goes on: traffic is counted, members come and go, and a killed holder's machines stay", async () => {
  await using box = await sandbox({ fakeQemu: { a: { ping: ["10.88.0.12"], onSignal: "ping" } } });
  await box.up("a,b");
  const stats = box.start(["stats", "--json"]);
  const next = reading(stats);
  await next(({ a, b }) => a?.interval_ms && b?.interval_ms);
  box.accident("a");
  await next(({ a, b }) => a.out_frames! > 0 && b.in_frames! > 0 && b.in_bytes! > 0);
  await box.up("c");
  await next(({ c }) => c && c.cpu_percent === undefined);
  await next(({ c }) => c?.cpu_percent !== undefined);
  await box.ok("stop", "b");
  await next(({ b }) => b === undefined);
  await box.killHolder("a");
  await next(({ a }) => a.cpu_percent !== undefined && a.in_frames === undefined);
  await box.ok("ls", "--repair");
  await next(({ a }) => a.in_frames !== undefined);
  stats.kill("SIGINT");
  assert.equal((await stats.done).code, 130);
});

test("status tells what a member has sent and received, as the member sees it", async () => {
  await using box = await sandbox({ fakeQemu: { a: { ping: ["10.88.0.99"] } } }); // nobody answers: it sends more than it receives
  await box.up("a");
  // Two looks between which nothing was counted.
  const [{ network }, { stdout }] = await until("its counters rest", async () => {
    const before = JSON.parse((await box.ok("status", "a", "--json")).stdout);
    const text = await box.ok("status", "a");
    const after = JSON.parse((await box.ok("status", "a", "--json")).stdout);
    return JSON.stringify(before.network) === JSON.stringify(after.network) ? [after, text] as const : undefined;
  });
  assert.notEqual(network.rx_frames, network.tx_frames, "else this proves nothing");
  assert.match(stdout, new RegExp(`^sent +${network.rx_frames} frames`, "m"));
  assert.match(stdout, new RegExp(`^received +${network.tx_frames} frames`, "m"));
});

test("stats on a terminal of 80 columns is one table that is drawn again, and stays when it ends", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  const long = "a-member-with-quite-a-long-name-for-80-columns";
  await box.up(`${long},b`);
  const [columns, rows] = [80, 10];
  const stats = new OnTerminal(["stats"], { env: { ...box.env, NO_COLOR: "1" }, columns, rows });
  await stats.shows(/b +\d+%[^]*b +\d+%/);
  await box.ok("stop", "b");
  // deno-lint-ignore no-control-regex
  await stats.shows(/%[^]*\x1b\[2A[^\n]*\n[^\n]*\x1b\[J/);
  await stats.type("\x03");
  assert.equal(await stats.done, 130, stats.output);
  const screen = new Screen(columns, rows);
  screen.write(stats.output);
  await screen.settled();
  assert.equal(screen.cursorIsHidden, false);
  assert.deepEqual(screen.scrolled, [], screen.text);
  const lines = screen.text.split("\n").filter((line) => line !== "^C");
  assert.match(lines[0], /^NAME +CPU +MEMORY +READ +WRITTEN +IN +FRAMES +OUT +FRAMES$/, screen.text);
  assert.match(lines[1], /^a-member-.* +\d+% +\S+M\/\S+ +/, screen.text);
  assert.equal(screen.text.match(/NAME/g)!.length, 1, screen.text);
});

test("stats in a pipe prints a table a second, and ends when its reader does", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  const stats = box.start(["stats", "a"]);
  await stats.printed(/^NAME .*\na +\d+% .*\n\nNAME .*\na +\d+% /);
  stats.kill("SIGTERM");
  assert.equal((await stats.done).code, 130);
  const { code, stdout } = await new Deno.Command("/bin/sh", {
    args: ["-c", `"$0" stats | { read -r line; echo "$line"; }`, FLEETBOX],
    env: box.env,
    clearEnv: true,
  }).output();
  assert.deepEqual([code, new TextDecoder().decode(stdout).slice(0, 4)], [0, "NAME"]);
});

test("stats of a holder that does not answer: its machines are shown without their network, or it is the error", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.up("a");
  const stats = box.start(["stats", "--json"]);
  const next = reading(stats);
  await next(({ a }) => a?.in_frames !== undefined);
  signal(box.process("holder"), "SIGSTOP");
  await next(({ a }) => a.cpu_percent !== undefined && a.in_frames === undefined);
  await box.fails(4, /holder of "a" did not answer/, "stats");
  signal(box.process("holder"), "SIGCONT");
  await next(({ a }) => a.in_frames !== undefined);
  stats.kill("SIGINT");
  assert.equal((await stats.done).code, 130);
});

test("stats without a running member says what to do, and of a member that is none that there is none", async () => {
  await using box = await sandbox({ fakeQemu: {} });
  await box.fails(1, /No member runs\n.*fleetbox up a/, "stats");
  await box.fails(3, /There is no member "nobody"/, "stats", "nobody");
  await box.up("a,b");
  await box.ok("stop", "a");
  await box.fails(1, /No machine runs of a\n.*fleetbox up a/, "stats", "a", "--once");
  const once = await box.run("stats", "a,b", "--once");
  assert.match(once.stdout, /^NAME.*\nb .*\n$/, told(once));
  await box.killHolder("b");
  await box.fails(1, /orphans do: b\n.*ls --repair/, "stats");
  await kill(box.process("machine", "b"));
  box.leavesDebris();
});

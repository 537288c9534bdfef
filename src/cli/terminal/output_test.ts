import * as assert from "#assert";
import { FleetboxError } from "../../core/errors.ts";
import { Store } from "../../store.ts";
import type { GroupReport, MemberReport } from "../../wire.ts";
import { summary } from "../bring_members_up.ts";
import { shortReason } from "../accelerator_note.ts";
import { colourful, paintFor, plain } from "./colour.ts";
import { errorJson, errorText, exitCodeOf, wantsJson } from "../error_text.ts";
import { listTable, reasons } from "../listing.ts";
import type { MemberView } from "../member_view.ts";
import { viewOf, viewsOf } from "../member_view.ts";
import { frame, phaseOf, type Row } from "./progress.ts";
import { sshArguments, sshConfigBlock } from "../arguments/ssh_arguments.ts";
import { tableLines } from "./table.ts";
import { TerminalText } from "./text.ts";

Deno.test("an error is a sentence, its causes without repetition, and a hint", () => {
  const cause = new Error("cannot open disk.qcow2", { cause: new Error("No such file") });
  const error = new FleetboxError("not-found", 'Cannot boot "a": cannot open disk.qcow2', {
    cause,
    hint: "look there",
  });
  assert.equal(
    errorText(error),
    'fleetbox: Cannot boot "a": cannot open disk.qcow2\n  because: No such file\n  try: look there',
  );
  assert.equal(exitCodeOf(error), 3);
  assert.deepEqual(JSON.parse(errorJson(error)), {
    event: "error",
    code: "not-found",
    message: error.message,
    causes: ["cannot open disk.qcow2", "No such file"],
    hint: "look there",
  });
});

Deno.test("lines of a cause are set in", () => {
  const error = new FleetboxError("timeout", "too late", { cause: new Error("the console:\nline 1\nline 2\n") });
  assert.equal(errorText(error), "fleetbox: too late\n  because: the console:\n    line 1\n    line 2");
});

Deno.test("several errors come one below the other; the more telling one makes the exit code", () => {
  const both = new AggregateError([new Error("one"), new FleetboxError("not-found", "two")]);
  assert.equal(errorText(both), "fleetbox: one\nfleetbox: two");
  assert.equal(exitCodeOf(both), 3);
  assert.equal(exitCodeOf(new AggregateError([new Error("one"), new Error("two")])), 1);
  assert.equal(errorJson(both).split("\n").length, 2);
});

Deno.test("--json counts where it is ours", () => {
  assert.ok(wantsJson(["ls", "--json"]));
  assert.ok(!wantsJson(["ls"]));
  assert.ok(!wantsJson(["ssh", "a", "--", "tool", "--json"]));
  assert.ok(!wantsJson(["ssh", "a", "tool", "--json"]));
});

Deno.test("colours are for terminals, and NO_COLOR turns them off", () => {
  const paint = (live: boolean, env: Record<string, string> = {}) => paintFor(live, (name) => env[name]);
  assert.equal(paint(true), colourful);
  assert.equal(paint(true, { NO_COLOR: "" }), colourful);
  assert.equal(paint(true, { NO_COLOR: "1" }), plain);
  assert.equal(paint(false), plain);
  assert.equal(paint(false, { FORCE_COLOR: "1" }), colourful);
  assert.equal(paint(false, { FORCE_COLOR: "0" }), plain);
  assert.equal(paint(true, { NO_COLOR: "1", FORCE_COLOR: "1" }), plain);
  assert.equal(colourful("red", "x"), "\x1b[31mx\x1b[0m");
});

Deno.test("a table's columns stand two spaces apart, colours do not widen them, no line ends with a space", () => {
  const rows = [[{ text: "a" }, { text: "running", colour: "green" as const }, { text: "" }], [{ text: "long" }, {
    text: "-",
  }, { text: "x" }]];
  assert.deepEqual(tableLines(["N", "S", "T"], rows), ["N     S        T", "a     running", "long  -        x"]);
  assert.deepEqual(
    tableLines(["N", "S", "T"], rows, (colour, text) => colour ? `<${text}>` : text)[1],
    "a     <running>",
  );
});

const row = (name: string, text: string, endedMs?: number): Row => ({
  name,
  phase: { text, done: endedMs !== undefined },
  startedMs: 1_000,
  endedMs,
});

Deno.test("live lines: name, phase, time; the time of a finished one does not change", () => {
  assert.deepEqual(
    frame([row("a", "kernel"), row("web-10", "running", 3_500)], 4_200, { columns: 80, rows: 24 }, plain),
    [
      "a       kernel    3.2 s",
      "web-10  running   2.5 s",
    ],
  );
});

Deno.test("live lines stay narrower than the terminal, whatever its width", () => {
  const rows = [row("a", "image (downloading)"), row("a-name-that-is-quite-long-for-a-member", "kernel")];
  for (let width = 1; width <= 100; width++) {
    for (const line of frame(rows, 100_000, { columns: width, rows: 24 }, plain)) {
      assert.ok(line.length < Math.max(2, width), `${width}: ${JSON.stringify(line)}`);
    }
  }
});

Deno.test("more members than a window has rows: those under way and those that failed are shown, the others counted", () => {
  const rows = [
    row("a", "running", 1),
    row("b", "kernel"),
    row("c", "running", 1),
    row("d", "ssh"),
    row("e", "running", 1),
    { ...row("f", "failed", 1), phase: { text: "failed", colour: "red" as const, done: true } },
  ];
  const names = (height: number) =>
    frame(rows, 1_000, { columns: 40, rows: height }, plain).map((line) => line.startsWith("and") ? line : line[0]);
  assert.deepEqual(names(7), ["a", "b", "c", "d", "e", "f"]);
  assert.deepEqual(names(6), ["a", "b", "d", "f", "and 2 more: 2 running"]);
  assert.deepEqual(names(5), ["b", "d", "f", "and 3 more: 3 running"]);
  assert.deepEqual(names(3), ["b", "and 5 more: 3 running, 1 ssh, 1 failed"]);
  for (let height = 1; height < 10; height++) assert.ok(names(height).length < Math.max(2, height));
});

Deno.test("a member that is going down says so, whatever its state", () => {
  assert.equal(phaseOf({ state: "running", stage: "stopping" }).text, "stopping");
  assert.equal(phaseOf({ state: "starting", stage: "kernel" }).text, "kernel");
  assert.equal(phaseOf({ state: "error" }).text, "failed");
});

Deno.test("the reason for emulation is one line, without QEMU's message if that is longer", () => {
  const short = "Running without KVM (slower): this host has no /dev/kvm";
  assert.equal(shortReason(short), short);
  assert.equal(
    shortReason(
      "Running without KVM (slower): /dev/kvm exists, but QEMU cannot use it (error: failed to set\nMSR 0x10a)",
    ),
    "Running without KVM (slower): /dev/kvm exists, but QEMU cannot use it",
  );
});

Deno.test("the summary has name, address and how to reach the member", () => {
  const report = (name: string, ip: string, state = "running") => ({ name, ip, state, stage: "boot" }) as MemberReport;
  assert.deepEqual(summary([report("a", "10.88.0.11"), report("web", "10.88.0.9")]), [
    "a    10.88.0.11  fleetbox ssh a",
    "web  10.88.0.9   fleetbox ssh web",
  ]);
  const two = [report("a", "10.88.0.11"), report("web", "10.88.0.9")];
  assert.deepEqual(summary(two, 33), summary(two));
  assert.deepEqual(summary(two, 32), ["a    10.88.0.11", "web  10.88.0.9", "reach them: fleetbox ssh NAME"]);
  assert.deepEqual(summary(two, 10), summary(two)); // nothing would fit
  assert.deepEqual(summary([report("a", "", "starting")]), ["a  boot: fleetbox wait a"]);
});

const view = (name: string, facts: Partial<MemberView>): MemberView => ({
  name,
  state: "stopped",
  running: false,
  ip: "",
  bound: false,
  ...facts,
});

Deno.test("the list's rows: what is not known is a dash, bound groups are marked", () => {
  const now = Date.parse("2026-01-01T01:00:00Z");
  const texts = (one: MemberView) => listTable([one], now).rows[0].map(({ text }) => text).join("|");
  const running = view("a", {
    state: "running",
    ip: "10.88.0.11",
    cpus: 2,
    memory_mb: 512,
    image: "/images/debian.qcow2",
    since: "2026-01-01T00:50:00Z",
    group: "g",
  });
  assert.equal(texts(running), "a|running|10.88.0.11|2|512M|debian.qcow2|10m|g");
  assert.equal(
    texts({ ...running, bound: true, stage: "paused" }),
    "a|running (paused)|10.88.0.11|2|512M|debian.qcow2|10m|g (bound)",
  );
  assert.equal(texts(view("b", {})), "b|stopped|-|-|-|-|-|-");
  assert.equal(texts(view("c", { state: "starting", stage: "kernel" })), "c|starting (kernel)|-|-|-|-|-|-");
  assert.equal(texts({ ...running, stage: "stopping" }).split("|")[1], "stopping");
});

Deno.test("long names are shortened until the list fits the terminal", () => {
  const long = view("a-member-with-a-name-of-40-characters-xx", {
    image: "debian-12-genericcloud-amd64-20240101.qcow2",
    group: "another-name-of-40-characters-that-is-long",
    state: "running",
    ip: "10.88.0.11",
  });
  const width = (columns: number) => {
    const { head, rows } = listTable([long], 0, columns);
    return Math.max(...tableLines(head, rows).map((line) => line.length));
  };
  for (const columns of [200, 120, 100, 80, 60, 50]) assert.ok(width(columns) <= columns, String(columns));
});

Deno.test("on a narrow terminal the list has fewer columns, and names stay whole as long as that goes", () => {
  const one = view("database-1", { state: "starting", stage: "cloud-init", ip: "10.88.0.11", cpus: 2, memory_mb: 512 });
  const head = (columns: number) =>
    listTable([{ ...one, image: "debian-12", group: "database-1" }], 0, columns).head.join(" ");
  assert.equal(head(90), "NAME STATE ADDRESS CPUS MEMORY IMAGE UPTIME GROUP");
  assert.equal(head(70), "NAME STATE ADDRESS UPTIME GROUP");
  assert.equal(head(60), "NAME STATE ADDRESS GROUP");
  assert.equal(listTable([one], 0, 40).rows[0][0].text, "database-1");
});

Deno.test("members of one group are beside each other, stopped ones with the group that they last booted in", () => {
  const views = [
    view("a", { group: "a", group_id: "1" }),
    view("b", { last_group: "b", last_group_id: "2" }),
    view("c", { last_group: "a", last_group_id: "1" }),
    view("d", { last_group_id: "3" }),
    view("e", { last_group: "b", last_group_id: "2" }),
    view("f", { last_group_id: "3" }),
    view("g", {}),
  ];
  const told = listTable(views, 0).rows.map((row) => `${row[0].text}=${row[7].text}`).join(" ");
  assert.equal(told, "a=a c=a b=b e=b d=d f=d g=-");
});

Deno.test("a reason is printed once for all members that share it", () => {
  const orphan = (name: string) =>
    view(name, { state: "orphaned", group: "a", reason: "its holder is gone", hint: `up ${name}` });
  const broken = view("x", { state: "damaged", reason: "it is\nnot JSON", hint: "repair it" });
  assert.deepEqual(reasons([orphan("a"), orphan("b"), broken, view("y", {})]), [
    "",
    "a, b: orphaned: run fleetbox up a (its holder is gone)",
    "x: it is; not JSON\n  try: repair it",
  ]);
  assert.deepEqual(reasons([view("y", {})]), []);
});

Deno.test("two groups of the same name are told apart: how to adopt each, and which is bound", () => {
  const orphan = (name: string, id: string) =>
    view(name, { state: "orphaned", group: "a", group_id: id, reason: "its holder is gone", hint: `up ${name}` });
  assert.deepEqual(reasons([orphan("a", "1"), orphan("b", "2"), orphan("c", "2")]), [
    "",
    "a: orphaned: run fleetbox up a (its holder is gone)",
    "b, c: orphaned: run fleetbox up b (its holder is gone)",
  ]);
  const member = (name: string, id: string) => ({ name, report: { name, group: "a", group_id: id } as MemberReport });
  const served = new Map(["1", "2"].map((id) => [id, { group: "a", group_id: id, bound: id === "2" } as GroupReport]));
  const views = viewsOf({ members: [member("a", "1"), member("b", "2")], served, groups: [] });
  assert.deepEqual(views.map(({ bound }) => bound), [false, true]);
});

Deno.test("a member's state is its holder's word, else what the store and the processes show", () => {
  const damage = new FleetboxError("damaged", "not JSON", { hint: "repair it" });
  const groups = [{
    ...{
      id: "1",
      group: "g",
      members: ["a"],
      holder: 1,
      holderAlive: false,
      isComingBack: false,
      served: [],
      machinesAlive: ["a"],
      running: ["a"],
    },
    bound: false,
  }];
  assert.equal(viewOf({ name: "a" }, []).state, "stopped");
  assert.deepEqual(
    (({ state, group, hint }) => ({ state, group, hint }))(viewOf({ name: "a" }, groups)),
    { state: "orphaned", group: "g", hint: "fleetbox up a" },
  );
  const broken = viewOf({ name: "b", stored: { name: "b", damage } }, groups);
  assert.deepEqual([broken.state, broken.reason, broken.hint], ["damaged", "not JSON", "repair it"]);
  assert.equal(viewOf({ name: "b", silence: new FleetboxError("timeout", "no answer") }, []).state, "unknown");
});

Deno.test("ssh: our key alone, no questions, no configuration of the user's; the command comes last", () => {
  const store = Store.at("/tmp/a b");
  const endpoint = { host: "127.0.0.1", port: 2022, user: "fleetbox" };
  const args = sshArguments(store, endpoint, { tty: true, command: "-n" });
  assert.deepEqual(args.slice(0, 4), ["-F", "/dev/null", "-o", 'IdentityFile="/tmp/a b/id_ed25519"']);
  assert.ok(args.includes("StrictHostKeyChecking=no") && args.includes("IdentitiesOnly=yes"));
  assert.deepEqual(args.slice(-6), ["-p", "2022", "-t", "fleetbox@127.0.0.1", "--", "-n"]);
  assert.match(sshConfigBlock(store, "web-1", endpoint), /^Host web-1\n {2}HostName 127\.0\.0\.1\n {2}Port 2022\n/);
});

const CONSOLE: [what: string, pieces: string[], expected: string][] = [
  ["plain text, tabs and newlines stay", ["a\tb\r\nc"], "a\tb\nc"],
  ["colours and cursor movements go", ["\x1b[1;31mred\x1b[0m\x1b[2J\x1b[H!"], "red!"],
  ["a title goes, however it ends", ["\x1b]0;title\x07a\x1b]0;title\x1b\\b"], "ab"],
  ["queries to the terminal go", ["\x1b[6n\x1b[c\x1bPx\x1b\\ok\x05"], "ok"],
  ["a sequence that is cut between pieces goes", ["a\x1b", "[3", "1mb\x1b]0;t", "itle\x07c"], "abc"],
  ["a sequence that is broken off does not swallow the next line", ["\x1b]0;title\nline\n\x1b[31\nx"], "\nline\n\nx"],
  ["character sets and other two-character escapes go", ["\x1b(Ba\x1b=b\x1b7c"], "abc"],
  ["eight-bit controls go, other letters stay", ["\x9b31ma\x85é日本"], "aé日本"],
];

for (const [what, pieces, expected] of CONSOLE) {
  Deno.test(`console on a terminal: ${what}`, () => {
    const text = new TerminalText();
    assert.equal(pieces.map((piece) => text.push(piece)).join(""), expected);
  });
}

/** What may stand at the cursor, against the program's real commands and members made up here. */

import * as assert from "#assert";
import { complete, type Facts } from "./complete.ts";
import type { MemberView } from "../member_view.ts";
import { buildProgram } from "../program.ts";

const program = await buildProgram();

function view(name: string, state: MemberView["state"]): MemberView {
  return { name, state, running: state === "running" || state === "starting", ip: "", bound: false, image: "micro" };
}

const facts: Facts = {
  members: (place) =>
    Promise.resolve(
      place === "big"
        ? [view("db", "running"), view("dc", "stopped")]
        : place === undefined
        ? [view("a", "running"), view("ab", "stopped"), view("b", "starting"), view("c", "orphaned")]
        : [],
    ),
  checkpoints: () => Promise.resolve([{ word: "seeded" }, { word: "later" }]),
  traces: () => Promise.resolve([{ word: "a-1" }, { word: "b-2" }]),
  paths: (name, begun) =>
    Promise.resolve(name === "a" ? ["/etc/", "/etc/hostname", "my file"].filter((path) => path.startsWith(begun)) : []),
  places: () => ["big", "lab"],
  images: () => Promise.resolve([{ word: "debian-12" }, { word: "own-image" }]),
};

/** The candidates for a line with a `|` at its end, which is where the cursor is. */
async function at(line: string): Promise<string> {
  assert.ok(line.endsWith("|"));
  const { candidates, files, nospace, quote } = await complete(program, line.slice(0, -1).split(" "), facts);
  const flags = [...(files ? ["FILES"] : []), ...(nospace ? ["NOSPACE"] : []), ...(quote ? ["QUOTE"] : [])];
  return [...candidates.map(({ word }) => word), ...flags].join(" ");
}

const CASES: [line: string, expected: string][] = [
  ["up a --on |", "big lab here"],
  ["place rm b|", "big"],
  // Members at a place.
  ["exec d@|", ""],
  ["exec db@|", "db@big"],
  ["status dc@b|", "dc@big"],
  ["stop a,db@|", "a,db@big"],
  ["exec db@lab|", ""],
  ["sto|", "stop"],
  ["st|", "stop status stats"],
  // Aliases, for who typed one that no command begins like; what stands behind them is the command's.
  ["sta|", "status stats"],
  ["del|", "delete"],
  ["image del|", "delete"],
  ["start |", "ab c"],
  ["shell a ls --|", ""],
  ["help jo|", "join"],
  ["help image p|", "pull"],
  ["help up |", ""],
  ["nonsense |", ""],
  // Members: those with which the command can do something; nobody twice.
  ["status |", "a ab b c"],
  // A value that may be left out.
  ["up -f |", "FILES"],
  ["up -f --cl|", "--clock"],
  ["up -f g.toml |", "ab c"],
  ["config --file=|", "FILES"],
  ["stop |", "a b c"],
  ["down a|", "a"],
  ["up |", "ab c"],
  ["ssh |", "a b c"],
  ["stop a b,|", "b,c"],
  ["stop a |", "b c"],
  ["rm a,ab,|", "a,ab,b a,ab,c"],
  ["status a |", ""],
  ["join d --via |", "a b c"],
  // A command that has commands, and takes members itself.
  ["checkpoint |", "ls rm a b c"],
  ["checkpoint a,|", "a,b a,c"],
  ["checkpoint a |", "b c"],
  ["checkpoint a --as x |", "b c"],
  ["checkpoint r|", "rm"],
  ["checkpoint rm |", "seeded later"],
  ["checkpoint rm later s|", "seeded"],
  ["checkpoint --|", "--as --verbose --json --help"],
  ["fork |", "seeded later"],
  ["fork seeded |", ""],
  ["restore l|", "later"],
  ["trace show a|", "a-1 FILES"],
  ["trace events |", "a-1 b-2 FILES"],
  ["fault run |", "FILES"],
  ["suspend a |", "b c"],
  // Options, those that are there already left out; their values.
  ["stop --f|", "--force"],
  ["stop --force --|", "--all --grace --lose-unflushed --seed --verbose --json --on --help"],
  ["up x --egress |", "on off"],
  ["up x --egress=o|", "--egress=on --egress=off"],
  ["up --egress off |", "ab c"],
  ["up x --image debian-12|", "debian-12 FILES"],
  ["up x --image own|", "own-image FILES"],
  ["up x --user-data |", "FILES"],
  ["up x --cpus |", ""],
  ["stop --nonsense=|", ""],
  ["stop -- --|", ""],
  // What a guest's program is given is not ours.
  ["ssh a |", ""],
  ["ssh a ls --|", ""],
  ["exec a -- |", ""],
  ["ssh --t|", "--tty"],
  // Others.
  ["cp |", "a: b: c: FILES NOSPACE"],
  ["cp ./a|", "FILES NOSPACE"],
  ["sync |", "a: b: c: FILES NOSPACE"],
  ["sync . |", "a: b: c: NOSPACE"],
  ["sync a:src |", "FILES"],
  // Paths on a member, which its guest is asked for.
  ["cp x a:/|", "a:/etc/ a:/etc/hostname NOSPACE QUOTE"],
  ["cp a:/etc/h|", "a:/etc/hostname QUOTE"],
  ["cp a:my|", "a:my file QUOTE"],
  ["cp b:/|", "NOSPACE QUOTE"],
  ["cp ./a:|", "FILES NOSPACE"],
  ["image r|", "rm"],
  ["image rm |", "debian-12 own-image"],
  ["image build debian-12|", "debian-12"],
  ["image pull ubuntu-24|", "ubuntu-24.04"],
  ["completion |", "bash zsh fish"],
  ["stop a --lose-unflushed |", "none all random torn"],
];

for (const [line, expected] of CASES) {
  Deno.test(`complete: fleetbox ${line}`, async () => assert.equal(await at(line), expected));
}

Deno.test("complete: every command is offered, and every option of each", async () => {
  const offered = (await at("|")).split(" ");
  assert.deepEqual(offered, program.commands.map((command) => command.name()));
  for (const command of program.commands.filter((one) => one.commands.length === 0)) {
    const flags = (await at(`${command.name()} -|`)).split(" ");
    for (const option of command.options.filter((one) => !one.hidden)) {
      assert.ok(flags.includes(option.long ?? option.short!), `${command.name()} ${option.flags}`);
    }
  }
});

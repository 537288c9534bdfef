/** What a group file stands for, and what is told of one that makes no sense. */

import * as assert from "#assert";
import fc from "fast-check";
import { FleetboxError, hintLine } from "../../core/errors.ts";
import { join } from "../../system/path.ts";
import { checkOptions, optionsOf } from "../../core/options.ts";
import { type FileGroup, readGroup, wishOf } from "./group.ts";
import { groupFileSchema, KEYS } from "./keys.ts";
import { type FileMember, optionsOfFlags, readGroupFile } from "./read.ts";
import { groupToml, valuesOf } from "./write.ts";

const read = (text: string) => readGroupFile(text, "g.toml", "/dir");
const groupOf = (members: FileMember[]): FileGroup => ({ file: "/dir/g.toml", members, others: [] });

/** Each problem of a file, with its hint behind an arrow. */
function problems(text: string): string[] {
  try {
    read(text);
  } catch (thrown) {
    const all = thrown instanceof AggregateError ? thrown.errors : [thrown];
    return all.map((error) => {
      assert.ok(error instanceof FleetboxError && error.code === "misuse", String(error));
      return error.message + (error.hint === undefined ? "" : ` -> ${hintLine(error.hint)}`);
    });
  }
  return [];
}

/** A file with one member, whose line 2 this is. */
const inMember = (line: string) => problems(`[members.a]\n${line}\n`);

Deno.test("a group file: a member has its own options before the defaults; count makes several; paths are the file's", () => {
  const members = read(`
    [defaults]
    memory = "1G"
    publish = [80]
    cold = true
    [members.db]
    publish = ["5432", "8443:443"]
    cold = false
    [members.node]
    count = 2
    needs = "db"
    cpus = 4
    image = "./disk.qcow2"
    host-access = true
    template = false
    user-data = """
#cloud-config
"""
    [members.last]
    needs = ["node-2", "node"]
    image = "debian-12"
  `);
  assert.deepEqual(members.map(({ name, needs }) => `${name}: ${needs}`), [
    "db: ",
    "node-1: db",
    "node-2: db",
    "last: node-2,node-1",
  ]);
  const [db, node, , last] = members.map(({ flags }) => optionsOfFlags(flags));
  assert.deepEqual(db, { mem: 1, publish: [{ guest_port: 5432 }, { host_port: 8443, guest_port: 443 }] });
  assert.deepEqual(node, {
    ...{ mem: 1, publish: [{ guest_port: 80 }], cold: true, cpus: 4, image: "/dir/disk.qcow2", host_access: true },
    ...{ no_template: true, user_data: "#cloud-config\n" },
  });
  assert.deepEqual(last, { mem: 1, publish: [{ guest_port: 80 }], cold: true, image: "debian-12" });
});

const PROBLEMS: [line: string, told: string][] = [
  ["memroy = 1", 'g.toml:2:1: a member has no key "memroy" -> Did you mean memory?'],
  ["host_access = true", 'g.toml:2:1: a member has no key "host_access" -> Did you mean host-access?'],
  ["depends_on = []", 'g.toml:2:1: a member has no key "depends_on" -> Did you mean needs?'],
  ['memory = "5X"', 'g.toml:2:10: Bad value for memory: found "5X", expected a size such as 512M or 2G'],
  ["memory = 5", 'g.toml:2:10: Bad value for memory: "5" is 5 MiB; the least is 64M -> Did you mean 5G?'],
  ['cpus = "2"', 'g.toml:2:8: Bad value for cpus: found "2", expected a whole number'],
  ["cpus = 2.5", "g.toml:2:8: Bad value for cpus: found 2.5, expected a whole number"],
  ["cold = 1", "g.toml:2:8: Bad value for cold: found 1, expected true or false"],
  ["egress = false", 'g.toml:2:10: Bad value for egress: found false, expected "on" or "off"'],
  ['clock = ["set"]', "g.toml:2:9: clock takes one value, found a list"],
  ["image = 2020-01-01", 'g.toml:2:9: Bad value for image: found "2020-01-01", expected text in quotes'],
  ['publish = [80, "80,90"]', 'g.toml:2:16: Bad value for publish: found "80,90", expected one port'],
  ['publish = ["1:2", "1:3"]', "g.toml:1:10: port 1 of this host can lead to one port of one member, found two"],
  [
    'count = 2\npublish = ["1:2/udp"]',
    'g.toml:1:10: port 1 of this host can lead to one port of one member, found "a-1" and "a-2"' +
    ' -> try: Let a port be chosen: publish = ["2/udp"]',
  ],
  ['needs = ["b"]', 'g.toml:2:10: there is no member "b" in it -> There are: a'],
  ["needs = [7]", "g.toml:2:10: Bad value for needs: found 7, expected a member's name"],
  ['needs = "a"', 'g.toml:2:9: they wait for each other: "a" needs "a"'],
  ["count = 0", "g.toml:2:9: Bad value for count: found 0, expected a whole number from 1 to 189"],
  ["count = 190", "g.toml:2:9: Bad value for count: found 190, expected a whole number from 1 to 189"],
  ["image = debian-12", "g.toml:2:9: this is not TOML: unexpected character: image = debian-12 -> "],
  ["[members.B]", 'g.toml:2:10: Not a member name: "B"; a name is 1 to 63 of a-z, 0-9 and "-", '],
  ["[b]\ncpus = 1", 'g.toml:2:2: a group file has no key "b" -> try: A member is a table of its own: [members.b]'],
  ["[[members.b]]", "g.toml:2:3: b is a list, expected a table"],
];

Deno.test("a group file: one port number may be TCP's and UDP's, and two addresses'", () => {
  const publish = ["5353:53", "5353:53/udp", "127.0.0.2:5353:53"];
  assert.deepEqual(read(`[members.a]\npublish = ${JSON.stringify(publish)}`)[0].flags.publish, publish);
});

Deno.test("a group file: what is wrong is told with its line, its column, and what would be right", () => {
  for (const [line, told] of PROBLEMS) {
    const found = inMember(line);
    assert.ok(found.length === 1 && found[0].startsWith(told), `${line}: ${JSON.stringify(found)}`);
  }
  assert.match(inMember("image = debian-12")[0], /try: Text is in quotes: image = "debian-12"$/);
  assert.deepEqual(problems(""), ["g.toml:1:1: there are no members in it -> try: Each is a table: [members.a]"]);
  assert.match(
    problems('egress = "off"\n[members.a]')[0],
    /^g\.toml:1:1: a group file has no key "egress" -> try: For all members: \[def/,
  );
  assert.match(problems("members = 3")[0], /^g\.toml:1:11: members is 3, expected a table/);
});

Deno.test("a group file: all problems are told at once, in the file's order", () => {
  const found = problems(`
[defaults]
egres = "off"
[members.a]
needs = "c"
publish = "1:80"
[members.b]
needs = "a"
publish = "1:80"
[members.c]
needs = "b"
[members.node]
count = 3
[members.node-2]`);
  assert.deepEqual(found, [
    'g.toml:3:1: [defaults] has no key "egres" -> Did you mean egress?',
    'g.toml:7:10: port 1 of this host can lead to one port of one member, found "a" and "b" -> ' +
    'try: Let a port be chosen: publish = ["80"]',
    'g.toml:11:9: they wait for each other: "c" needs "b", "b" needs "a", "a" needs "c"',
    'g.toml:14:10: "node-2" is there twice: [members.node] makes one, too',
  ]);
});

Deno.test("a group file: any text is a group, or is refused", () => {
  const word = fc.constantFrom(
    "[members.a]",
    "[defaults]",
    "needs",
    "count",
    "=",
    '"a"',
    "[",
    "]",
    "1",
    "\n",
    ".",
    "'",
    "#",
  );
  fc.assert(fc.property(fc.oneof(fc.string(), fc.array(word).map((words) => words.join(" "))), (text) => {
    problems(text);
  }));
});

Deno.test("config: every key has a value but those of the image, and what it prints is a file that says the same", () => {
  const members = read(`
    [members.a]
    image = "debian-12"
    cpus = 2
    user-data = """
#cloud-config
# a \\"quote\\", a \\\\n, a tab\\t.
"""
    [members.b]
    memory = 512
    fixture = "/tmp:/srv"
    needs = "a"`);
  const text = groupToml(groupOf(members));
  const again = read(text);
  assert.deepEqual(again.map(valuesOf), members.map(valuesOf));
  assert.equal(groupToml(groupOf(again)), text);
  const [a, b] = members.map(valuesOf);
  assert.deepEqual([a.memory, a.disk, b.memory, b.disk], [undefined, undefined, "512M", "10G"]);
  const open = ["arch", "firmware", "user-data"];
  assert.deepEqual([...KEYS.keys()].filter((key) => b[key] === undefined), open);
  assert.match(text, /^# of the image: arch, firmware, memory, disk$/m);
});

Deno.test("up -f: some members with those that they need; the command line comes before the file, for all of them", async () => {
  const file = Deno.makeTempFileSync({ suffix: ".toml" });
  try {
    Deno.writeTextFileSync(
      file,
      `
      [members.a]
      timeout = 10
      [members.b]
      needs = "a"
      timeout = "20s"
      publish = 80
      [members.c]
      needs = "b"
      [members.d]`,
    );
    const group = await readGroup(file, ["b"], { memory: "1G", publish: ["90"] });
    assert.deepEqual([group.members.map(({ name }) => name), group.others], [["a", "b"], ["c", "d"]]);
    const { options, asked, timeoutMs } = wishOf(group);
    checkOptions(options);
    const publish = [{ guest_port: 90 }];
    const b = { mem: 1, publish, boot_timeout_ms: 20_000 };
    assert.deepEqual(optionsOf(options, "b"), { ...b, needs: ["a"], inherit: false });
    assert.deepEqual(optionsOf(asked, "b"), b);
    assert.equal(timeoutMs, 30_000);
    await assert.rejects(readGroup(file, ["x"], {}), { code: "not-found", hint: "There are: a, b, c, d" });
    await assert.rejects(readGroup(file, [], { publish: ["1:2"] }), /can lead to one member, found 4/);
  } finally {
    Deno.removeSync(file);
  }
});

Deno.test("docs/fleetbox.schema.json is the schema that config --schema prints", () => {
  const file = join(import.meta.dirname!, "../../../docs/fleetbox.schema.json");
  const text = JSON.stringify(groupFileSchema(), null, 2) + "\n";
  if (Deno.env.get("FLEETBOX_UPDATE_SNAPSHOTS")) Deno.writeTextFileSync(file, text);
  const how = "write it anew: FLEETBOX_UPDATE_SNAPSHOTS=1 node_modules/.bin/deno test -A src/cli/group_file";
  assert.equal(Deno.readTextFileSync(file), text, how);
});

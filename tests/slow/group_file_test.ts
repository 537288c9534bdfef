/** A group in a file, on real machines: each kind of key does in the guests what `config` says, and the command line has the last word. */

import * as assert from "#assert";
import { join } from "../../src/system/path.ts";
import { freePort } from "../support/free_ports.ts";
import { guest, guestOk } from "../support/guest.ts";
import { sandbox, test, told } from "../support/sandbox.ts";

const page = (port: number) =>
  `#:schema ./fleetbox.schema.json
[defaults]
memory = "160M"
egress = "off"
fixture = "seed:/srv/seed"

[members.web]
count = 2
needs = "db"
label = "tier=web"

[members.db]
image = "micro"
cpus = 2
memory = "128M"
disk = "11G"
publish = ["127.0.0.2:${port}:8000"]
run = "db.sh"
user-data = """
#cloud-config
users:
  - name: keeper
"""
`;

test("a group in a file: its keys are true of the guests, and the command line has the last word", async () => {
  await using box = await sandbox({ warm: true });
  const at = (...names: string[]) => join(box.root, ...names);
  const port = freePort();
  Deno.mkdirSync(at("seed"));
  Deno.writeTextFileSync(at("seed/word"), "seeded\n");
  Deno.writeTextFileSync(at("group.toml"), page(port));
  Deno.writeTextFileSync(at("db.sh"), "grep ^keeper: /etc/passwd && httpd -p 8000 -h /srv/seed\n");

  // What config prints is a group file again.
  const config = (await box.ok("config", "-f", at("group.toml"), "--memory", "144M")).stdout;
  Deno.writeTextFileSync(at("whole.toml"), config);
  const [again, schema] = await Promise.all([
    box.ok("config", "-f", at("whole.toml")),
    box.ok("config", "--schema"),
  ]);
  assert.equal(again.stdout, config);
  assert.ok(Object.hasOwn(JSON.parse(schema.stdout).properties, "members"));
  assert.deepEqual(box.stored(), []);

  const up = await box.ok("up", "-f", at("group.toml"), "--memory", "144M");
  assert.match(up.stdout, /^web-1: waiting$[^]*^db: running.*$[^]*^web-1: boot$/m, told(up));
  assert.match(up.stdout, /^db \| keeper:/m, told(up));
  const look = "grep -c ^processor /proc/cpuinfo; grep MemTotal /proc/meminfo; cat /srv/seed/word";
  for (const [name, cpus] of [["db", 2], ["web-1", 1], ["web-2", 1]] as const) {
    const [, processors, memory, word] = /^(\d+)\nMemTotal: +(\d+) kB\n(.*)\n$/.exec(await guestOk(box, name, look))!;
    assert.deepEqual([Number(processors), word], [cpus, "seeded"], name);
    assert.ok(Number(memory) < 144 * 1024 && Number(memory) > 100 * 1024, `${name}: ${memory} KiB`);
  }
  assert.equal(await guestOk(box, "web-2", "wget -qO- http://db:8000/word"), "seeded\n");
  assert.equal(await (await fetch(`http://127.0.0.2:${port}/word`)).text(), "seeded\n");
  assert.notEqual((await guest(box, "web-1", "nc -w 1 192.0.2.1 80 </dev/null")).code, 0);
  assert.equal((await box.ok("ls", "-q", "--label", "tier=web")).stdout, "web-1\nweb-2\n");
  assert.equal(await guestOk(box, "db", "cat /sys/block/vda/size"), `${11 * 2 ** 21}\n`);
});

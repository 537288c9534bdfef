/**
 * A real Debian 12, built from packages, in a group with two micro members. It boots for minutes where it is emulated: `debian_test.ts`
 * boots it once, `tests/slow` twice.
 */

import * as assert from "#assert";
import { join } from "../../src/system/path.ts";
import { until } from "../support/processes.ts";
import { type Sandbox, sandbox, told } from "../support/sandbox.ts";
import { MAY_SHARE } from "../support/guest.ts";
import { provideImage, tell } from "./images.ts";

/** A unit that serves the shared directory over HTTP; a line for each time that cloud-init sees a new instance. */
const USER_DATA = `#cloud-config
users:
  - name: sued # a user's own users: ours must be there all the same
    no_create_home: true
write_files:
  - path: /etc/systemd/system/beacon.service
    content: |
      [Service]
      ExecStart=/usr/bin/python3 -m http.server 80 --directory /srv/fixture
      [Install]
      WantedBy=multi-user.target
runcmd:
  - echo new >>/var/lib/instances
  - systemctl enable --now beacon.service
`;

/** Asks the unit's server, which listens a moment after the unit was started. */
const FETCH = "for n in $(seq 100); do wget -qO- http://deb/word 2>/dev/null && exit; sleep 0.2; done; exit 1";

/** Boots it, looks at all that is promised of it, and stops it; if so, also its disk, and what it is after another boot. */
export async function debianInGroup({ again }: { again: boolean }): Promise<void> {
  await using box = await sandbox({ env: { FLEETBOX_ACCEL: "tcg" }, limitMs: 1_000_000 });
  const before = performance.now();
  const step = (what: string) => tell(`${Math.round((performance.now() - before) / 1000)} s: ${what}`);
  await provideImage(box, "debian-12");
  step("the image is there");

  const shared = join(box.root, "fix ture");
  Deno.mkdirSync(shared);
  Deno.writeTextFileSync(join(shared, "word"), "first\n");
  Deno.writeTextFileSync(join(shared, "-line\nbreak"), "", { mode: 0o640 });
  Deno.writeTextFileSync(join(box.root, "user-data"), USER_DATA);
  const said = async (name: string, ...command: string[]) => (await box.ok("exec", name, "--", ...command)).stdout;

  const script = join(box.root, "setup.sh");
  Deno.writeTextFileSync(script, "cloud-init status >/srv/ran; id -un >>/srv/ran; cat /srv/fixture/word >>/srv/ran\n");
  const both = join(box.root, "both");
  Deno.mkdirSync(both);
  await box.up("m1", "--fixture", `${shared}:/srv/fix ture`);
  step("micro runs");
  await Promise.all([
    box.ok("join", "m2", "--via", "m1"),
    box.run(
      ...["join", "deb", "--via", "m1", "--image", "debian-12", "--disk", "12G", "--timeout", "900"],
      ...["--fixture", `${shared}:/srv/fixture`, "--user-data", join(box.root, "user-data"), "--run", script],
      ...(MAY_SHARE ? ["--share", `${both}:/srv/both`] : []),
    ).then(async (result) => {
      if (result.code === 0) return;
      const log = await box.run("exec", "deb", "--", "sudo", "tail", "-n", "30", "/var/log/cloud-init-output.log");
      assert.fail(`${told(result)}\n${told(log)}`);
    }),
    said("m1", "cat", "/srv/fix ture/word").then((words) => assert.equal(words, "first\n")),
  ]);
  step("Debian runs, first boot");
  await box.ok("trace", "start", "deb");

  // By name, in all directions; this tests the unit, the shared directory and the network in one.
  const [deb] = await Promise.all([
    answers(box, "deb", {
      address: "getent hosts m2",
      ping: "ping -c1 -W10 m2",
      unit: "systemctl is-active beacon.service",
      state: "systemctl is-system-running",
      fixture: "stat -c '%a %n' '/srv/fixture/-line\nbreak'",
      readOnly: "! sudo touch /srv/fixture/x",
      who: "hostname; hostname -f; id -un; sudo id -un",
      own:
        "getent ahostsv4 deb | head -1; getent ahostsv4 deb.fleetbox.internal | head -1; grep -c 127.0.1.1 /etc/hosts || :",
      users: "getent passwd fleetbox sued",
      root: "df --output=size -BM /",
      ran: "cat /srv/ran",
      kept: "sudo sh -c 'echo kept >/var/lib/kept'",
    }),
    said("m1", "ping", "-c1", "-W10", "deb"),
    said("m2", "sh", "-c", FETCH).then((words) => assert.equal(words, "first\n")),
  ]);
  assert.match(deb.address, /^10\.88\.0\.\d+ +m2/);
  assert.match(deb.ping, /1 received/);
  assert.equal(deb.unit, "active\n");
  assert.equal(deb.state, "running\n", "no unit has failed");
  assert.equal(deb.fixture, "640 /srv/fixture/-line\nbreak\n");
  assert.match(deb.readOnly, /Read-only/);
  assert.equal(deb.ran, "status: done\nroot\nfirst\n", "the script has run once cloud-init had finished");
  assert.match(deb.who, /^deb\ndeb\.\S+\nfleetbox\nroot\n$/);
  assert.match(deb.own, /^10\.88\.0\.\d+ .*\n10\.88\.0\.\d+ .*\n0\n$/, "its own name is its address on the network");
  assert.match(deb.users, /fleetbox:.*:\/bin\/bash\nsued:/);
  const mebibytes = Number(deb.root.match(/(\d+)M$/m)![1]);
  assert.ok(mebibytes > 11_000, `the root file system has ${mebibytes} MiB of a disk of 12 GiB`);
  await Promise.all([syncs(box), MAY_SHARE ? shares(box, both) : undefined]);
  step("looked around, synced and shared");

  if (!again) {
    await hasJournal(box, 1);
    await wrongClock(box);
    step("its journal is in the trace; its clock was wrong, and is right");
  }
  await box.ok("stop", "deb");
  assert.match(box.holderLog("m1"), /deb: stopped: .*(shut|powered) /, box.holderLog("m1"));
  assert.equal(await box.states(), "deb=stopped m1=running m2=running");
  step("stopped");
  if (again) await bootsAgain(box, { shared, step });
}

/** Its file system, its disk, its units, and its journals, after the next boot. */
async function bootsAgain(
  box: Sandbox,
  { shared, step }: { shared: string; step: (what: string) => void },
): Promise<void> {
  // Its disk is checked, a copy of it, while it boots again.
  const disk = join(box.root, "disk.raw");
  await tool("qemu-img", "convert", "-O", "raw", box.store.member("deb").disk, disk);
  Deno.writeTextFileSync(join(shared, "word"), "second\n");
  await Promise.all([
    tool("/usr/sbin/e2fsck", "-fn", disk).then(() => step("its file system is clean")),
    box.ok("up", "deb", "--timeout", "900").then(() => step("Debian runs, second boot")),
  ]);
  await Deno.remove(disk);
  const [after, served] = await Promise.all([
    answers(box, "deb", {
      kept: "cat /var/lib/kept /var/lib/instances",
      journal: "sudo journalctl -b -1 -o cat -n 200",
    }),
    box.ok("exec", "m2", "--", "sh", "-c", FETCH),
  ]);
  await hasJournal(box, 2);
  step("its journals of both boots are in the trace");
  assert.equal(after.kept, "kept\nnew\n");
  assert.equal(served.stdout, "second\n");
  if (MAY_SHARE) {
    assert.equal((await box.ok("exec", "deb", "--", "cat", "/srv/both/of the guest")).stdout, "2\n");
  }
  assert.match(after.journal, /Reached target poweroff\.target/);
  assert.match(after.journal, /Journal stopped\n$/);

  await wrongClock(box);
  step("its clock was wrong, and is right");
}

/** By GNU's programs, both ways. */
async function syncs(box: Sandbox): Promise<void> {
  const [dir, back] = [join(box.root, "sync"), join(box.root, "from guest")];
  Deno.mkdirSync(join(dir, "in ner"), { recursive: true });
  Deno.writeTextFileSync(join(dir, "new\nline"), "1");
  Deno.writeTextFileSync(join(dir, "in ner/ü"), "2", { mode: 0o640 });
  Deno.symlinkSync("/etc/passwd", join(dir, "link"));
  const to = "deb:/srv/made/by root";
  assert.equal((await box.ok("sync", dir, to)).stdout, `${to}  4 sent (1K)\n`);
  assert.equal((await box.ok("sync", dir, to)).stdout, `${to}  up to date\n`);
  assert.equal((await box.ok("sync", to, back)).stdout, `${back}  4 received (1K)\n`);
  assert.equal((await box.ok("sync", to, back)).stdout, `${back}  up to date\n`);
  assert.equal(Deno.readTextFileSync(join(back, "in ner/ü")), "2");
  assert.equal(Deno.statSync(join(back, "in ner/ü")).mode! & 0o777, 0o640);
}

/** What either side writes is there for the other. */
async function shares(box: Sandbox, dir: string): Promise<void> {
  Deno.writeTextFileSync(join(dir, "of the host"), "1\n");
  const script = "cd /srv/both && cat 'of the host' && echo 2 >'of the guest' && findmnt -no FSTYPE /srv/both";
  assert.equal((await box.ok("exec", "deb", "--", "sudo", "sh", "-c", script)).stdout, "1\nvirtiofs\n");
  assert.equal(Deno.readTextFileSync(join(dir, "of the guest")), "2\n");
}

/** The journals of so many boots are recorded, with the host's times, and `logs` prints the present one. */
async function hasJournal(box: Sandbox, boots: number): Promise<void> {
  const [{ directory }] = JSON.parse((await box.ok("trace", "ls", "--json")).stdout);
  const journal = () => Deno.readTextFileSync(`${directory}/deb.journal`);
  await until("each boot is in the journal", () => journal().split(": Linux version ").length === boots + 1);
  const began = Date.parse(JSON.parse(Deno.readTextFileSync(`${directory}/meta.json`)).started);
  const times = journal().split("\n").flatMap((line) => /^(\S+Z) \S+: /.exec(line)?.[1] ?? []).map((at) =>
    Date.parse(at)
  );
  assert.ok(times.length > 200 && times[0] < began && times.at(-1)! <= Date.now(), journal().slice(0, 2_000));
  const files = await box.ok("logs", "deb", "--journal", "-n", "5");
  assert.match(files.stdout, /^(\d{4}-\S+Z \S+: .*\n( {4}.*\n)*){5}$/);
  await box.fails(1, [/The guest of "m1" has no journal/, /fleetbox logs m1/], "logs", "m1", "--journal");
}

/** Makes its clock wrong. This image has no program that keeps it right, so a unit of such a name stands for one. */
async function wrongClock(box: Sandbox): Promise<void> {
  const unit = "systemd-timesyncd.service";
  const write = `printf '[Service]\\nExecStart=sleep infinity\\n' >/etc/systemd/system/${unit}`;
  const running = `systemctl show -P ActiveState ${unit}; date +%s`;
  const ofClock = async (line = running) => (await box.ok("exec", "deb", "--", "sh", "-c", line)).stdout.split("\n");
  const [before, since] = await ofClock(`sudo sh -c "${write}; systemctl start ${unit}"; ${running}`);
  const fault = await box.ok("fault", "clock", "deb", "--bump", "+1h");
  const [meanwhile, wrong] = await ofClock();
  await box.ok("heal");
  const [after, right] = await ofClock();
  const file = join(box.root, "t.zip");
  await box.ok("trace", "stop", "deb", "-w", file);
  const clocks = (await box.ok("trace", "events", file, "--member", "deb")).stdout.match(/clock .*/g)?.join("\n") ?? "";
  assert.match(clocks, /\+3[56]\d\d\.\d s to the host/, clocks);
  assert.deepEqual([before, meanwhile, after], ["active", "inactive", "active"], told(fault));
  assert.ok(
    Number(wrong) - Number(since) >= 3_600 && Number(right) - Number(since) < 600,
    `${since} ${wrong} ${right}`,
  );
}

/** The output of each of some command lines, standard error included, over one connection. All must succeed. */
async function answers<K extends string>(
  box: Sandbox,
  name: string,
  lines: Record<K, string>,
): Promise<Record<K, string>> {
  const mark = "\x1e";
  const script = Object.values<string>(lines).map((line) => `{ ${line}\n} 2>&1 || exit; printf '${mark}'`).join("\n");
  const { stdout } = await box.ok("exec", name, "--", "sh", "-c", script);
  const parts = stdout.split(mark);
  return Object.fromEntries(Object.keys(lines).map((key, index) => [key, parts[index]])) as Record<K, string>;
}

async function tool(program: string, ...args: string[]): Promise<void> {
  const { code, stdout, stderr } = await new Deno.Command(program, { args }).output();
  const words = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  assert.equal(code, 0, told({ args: [program, ...args], code, signal: null, stdout: words, stderr: "" } as never));
}

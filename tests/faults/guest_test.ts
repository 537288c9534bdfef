/** Faults inside a guest, as the guest sees them: its clock, its memory, its disk. Real QEMU, the micro image, egress off. */

import * as assert from "#assert";
import { guest, guestOk } from "../support/guest.ts";
import { kill, until } from "../support/processes.ts";
import { type Sandbox, sandbox, steps, test } from "../support/sandbox.ts";

test("a guest is under the faults that it is told to be under, and as before after them", async (context) => {
  await using box = await sandbox({ warm: true });
  await box.up("a", "--memory", "256M"); // the less there is, the sooner it is taken
  await steps(context, box, [
    ["its clock is moved, and moved back; two add up", bump],
    ["its clock goes at another rate, and what that made is gone afterwards", rate],
    ["its clock is moved to and fro", strobe],
    ["its clock's faults outlive the holder", adoption],
    ["its memory is short: a program is killed, and not what holds the memory", memory],
    ["its file system is full, and has its space again", fill],
    ["a restart of the guest ends its faults", restart],
  ]);
});

/** How exact a reading of the clock must be: on a busy host some are not. */
const EXACT_MS = 50;

/** By how much the guest's clock is ahead, as `fleetbox clock` tells it. */
async function ahead(box: Sandbox): Promise<number> {
  for (;;) {
    const [{ name, offset_ms, error_ms }] = JSON.parse((await box.ok("clock", "a", "--json")).stdout);
    assert.equal(name, "a");
    assert.ok(error_ms > 0 && error_ms < 3_000, `exact to ${error_ms} ms`);
    if (error_ms <= EXACT_MS) return offset_ms;
  }
}

function near(found: number, expected: number, boundMs: number): void {
  assert.ok(Math.abs(found - expected) <= boundMs, `${found}, expected ${expected} ± ${boundMs}`);
}

const idIn = (stdout: string) => /^f\w+/.exec(stdout)![0];

async function bump(box: Sandbox): Promise<void> {
  const before = await ahead(box);
  const made = await box.ok("fault", "clock", "a", "--bump", "+30s");
  assert.match(made.stdout, /^f\w+: clock: a, \+30s; end it: fleetbox heal f\w+$/m);
  near(await ahead(box), before + 30_000, 100);
  const seconds = Number(await guestOk(box, "a", "date +%s"));
  near(seconds * 1_000 - Date.now(), before + 30_000, 5_000);
  const second = await box.ok("fault", "clock", "a", "--bump", "-3600s");
  near(await ahead(box), before + 30_000 - 3_600_000, 100);
  await box.ok("heal", idIn(made.stdout));
  near(await ahead(box), before - 3_600_000, 100);
  await box.ok("heal", idIn(second.stdout));
  near(await ahead(box), before, 100);
  await box.fails(
    1,
    /Cannot change the clock of the guest: .*a time before 1970/s,
    "fault",
    "clock",
    "a",
    "--bump=-36500d",
  );
  near(await ahead(box), before, 100);
  assert.equal((await guest(box, "a", "ls /run/fleetbox-clock")).code, 1);
}

async function rate(box: Sandbox): Promise<void> {
  const before = await ahead(box);
  const began = performance.now();
  await box.ok("fault", "clock", "a", "--rate", "1.1");
  const first = await ahead(box), at = performance.now();
  near(first, before, (at - began) * 0.1 + 100);
  await new Promise((resolve) => setTimeout(resolve, 3_000)); // the time is what is measured
  const passed = performance.now() - at;
  near(await ahead(box), first + passed * 0.1, passed * 0.03);
  await box.ok("fault", "clock", "a", "--bump", "1h");
  await box.fails(1, /would be 1\.21 times as fast/, "fault", "clock", "a", "--rate", "1.1");
  await box.ok("heal");
  near(await ahead(box), before, 100);
  assert.match(await guestOk(box, "a", "adjtimex"), /tick: *10000/);
}

async function strobe(box: Sandbox): Promise<void> {
  const before = await ahead(box);
  await box.ok("fault", "clock", "a", "--strobe", "-20s", "--period", "400ms");
  const seen = new Set<boolean>();
  await until("both are seen", async () => seen.add(await ahead(box) < before - 10_000).size === 2);
  const [{ counts }] = JSON.parse((await box.ok("fault", "ls", "--json")).stdout);
  assert.ok(counts.steps >= 2, `${counts.steps}`);
  await box.ok("heal");
  near(await ahead(box), before, 100);
}

async function adoption(box: Sandbox): Promise<void> {
  const before = await ahead(box);
  await box.ok("fault", "clock", "a", "--bump", "+50s");
  await box.killHolder("a");
  await box.ok("ls", "--repair");
  near(await ahead(box), before + 50_000, 100);
  await box.ok("heal");
  near(await ahead(box), before, 100);
}

async function memory(box: Sandbox): Promise<void> {
  const available = async () =>
    Number(/MemAvailable: *(\d+)/.exec(await guestOk(box, "a", "cat /proc/meminfo"))![1]) / 1024;
  const before = await available();
  await box.fails(1, /has only \d+ MiB available already/, "fault", "memory", "a", "--available", "900M");
  const made = await box.ok("fault", "memory", "a", "--available", "70M");
  near(await available(), 70, 8);
  const second = await box.ok("fault", "memory", "a", "--available", "50M");
  near(await available(), 50, 8);
  const hog = await guest(box, "a", "dd if=/dev/zero of=/dev/null bs=120M count=1");
  assert.notEqual(hog.code, 0);
  assert.match(await guestOk(box, "a", "sudo dmesg"), /Out of memory: Killed process \d+ \(dd\)/);
  await ahead(box); // its agent answers
  await box.ok("heal", idIn(second.stdout));
  near(await available(), 70, 8);
  await box.killHolder("a");
  await box.ok("ls", "--repair");
  near(await available(), 70, 8);
  await box.ok("heal", idIn(made.stdout));
  near(await available(), before, 15);
  await guestOk(box, "a", "dd if=/dev/zero of=/dev/null bs=120M count=1");
}

/** How full the guest's disk is, in percent, as df(1) has it. */
async function used(box: Sandbox): Promise<number> {
  return Number(/(\d+)%/.exec(await guestOk(box, "a", "df -P / | tail -n 1"))![1]);
}

async function fill(box: Sandbox): Promise<void> {
  const before = await used(box);
  const made = await box.ok("fault", "disk", "a", "--fill", "90%");
  near(await used(box), 90, 1);
  await box.fails(1, /of it are used already/, "fault", "disk", "a", "--fill", "80%");
  const full = await box.ok("fault", "disk", "a", "--fill", "100%", "--path", "/var");
  const write = "dd if=/dev/zero of=big bs=1M count=20";
  assert.match((await guest(box, "a", write)).stderr, /No space left on device/);
  const watch = `while [ ! -e /run/enough ]; do df -P / | grep -q " 100% " || touch /run/room; done`;
  await guestOk(box, "a", `sudo sh -c '${watch}' >/dev/null 2>&1 &`);
  await box.ok("heal", idIn(made.stdout));
  near(await used(box), 100, 1);
  await box.killHolder("a");
  await box.ok("ls", "--repair");
  near(await used(box), 100, 1);
  await until("its fault is made again", async () => {
    const [{ counts }] = JSON.parse((await box.ok("fault", "ls", "--json")).stdout);
    return counts?.filled_bytes > 0;
  });
  assert.equal((await guest(box, "a", "ls /run/room")).code, 1, "a program of the guest has found room");
  await guestOk(box, "a", "sudo touch /run/enough; rm big");
  await box.ok("heal", idIn(full.stdout));
  near(await used(box), before, 2);
  await guestOk(box, "a", `${write} && rm big`);
  await box.fails(1, /has no files without a name/, "fault", "disk", "a", "--fill", "90%", "--path", "/proc");
  await box.fails(3, /Cannot tell how full \/no\/such is/, "fault", "disk", "a", "--fill", "90%", "--path", "/no/such");
  await box.ok("fault", "disk", "a", "--fill", "95%");
  await kill(box.process("machine", "a"));
  await until("it is noticed", async () => (await box.ls()).a.state !== "running");
  await box.up("a");
  near(await used(box), before, 2);
}

async function restart(box: Sandbox): Promise<void> {
  const faults = async () => JSON.parse((await box.ok("fault", "ls", "--json")).stdout);
  await box.ok("fault", "clock", "a", "--bump", "+50s");
  await guest(box, "a", "sudo touch /run/before && sudo reboot"); // which ends the session
  await until("its faults have ended", async () => (await faults()).length === 0);
  await until("the guest has rebooted", async () => (await guest(box, "a", "ls /run/before")).code === 1);
  near(await ahead(box), 0, 5_000);
}

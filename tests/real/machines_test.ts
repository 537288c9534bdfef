/** One real machine: its disk, its SSH, its power. Real QEMU, the micro image, egress off. */

import * as assert from "#assert";
import { join } from "../../src/system/path.ts";
import { isAlive } from "../../src/system/process.ts";
import { exists } from "../../src/system/files.ts";
import { until } from "../support/processes.ts";
import { guest, guestOk } from "../support/guest.ts";
import { type Sandbox, sandbox, steps, test, told } from "../support/sandbox.ts";

test("one machine: its disk, its shell, its power, its kernel", async (context) => {
  await using box = await sandbox();
  await steps(context, box, [
    ["a machine boots, is reached over SSH, and keeps what it wrote to its disk across stop and up", keepsItsDisk],
    ["ssh passes exit codes, arguments, input and output through; scp and sftp work with ssh-config", passesThrough],
    [
      "a guest that reboots comes back as the same machine; one that powers off is stopped and its name free",
      restartsItself,
    ],
    ["exec ends when its machine's power is cut, with code 255 and the reason", isCutOff],
    ["a kernel panic is distinguished from a shutdown", panics],
  ]);
});

async function keepsItsDisk(box: Sandbox): Promise<void> {
  const up = await box.up("a");
  assert.match(up.stdout, /^a {2}10\.88\.0\.11 {2}fleetbox ssh a$/m);
  assert.equal(await guestOk(box, "a", "hostname; id -un; sudo id -un"), "a\nfleetbox\nroot\n");
  await guestOk(box, "a", "echo kept > kept; sync; echo not synced > fresh");
  const disk = Deno.statSync(box.store.member("a").disk).ino;

  await box.ok("stop", "a");
  await box.empty();
  assert.match(box.holderLog("a"), /a: stopped: The guest shut down$/m, "the guest did not shut down by itself");
  assert.equal(await box.states(), "a=stopped");

  await box.ok("rename", "a", "other");
  await box.ok("rename", "other", "a");
  await box.up("a", "--memory", "192M", "--cpus", "2", "--disk", "11G");
  const { memory_mb: memory } = await box.report("a");
  const kibibytes = Number((await guestOk(box, "a", "grep MemTotal: /proc/meminfo")).replace(/\D/g, ""));
  assert.ok(memory === 192 && kibibytes < 192 * 1024, `${memory} MiB, the guest sees ${kibibytes} KiB`);
  assert.equal(Deno.statSync(box.store.member("a").disk).ino, disk);
  assert.equal(
    await guestOk(box, "a", "cat kept fresh; nproc; cat /sys/block/vda/size"),
    "kept\nnot synced\n2\n23068672\n",
  );
  await box.fails(2, /cannot shrink/, "restart", "a", "--disk", "10G");
  const kernel = await guestOk(box, "a", "sudo dmesg");
  assert.doesNotMatch(
    kernel,
    /recovering journal|recovery required|orphan cleanup/i,
    "the file system was not unmounted",
  );
}

async function isCutOff(box: Sandbox): Promise<void> {
  const running = box.start(["exec", "a", "--", "sh", "-c", "echo begun; sleep 1000"]);
  await running.printed(/begun/);
  await box.ok("restart", "a", "--force");
  const result = await running.done;
  assert.equal(result.code, 255, told(result));
  assert.match(result.stderr, /The connection to "a" is over: it was stopped/, told(result));
}

async function passesThrough(box: Sandbox): Promise<void> {
  assert.equal((await guest(box, "a", "exit 7")).code, 7);
  assert.equal((await box.run("ssh", "a", "--", "false")).code, 1);
  assert.equal((await box.run("ssh", "a", "true")).code, 0);
  assert.equal((await box.ok("ssh", "a", "--", "echo", "x  y", "$HOME", "it's")).stdout, "x  y $HOME it's\n");
  assert.equal((await box.ok("ssh", "a", "--", "echo 'x y'")).stdout, "x y\n");
  assert.equal((await box.ok("ssh", "a", "--", "echo $HOME | wc -l")).stdout, "1\n");
  const err = await guest(box, "a", "echo out; echo err >&2; exit 3");
  assert.deepEqual([err.code, err.stdout, err.stderr], [3, "out\n", "err\n"]);
  const megabyte = await guestOk(box, "a", "head -c 1000000 /dev/zero | tr '\\0' x");
  assert.equal(megabyte.length, 1_000_000);

  const config = join(box.root, "ssh_config");
  Deno.writeTextFileSync(config, (await box.ok("ssh-config", "a")).stdout);
  const [there, back] = [join(box.root, "there"), join(box.root, "back")];
  Deno.writeTextFileSync(there, "over scp");
  const tool = async (program: string, ...args: string[]) => {
    const { code, stderr } = await new Deno.Command(program, { args: ["-F", config, ...args], env: box.env }).output();
    assert.equal(code, 0, `${program}: ${new TextDecoder().decode(stderr)}`);
  };
  await tool("scp", there, "a:file");
  await tool("scp", "-O", "a:file", back);
  assert.equal(Deno.readTextFileSync(back), "over scp");
  const batch = join(box.root, "batch");
  Deno.writeTextFileSync(batch, `get file ${back}.sftp\n`);
  await tool("sftp", "-b", batch, "a");
  assert.equal(Deno.readTextFileSync(`${back}.sftp`), "over scp");
  await tool("ssh", "a", "true");
}

async function restartsItself(box: Sandbox): Promise<void> {
  const [machine] = box.machines();
  const bootId = () => guestOk(box, "a", "cat /proc/sys/kernel/random/boot_id");
  const before = await bootId();
  await guest(box, "a", "sudo reboot");
  const after = await until("a answers again", () => bootId().catch(() => undefined), 90_000);
  assert.notEqual(after, before);
  assert.deepEqual(box.machines(), [machine]);
  assert.match(box.holderLog("a"), /a: the guest restarted itself/);
  assert.equal(await box.states(), "a=running");

  await guest(box, "a", "sudo poweroff");
  await until("all have left", () => box.processes().length === 0, 60_000);
  assert.equal(await box.states(), "a=stopped");
  assert.ok(!exists(box.store.memberSocket("a")));
  await box.up("a");
  assert.notEqual(await bootId(), after);
}

async function panics(box: Sandbox): Promise<void> {
  await guest(box, "a", "sudo sh -c 'echo 1 > /proc/sys/kernel/sysrq; (sleep 1; echo c > /proc/sysrq-trigger) &'");
  const status = await until("a is in error", async () => {
    const status = await box.status("a");
    return status?.state === "error" ? status : undefined;
  }, 60_000);
  assert.match(status.error!, /The guest's kernel panicked/);
  const { failure } = await box.report("a");
  assert.match(
    failure!.causes.join("\n"),
    /^\[ *\d+\.\d+\] /m,
    JSON.stringify(failure),
  );
}

test("Ctrl-C while a real machine boots leaves nothing", async () => {
  await using box = await sandbox();
  const up = box.start(["up", "a", "--egress", "off"]);
  await up.printed(/^a: (kernel|network)/m);
  const machine = box.process("machine", "a");
  up.kill("SIGINT");
  const result = await up.done;
  assert.equal(result.code, 130, told(result));
  assert.ok(!isAlive(machine));
  await box.empty();
  assert.deepEqual(box.stored(), []);
});

test("a real QEMU that cannot start: its own message is in ours", async () => {
  await using box = await sandbox({ env: { FLEETBOX_ACCEL: "kvm" } });
  const image = join(box.root, "disk.qcow2");
  const made = await new Deno.Command("qemu-img", { args: ["create", "-q", "-f", "qcow2", image, "1M"] }).output();
  assert.ok(made.success);
  Deno.writeTextFileSync(image, "QFI\xfbbut no more of a qcow2 than that", { append: false });
  const up = await box.run("up", "a", "--image", image, "--egress", "off");
  assert.equal(up.code, 1, told(up));
  assert.match(up.stderr, /Cannot (boot "a"|make the disk)/, told(up));
  await box.empty();
  assert.deepEqual(box.stored(), []);
});

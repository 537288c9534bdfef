/** A guest whose clock and host name are wrong, as after a restore. Real QEMU, the micro image, egress off. */

import * as assert from "#assert";
import { afterRestore } from "../../src/guest/after_restore.ts";
import { Agent } from "../../src/guest/agent.ts";
import { agentMessage } from "../../src/guest/agent_program.ts";
import { writeAll } from "../../src/core/bytes.ts";
import { guestOk } from "../support/guest.ts";
import { until } from "../support/processes.ts";
import { type Sandbox, sandbox, steps, test } from "../support/sandbox.ts";

test("a guest gets the time, random numbers and a host name, by its agent or in one SSH session", async (context) => {
  await using box = await sandbox({ warm: true });
  await box.up("a");
  await steps(context, box, [
    ["by its agent, without SSH", byAgent],
    ["the agent finds its way out of half a message and out of noise", agentGoesOn],
    ["as root, where root has the key", asRoot],
    ["by sudo, where files in /dev/shm cannot be executed", bySudo],
    ["a root without the key is no obstacle; the clock can be kept", withoutRoot],
    ["a read-only /etc is told, and the rest is done", readOnly],
  ]);
});

/** What {@link afterRestore} notes, on the guest of a sandbox. */
async function renewed(
  box: Sandbox,
  options: Partial<Parameters<typeof afterRestore>[1]>,
  user = "fleetbox",
): Promise<string[]> {
  const notes: string[] = [];
  const { ssh } = await box.report("a");
  await afterRestore({ ...ssh!, user }, {
    key: box.store.key,
    arch: "x86_64",
    signal: AbortSignal.timeout(60_000),
    clock: "set",
    onNote: (note) => notes.push(note),
    ...options,
  });
  return notes;
}

async function spoilClock(box: Sandbox): Promise<void> {
  await guestOk(box, "a", "sudo date -s '2001-01-01 00:00:00'");
}

/** By how much the guest's clock differs from ours, at least. */
async function clockErrorMs(box: Sandbox): Promise<number> {
  const before = Date.now();
  const text = await guestOk(box, "a", "adjtimex"); // busybox's date knows no fractions
  const [seconds, micros] = ["tv_sec", "tv_usec"].map((name) => Number(new RegExp(`${name}: *(\\d+)`).exec(text)![1]));
  const guestMs = seconds * 1_000 + micros / 1_000;
  return Math.max(0, before - guestMs, guestMs - Date.now());
}

async function clockIsRight(box: Sandbox): Promise<void> {
  const errorMs = await clockErrorMs(box);
  assert.ok(errorMs < 500, `the guest's clock is ${errorMs} ms wrong`);
}

const IDENTITY =
  "hostname; cat /etc/hostname; tail -n 1 /etc/hosts; stat -c '%a %U' /etc/hosts /etc/hostname; ls -A /dev/shm /tmp";
const NOTHING_LEFT = "/dev/shm:\n\n/tmp:\n";

/** Without SSH: there is no such port. */
async function renewedByAgent(box: Sandbox, names: { hostName: string; oldHostName: string }): Promise<string[]> {
  const notes: string[] = [];
  const { agentSocket } = box.store.member("a");
  await afterRestore({ host: "127.0.0.1", port: 1, user: "nobody" }, {
    key: box.store.key,
    arch: "x86_64",
    signal: AbortSignal.timeout(10_000),
    clock: "set",
    agentSocket,
    onNote: (note) => notes.push(note),
    ...names,
  });
  return notes;
}

async function byAgent(box: Sandbox): Promise<void> {
  await spoilClock(box);
  const random = await guestOk(box, "a", "head -c 32 /dev/urandom | od -An -tx1");
  assert.deepEqual(await renewedByAgent(box, { hostName: "web", oldHostName: "a" }), []);
  await clockIsRight(box);
  assert.match(
    await guestOk(box, "a", IDENTITY),
    /^web\nweb\n10\.88\.0\.11\tweb\.fleetbox\.internal web\n644 root\n644 root\n/,
  );
  assert.notEqual(await guestOk(box, "a", "head -c 32 /dev/urandom | od -An -tx1"), random);
  assert.deepEqual(await renewedByAgent(box, { hostName: "a", oldHostName: "web" }), []);
}

/** That it comes back when it is killed, and after a reboot, is among the checks of the image (`images/micro/check`). */
async function agentGoesOn(box: Sandbox): Promise<void> {
  const { agentSocket } = box.store.member("a");
  const answers = async () => {
    using agent = await Agent.reach(agentSocket, { arch: "x86_64", signal: AbortSignal.timeout(20_000) });
    await agent.ready();
  };
  const { message } = agentMessage("x86_64", [{ name: "clock_settime", args: [0, new Uint8Array(300)] }]);
  for (const noise of [message.subarray(0, 200), crypto.getRandomValues(new Uint8Array(999))]) {
    await leave(box, noise);
    await answers();
  }
}

/** What a holder that is killed may leave. */
async function leave(box: Sandbox, bytes: Uint8Array): Promise<void> {
  const taken = async () =>
    Number(/^1:.* rx:(\d+)/m.exec(await guestOk(box, "a", "sudo cat /proc/tty/driver/serial"))![1]);
  const before = await taken();
  using conn = await Deno.connect({ transport: "unix", path: box.store.member("a").agentSocket });
  await writeAll(conn, bytes);
  await until("the guest has taken all of it", async () => await taken() === before + bytes.length);
}

async function asRoot(box: Sandbox): Promise<void> {
  await guestOk(box, "a", "sudo chmod 664 /etc/hosts");
  await spoilClock(box);
  assert.ok(await clockErrorMs(box) > 1e9);
  assert.deepEqual(await renewed(box, { root: true, hostName: "web", oldHostName: "a" }), []);
  await clockIsRight(box);
  assert.equal(
    await guestOk(box, "a", IDENTITY),
    `web\nweb\n10.88.0.11\tweb.fleetbox.internal web\n664 root\n644 root\n${NOTHING_LEFT}`,
  );
}

async function bySudo(box: Sandbox): Promise<void> {
  await guestOk(box, "a", "sudo mount -o remount,noexec /dev/shm");
  await spoilClock(box);
  assert.deepEqual(await renewed(box, { hostName: "b", oldHostName: "web" }), []);
  await clockIsRight(box);
  assert.equal(
    await guestOk(box, "a", IDENTITY),
    `b\nb\n10.88.0.11\tb.fleetbox.internal b\n664 root\n644 root\n${NOTHING_LEFT}`,
  );
}

async function withoutRoot(box: Sandbox): Promise<void> {
  await guestOk(box, "a", "sudo mv /root/.ssh /root/none");
  await spoilClock(box);
  assert.deepEqual(await renewed(box, { root: true, clock: "keep" }), []);
  assert.ok(await clockErrorMs(box) > 1e9);
  assert.equal(await guestOk(box, "a", "hostname"), "b\n");
  await assert.rejects(renewed(box, {}, "nobody"), /Cannot set the clock, .*Permission denied \(publickey\)/);
}

async function readOnly(box: Sandbox): Promise<void> {
  await guestOk(box, "a", "sudo mount --bind /etc /etc && sudo mount -o remount,bind,ro /etc");
  assert.deepEqual(await renewed(box, { hostName: "c", oldHostName: "b" }), [
    "Cannot write /etc/hostname of the restored guest: Read-only file system (error 30)",
    "Cannot write /etc/hosts of the restored guest: Read-only file system (error 30)",
  ]);
  await clockIsRight(box);
  assert.equal(await guestOk(box, "a", "hostname; cat /etc/hostname"), "c\nb\n");
  await guestOk(box, "a", "sudo mount -o remount,bind,rw /etc");
  await guestOk(box, "a", "sudo rm /etc/sudoers.d/fleetbox");
  await assert.rejects(renewed(box, {}), /Cannot set the clock, .*restored guest: sudo: /);
}

/** The conversation with the program in a guest, with a guest that is an object here: it works off tables as the ELF does. */

import * as assert from "#assert";
import { FleetboxError } from "../core/errors.ts";
import { EINVAL, EPERM, EROFS, FakeKernel } from "../../tests/fake_qemu/fake_kernel.ts";
import { guestProgram } from "./guest_program.ts";
import { changesName, HOSTS, renew, type RenewalOptions } from "./renewal.ts";

async function renewed(guest: FakeKernel, options: Partial<RenewalOptions> = {}): Promise<string[]> {
  const notes: string[] = [];
  const all: RenewalOptions = { clock: "set", onNote: (note) => notes.push(note), ...options };
  const program = guestProgram("x86_64", "program", changesName(all) ? HOSTS : undefined);
  guest.load(program.file);
  const channel = {
    write: (bytes: Uint8Array) => guest.feed(bytes),
    read: (length: number) => Promise.resolve(guest.take(length)),
    readTo: (mark: Uint8Array) => Promise.resolve(guest.takeTo(mark)),
  };
  await renew(program.kernel(channel), all);
  return notes;
}

const failed = (message: RegExp) => (thrown: unknown) =>
  thrown instanceof FleetboxError && thrown.code === "failed" && message.test(thrown.message);

Deno.test("renewal: a guest gets the time, random numbers of its own, and its host name in both files", async () => {
  const guest = new FakeKernel(), other = new FakeKernel();
  assert.deepEqual(await renewed(guest, { hostName: "web", oldHostName: "a" }), []);
  assert.ok(Math.abs(guest.clockMs - Date.now()) < 10_000, `${guest.clockMs}`);
  assert.equal(guest.settings, 1);
  assert.equal(guest.reseeds, 1);
  assert.equal(guest.hostName, "web");
  assert.equal(guest.files.get("/etc/hostname"), "web\n");
  assert.equal(
    guest.files.get(HOSTS),
    "127.0.0.1 localhost\n10.88.0.11 web.fleetbox.internal web # fleetbox\n",
  );
  await renewed(other);
  assert.notDeepEqual(guest.pool, other.pool);
});

Deno.test("renewal: a shorter host name leaves no rest of the old one, in files of any length", async () => {
  const guest = new FakeKernel();
  guest.files.set(HOSTS, "10.88.0.11 long-name\n" + "10.0.0.1 other\n".repeat(1_000));
  guest.files.set("/etc/hostname", "long-name\n");
  assert.deepEqual(await renewed(guest, { hostName: "b", oldHostName: "long-name" }), []);
  assert.equal(guest.files.get("/etc/hostname"), "b\n");
  assert.equal(guest.files.get(HOSTS), "10.88.0.11 b\n" + "10.0.0.1 other\n".repeat(1_000));
});

Deno.test("renewal: without a new host name, and with the clock kept, the rest stays as it is", async () => {
  const guest = new FakeKernel(), before = new Map(guest.files);
  assert.deepEqual(await renewed(guest, { clock: "keep", hostName: "a", oldHostName: "a" }), []);
  assert.deepEqual([guest.clockMs, guest.settings, guest.hostName, guest.reseeds], [1_000, 0, "a", 1]);
  assert.deepEqual(guest.files, before);
});

Deno.test("renewal: a guest whose /etc cannot be written is of use, and that is told", async () => {
  const guest = new FakeKernel();
  const before = guest.files.get(HOSTS);
  guest.refuses = { "/etc/hosts": EROFS, "/etc/hostname": EROFS };
  assert.deepEqual(await renewed(guest, { hostName: "web", oldHostName: "a" }), [
    "Cannot write /etc/hostname of the restored guest: Read-only file system (error 30)",
    "Cannot write /etc/hosts of the restored guest: Read-only file system (error 30)",
  ]);
  assert.deepEqual([guest.hostName, guest.files.get(HOSTS)], ["web", before]);

  const without = new FakeKernel();
  without.files.delete(HOSTS);
  without.files.delete("/etc/hostname");
  assert.deepEqual(await renewed(without, { hostName: "web", oldHostName: "a" }), [
    "Cannot read /etc/hosts of the restored guest: No such file or directory (error 2)",
  ]);
  assert.equal(without.files.get("/etc/hostname"), "web\n");

  const endless = new FakeKernel();
  endless.files.set(HOSTS, "a".repeat(65_536));
  const [note] = await renewed(endless, { hostName: "web", oldHostName: "a" });
  assert.match(note, /has the old host name: it is longer than/);
  assert.equal(endless.files.get(HOSTS)!.length, 65_536);
});

Deno.test("renewal: what a guest cannot do without fails, with the kernel's reason", async () => {
  const cases: [call: number, result: number, message: RegExp][] = [
    [227, EPERM, /^Cannot set the clock of the restored guest: Operation not permitted \(error 1\)$/],
    [16, EPERM, /^Cannot renew the random numbers of the restored guest: Operation not permitted/],
    [16, EINVAL, /random numbers of the restored guest: Invalid argument/],
    [170, EPERM, /^Cannot set the host name of the restored guest: /],
  ];
  for (const [call, result, message] of cases) {
    const guest = new FakeKernel();
    guest.refuses = { [call]: result };
    await assert.rejects(renewed(guest, { hostName: "web", oldHostName: "a" }), failed(message));
  }
  const bare = new FakeKernel();
  bare.files.delete("/dev/urandom");
  await assert.rejects(renewed(bare), failed(/random numbers of the restored guest: No such file/));
});

Deno.test("renewal: a clock that may be wrong, because the answer came late, is set again; three times at most", async () => {
  for (const [behindMs, settings] of [[[700], 2], [[5_000, -700], 3]] as const) {
    const guest = new FakeKernel();
    guest.behindMs = [...behindMs];
    assert.deepEqual(await renewed(guest), []);
    assert.deepEqual([guest.settings, guest.reseeds], [settings, 1]);
  }
  const slow = new FakeKernel();
  slow.behindMs = [700, 700, 700, 0];
  const late = /^The clock of the restored guest may be \d+ ms behind this host's after it was set 3 times, expected/;
  await assert.rejects(renewed(slow), failed(late));
  assert.equal(slow.settings, 3);
});

Deno.test("renewal: a name that is none is refused, and reaches no file", async () => {
  const guest = new FakeKernel(), before = new Map(guest.files);
  await assert.rejects(
    renewed(guest, { hostName: "a\nb", oldHostName: "a" }),
    (thrown) => thrown instanceof FleetboxError && thrown.code === "misuse",
  );
  assert.deepEqual(guest.files, before);
});

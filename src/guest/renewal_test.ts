/** The conversation with the program in a guest, with a guest that is an object here: it works off tables as the ELF does. */

import * as assert from "#assert";
import { FleetboxError } from "../core/errors.ts";
import { timespec, timespecMs } from "./call_table.ts";
import { guestProgram } from "./guest_program.ts";
import { changesName, HOSTS, renew, type RenewalOptions } from "./renewal.ts";

const EXIT = 231;
const EPERM = -1, ENOENT = -2, EBADF = -9, EINVAL = -22, EROFS = -30;

/** A guest, by what its kernel does for the program. */
class FakeGuest {
  readonly files = new Map([
    [HOSTS, "127.0.0.1 localhost\n10.88.0.11 a.fleetbox.internal a # fleetbox\n"],
    ["/etc/hostname", "a\n"],
    ["/dev/urandom", ""],
  ]);
  hostName = "a";
  clockMs = 1_000;
  /** How far its clock is behind when it is read, for each time it is read. */
  behindMs: number[] = [];
  settings = 0;
  pool: Uint8Array | undefined;
  reseeds = 0;
  /** Results of calls instead of what they do: by their number, or by the path that is opened for writing. */
  refuses: Record<string, number> = {};
  readonly #memory = new Uint8Array(0x150000);
  readonly #view = new DataView(this.#memory.buffer);
  readonly #descriptors = new Map<number, string>();
  #input = new Uint8Array(0);
  #output: number[] = [];
  #at = 0;
  #ended = false;

  /** Loads an ELF file to where its headers say, and begins at the table that its code names. */
  load(file: Uint8Array): void {
    const view = new DataView(file.buffer);
    assert.equal(view.getUint32(0), 0x7f454c46);
    for (let header = 64; header < 64 + 2 * 56; header += 56) {
      const [offset, address, length] = [8, 16, 32].map((at) => view.getUint32(header + at, true));
      assert.equal((address - offset) % 0x10000, 0, "it cannot be mapped");
      this.#memory.set(file.subarray(offset, offset + length), address - BASE);
    }
    this.#at = view.getUint32(view.getUint32(24, true) - BASE + 1, true);
    this.#run();
  }

  feed(bytes: Uint8Array): void {
    this.#input = Uint8Array.from([...this.#input, ...bytes]);
    this.#run();
  }

  take(count: number): Promise<Uint8Array> {
    if (this.#output.length < count) return Promise.reject(new Error("it says no more"));
    return Promise.resolve(Uint8Array.from(this.#output.splice(0, count)));
  }

  takeTo(mark: Uint8Array): Promise<Uint8Array> {
    const at = this.#output.findIndex((_, at) => mark.every((byte, index) => this.#output[at + index] === byte));
    return this.take(at < 0 ? Infinity : at + mark.length);
  }

  #word(address: number): number {
    return this.#view.getInt32(address - BASE, true);
  }

  #run(): void {
    while (!this.#ended) {
      let [, first, second, third] = [0, 1, 2, 3].map((index) => this.#word(this.#at + 4 * index));
      for (;;) {
        const result = this.#call(this.#word(this.#at), first, second, third);
        if (result === undefined) return; // it waits for input
        this.#view.setInt32(this.#word(this.#at + 20) - BASE, result, true);
        this.#view.setInt32(this.#at + 36 - BASE, result, true);
        if (result < this.#word(this.#at + 24)) {
          this.#at = this.#word(this.#at + 28);
          break;
        }
        second += result;
        third -= result;
        if (this.#word(this.#at + 32) !== 0 && third !== 0) continue;
        this.#at += 40;
        break;
      }
    }
  }

  #call(number: number, first: number, second: number, third: number): number | undefined {
    if (number in this.refuses) return this.refuses[number];
    const bytes = (address: number, length: number) => this.#memory.subarray(address - BASE, address - BASE + length);
    const text = (address: number, length: number) => new TextDecoder("latin1").decode(bytes(address, length));
    const file = this.#descriptors.get(first) ?? "";
    if ([0, 1, 16, 77].includes(number) && first > 1 && file === "") return EBADF;
    switch (number) {
      case 0: {
        const from = first === 0 ? this.#input : new TextEncoder().encode(this.files.get(file));
        if (first === 0 && from.length === 0) return undefined;
        const count = Math.min(third, from.length, 50); // less than was asked for
        const taken = first === 0 ? from.subarray(0, count) : from;
        bytes(second, taken.length).set(taken);
        if (first === 0) this.#input = this.#input.slice(count);
        return taken.length;
      }
      case 1:
        if (first === 1) this.#output.push(...bytes(second, third));
        else this.files.set(file, text(second, third) + this.files.get(file)!.slice(third));
        return third;
      case 16:
        assert.equal(file, "/dev/urandom");
        if (second === 0x5207) return this.pool === undefined ? EINVAL : (this.reseeds++, 0);
        assert.equal(second, 0x40085203);
        assert.deepEqual([this.#word(third), this.#word(third + 4)], [2048, 256]);
        this.pool = bytes(third + 8, 256).slice();
        return 0;
      case 77:
        this.files.set(file, this.files.get(file)!.slice(0, second));
        return 0;
      case 170:
        this.hostName = text(first, second);
        return 0;
      case 227:
        this.settings++;
        this.clockMs = timespecMs(bytes(second, 16));
        return 0;
      case 228:
        bytes(second, 16).set(timespec(this.clockMs - (this.behindMs.shift() ?? 0)));
        return 0;
      case EXIT:
        this.#ended = true;
        return 0;
      case 257: {
        const path = text(second, 100).split("\0", 1)[0];
        const flags = third;
        if (flags !== 0 && path in this.refuses) return this.refuses[path];
        if (!this.files.has(path)) {
          if ((flags & 0o100) === 0) return ENOENT;
          this.files.set(path, "");
        }
        this.#descriptors.set(3, path);
        return 3;
      }
      case 292:
        if (first < 0) return EBADF;
        this.#descriptors.set(second, file);
        return second;
    }
    return 0; // unlinkat, getpid
  }
}

/** Where the fake's memory begins. */
const BASE = 0x400000;

async function renewed(guest: FakeGuest, options: Partial<RenewalOptions> = {}): Promise<string[]> {
  const notes: string[] = [];
  const all: RenewalOptions = { clock: "set", onNote: (note) => notes.push(note), ...options };
  const program = guestProgram("x86_64", "program", changesName(all) ? HOSTS : undefined);
  guest.load(program.file);
  await renew(program, {
    write: (bytes) => guest.feed(bytes),
    read: (length) => guest.take(length),
    readTo: (mark) => guest.takeTo(mark),
  }, all);
  return notes;
}

const failed = (message: RegExp) => (thrown: unknown) =>
  thrown instanceof FleetboxError && thrown.code === "failed" && message.test(thrown.message);

Deno.test("renewal: a guest gets the time, random numbers of its own, and its host name in both files", async () => {
  const guest = new FakeGuest(), other = new FakeGuest();
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
  const guest = new FakeGuest();
  guest.files.set(HOSTS, "10.88.0.11 long-name\n" + "10.0.0.1 other\n".repeat(1_000));
  guest.files.set("/etc/hostname", "long-name\n");
  assert.deepEqual(await renewed(guest, { hostName: "b", oldHostName: "long-name" }), []);
  assert.equal(guest.files.get("/etc/hostname"), "b\n");
  assert.equal(guest.files.get(HOSTS), "10.88.0.11 b\n" + "10.0.0.1 other\n".repeat(1_000));
});

Deno.test("renewal: without a new host name, and with the clock kept, the rest stays as it is", async () => {
  const guest = new FakeGuest(), before = new Map(guest.files);
  assert.deepEqual(await renewed(guest, { clock: "keep", hostName: "a", oldHostName: "a" }), []);
  assert.deepEqual([guest.clockMs, guest.settings, guest.hostName, guest.reseeds], [1_000, 0, "a", 1]);
  assert.deepEqual(guest.files, before);
});

Deno.test("renewal: a guest whose /etc cannot be written is of use, and that is told", async () => {
  const guest = new FakeGuest();
  const before = guest.files.get(HOSTS);
  guest.refuses = { "/etc/hosts": EROFS, "/etc/hostname": EROFS };
  assert.deepEqual(await renewed(guest, { hostName: "web", oldHostName: "a" }), [
    "Cannot write /etc/hostname of the restored guest: Read-only file system (error 30)",
    "Cannot write /etc/hosts of the restored guest: Read-only file system (error 30)",
  ]);
  assert.deepEqual([guest.hostName, guest.files.get(HOSTS)], ["web", before]);

  const without = new FakeGuest();
  without.files.delete(HOSTS);
  without.files.delete("/etc/hostname");
  assert.deepEqual(await renewed(without, { hostName: "web", oldHostName: "a" }), [
    "Cannot read /etc/hosts of the restored guest: No such file or directory (error 2)",
  ]);
  assert.equal(without.files.get("/etc/hostname"), "web\n");

  const endless = new FakeGuest();
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
    const guest = new FakeGuest();
    guest.refuses = { [call]: result };
    await assert.rejects(renewed(guest, { hostName: "web", oldHostName: "a" }), failed(message));
  }
  const bare = new FakeGuest();
  bare.files.delete("/dev/urandom");
  await assert.rejects(renewed(bare), failed(/random numbers of the restored guest: No such file/));
});

Deno.test("renewal: a clock that may be wrong, because the answer came late, is set again; three times at most", async () => {
  for (const [behindMs, settings] of [[[700], 2], [[5_000, -700], 3]] as const) {
    const guest = new FakeGuest();
    guest.behindMs = [...behindMs];
    assert.deepEqual(await renewed(guest), []);
    assert.deepEqual([guest.settings, guest.reseeds], [settings, 1]);
  }
  const slow = new FakeGuest();
  slow.behindMs = [700, 700, 700, 0];
  const late = /^The clock of the restored guest may be \d+ ms behind this host's after it was set 3 times, expected/;
  await assert.rejects(renewed(slow), failed(late));
  assert.equal(slow.settings, 3);
});

Deno.test("renewal: a name that is none is refused, and reaches no file", async () => {
  const guest = new FakeGuest(), before = new Map(guest.files);
  await assert.rejects(
    renewed(guest, { hostName: "a\nb", oldHostName: "a" }),
    (thrown) => thrown instanceof FleetboxError && thrown.code === "misuse",
  );
  assert.deepEqual(guest.files, before);
});

/**
 * A guest's kernel for the programs that fleetbox has in a restored guest (`src/guest/guest_program.ts`, and the agent,
 * `agent_program.ts`): it loads the program and works off its tables of system calls as the ELF's own loop does, on files, a clock and a host name that are objects here.
 */

import { timespec, timespecMs } from "../../src/guest/call_table.ts";
import { GuestCalls } from "../../src/guest/faults/guest_calls.ts";
import { guestProgram } from "../../src/guest/guest_program.ts";

/** `errno.h` */
export const EPERM = -1, EINVAL = -22, EROFS = -30;
const ENOSPC = -28, ENOENT = -2, EBADF = -9, EAGAIN = -11, EFAULT = -14, ETIMEDOUT = -110;

/** Where its memory begins. */
const BASE = 0x400000;
const MEMORY = 0x130000;
/** The port of the agent. */
const PORT = "/dev/ttyS1";
/** Reads give at most this many bytes: less than what is asked for. */
const MOST_READ = 50;

export class FakeKernel {
  readonly files = new Map([
    ["/etc/hosts", "127.0.0.1 localhost\n10.88.0.11 a.fleetbox.internal a # fleetbox\n"],
    ["/etc/hostname", "a\n"],
    ["/dev/urandom", ""],
    ["/", ""],
    ["/proc/self/oom_score_adj", "0"],
    ["/proc/self/maps", ""],
    ["/proc/meminfo", ""],
    [PORT, ""],
  ]);
  hostName = "a";
  clockMs = 1_000;
  /** How far its clock is behind when it is read, for each time it is read. */
  behindMs: number[] = [];
  settings = 0;
  /** CLOCK_MONOTONIC_RAW, which nothing moves. */
  rawMs = 400;
  /** How fast its clock goes, as adjtimex(2) has it. */
  tempo = { tick: 10_000, frequency: 0 };
  /** What its programs have, before any of it is mapped. */
  memoryMiB = 400;
  /** Its one file system: how many blocks of 4 KiB, how many of them are used by others, and how many are for root alone. */
  disk = { blocks: 100_000, used: 30_000, reserved: 5_000 };
  /** What is mapped, by address. */
  readonly #maps = new Map<number, number>();
  /** The blocks of files without a name, by a name of ours. */
  readonly #blocks = new Map<string, number>();
  /** The random bytes that it was given. */
  pool: Uint8Array | undefined;
  reseeds = 0;
  /** Results of calls instead of what they do: by their number, or by the path that is opened for writing. */
  refuses: Record<string, number> = {};
  /** Whether the program has ended, and with which code. */
  hasEnded = false;
  exitCode: number | undefined;
  readonly #memory = new Uint8Array(MEMORY);
  readonly #view = new DataView(this.#memory.buffer);
  readonly #descriptors = new Map<number, string>();
  #input = new Uint8Array(0);
  #output: number[] = [];
  /** The present call, and its arguments: one that waits for input goes on with what it has. */
  #at = 0;
  #next = 0;
  #args: number[] | undefined;

  /** Loads an ELF file to where its headers say, and begins at the table that its code names. */
  load(file: Uint8Array): void {
    const view = new DataView(file.buffer, file.byteOffset);
    if (view.getUint32(0) !== 0x7f454c46) throw new Error("it is no ELF file");
    for (let header = 64; header < 64 + 2 * 56; header += 56) {
      const [offset, address, length] = [8, 16, 32].map((at) => view.getUint32(header + at, true));
      if ((address - offset) % 0x10000 !== 0) throw new Error("it cannot be mapped");
      this.#memory.set(file.subarray(offset, offset + length), address - BASE);
    }
    this.#at = view.getUint32(view.getUint32(24, true) - BASE + 1, true);
    this.#run();
  }

  /** More of its standard input; nothing: the input's end. */
  feed(bytes: Uint8Array): void {
    this.#input = Uint8Array.from([...this.#input, ...bytes]);
    this.#run();
  }

  /** Its standard output so far. */
  take(count = this.#output.length): Uint8Array {
    if (this.#output.length < count) throw new Error("it says no more");
    return Uint8Array.from(this.#output.splice(0, count));
  }

  takeTo(mark: Uint8Array): Uint8Array {
    const at = this.#output.findIndex((_, at) => mark.every((byte, index) => this.#output[at + index] === byte));
    return this.take(at < 0 ? Infinity : at + mark.length);
  }

  #word(address: number): number {
    return this.#view.getInt32(address - BASE, true);
  }

  #run(): void {
    while (!this.hasEnded) {
      const args = this.#args ??= [1, 2, 3, 4].map((index) => this.#word(this.#at + 4 * index));
      const result = this.#call(this.#word(this.#at), args);
      if (result === undefined) return; // it waits for input
      this.#view.setInt32(this.#word(this.#at + 20) - BASE, result, true);
      this.#view.setInt32(this.#at + 36 - BASE, result, true);
      const isWhole = this.#word(this.#at + 32) !== 0;
      if (result < this.#word(this.#at + 24)) this.#at = this.#word(this.#at + 28);
      else if (isWhole && args[2] !== result) {
        args[1] += result;
        args[2] -= result;
        continue;
      } else this.#at += 40;
      this.#args = undefined;
    }
  }

  /** One system call, by its number on x86. Undefined: it waits. */
  #call(number: number, [first, second, third, fourth]: number[]): number | undefined {
    if (number in this.refuses) return this.refuses[number];
    const bytes = (address: number, length: number) => this.#memory.subarray(address - BASE, address - BASE + length);
    const text = (address: number, length: number) => new TextDecoder("latin1").decode(bytes(address, length));
    const file = this.#descriptors.get(first) ?? "";
    if ([0, 1, 16, 77].includes(number) && first > 1 && file === "") return EBADF;
    switch (number) {
      case 0: {
        const isInput = first === 0;
        const from = isInput ? this.#input : new TextEncoder().encode(this.#content(file));
        const room = BASE + MEMORY - second;
        if (room <= 0) return EFAULT;
        if (third === 0) return 0;
        if (isInput && from.length === 0) return undefined;
        const count = Math.min(third >>> 0, room, from.length, isInput ? MOST_READ : Infinity);
        bytes(second, count).set(from.subarray(0, count));
        if (isInput) this.#input = this.#input.slice(count);
        return count;
      }
      case 1:
        if (first === 1) this.#output.push(...bytes(second, third));
        else this.files.set(file, text(second, third) + this.files.get(file)!.slice(third));
        return third;
      case 3:
        this.#descriptors.delete(first);
        for (const name of this.#blocks.keys()) {
          if (![...this.#descriptors.values()].includes(name)) this.#blocks.delete(name);
        }
        return 0;
      case 8: // to the end
        if (file === "" || second !== 0 || third !== 2) return file === "" ? EBADF : EINVAL;
        return ((this.#blocks.get(file) ?? 0) * 4096) | 0;
      case 9:
        if ((fourth & 0x30) !== 0x30 || second % 4096 !== 0) return EINVAL;
        this.#map(first >>> 0, second >>> 0);
        return first;
      case 11:
        for (const [at, length] of this.#maps) {
          if (at >= first >>> 0) this.#maps.delete(at);
          else this.#maps.set(at, Math.min(length, (first >>> 0) - at)); // to the end of them, as ours are given back
        }
        return 0;
      case 16:
        if (file === PORT) return second === 0x5402 ? 0 : EINVAL;
        if (file === "/" && second === 0x40086610) {
          const blocks = this.#word(third);
          return blocks < this.disk.blocks ? EINVAL : (this.disk.blocks = blocks, 0);
        }
        if (file !== "/dev/urandom") return EINVAL;
        if (second === 0x5207) return this.pool === undefined ? EINVAL : (this.reseeds++, 0);
        if (second !== 0x40085203 || this.#word(third) !== 2048 || this.#word(third + 4) !== 256) return EINVAL;
        this.pool = bytes(third + 8, 256).slice();
        return 0;
      case 77:
        this.files.set(file, this.files.get(file)!.slice(0, second));
        return 0;
      case 137:
        if (!this.files.has(text(first, 100).split("\0", 1)[0])) return ENOENT;
        this.#stat(second);
        return 0;
      case 138:
        if (file === "") return EBADF;
        this.#stat(second);
        return 0;
      case 159:
        return this.#adjust(new DataView(this.#memory.buffer, first - BASE, 208));
      case 170:
        this.hostName = text(first, second);
        return 0;
      case 202:
        if (second !== 128 || bytes(fourth, 16).some((byte) => byte !== 0)) throw new Error("it waits for a futex");
        if (first % 4 !== 0) return EINVAL;
        if (first < BASE || first >= BASE + MEMORY) return EFAULT;
        return this.#word(first) === third ? ETIMEDOUT : EAGAIN;
      case 227:
        this.settings++;
        this.clockMs = timespecMs(bytes(second, 16));
        return 0;
      case 228:
        bytes(second, 16).set(timespec(first === 4 ? this.rawMs : this.clockMs - (this.behindMs.shift() ?? 0)));
        return 0;
      case 231:
        this.hasEnded = true;
        this.exitCode = first;
        return 0;
      case 257: {
        const path = text(second, 100).split("\0", 1)[0];
        const flags = third;
        if ((flags & 0o20000000) !== 0) {
          const name = `without a name ${this.#next++}`;
          this.#blocks.set(name, 0);
          this.#descriptors.set(3, name);
          return 3;
        }
        if (flags !== 0 && path in this.refuses) return this.refuses[path];
        if (!this.files.has(path)) {
          if ((flags & 0o100) === 0) return ENOENT;
          this.files.set(path, "");
        }
        if ((flags & 0o1000) !== 0) this.files.set(path, "");
        this.#descriptors.set(3, path);
        return 3;
      }
      case 263:
        return this.files.delete(text(second, 100).split("\0", 1)[0]) ? 0 : ENOENT;
      case 285: {
        if (!this.#blocks.has(file)) return EBADF;
        const blocks = Math.ceil((fourth >>> 0) / 4096);
        if (blocks > this.disk.blocks - this.usedBlocks) return ENOSPC;
        this.#blocks.set(file, blocks);
        return 0;
      }
      case 292:
        if (first < 0) return EBADF;
        this.#descriptors.set(second, file);
        return second;
    }
    return 0; // getpid
  }

  /** Maps memory; as a part of what is mapped before it, where that ends there. */
  #map(at: number, bytes: number): void {
    const before = [...this.#maps].find(([first, length]) => first + length === at);
    this.#maps.set(before?.[0] ?? at, (before?.[1] ?? 0) + bytes);
  }

  /** A file's content: some of /proc is made when it is read. */
  #content(file: string): string {
    const taken = [...this.#maps.values()].reduce((sum, bytes) => sum + bytes, 0);
    if (file === "/proc/meminfo") {
      return `MemTotal: 512000 kB\nMemAvailable: ${this.memoryMiB * 1024 - taken / 1024} kB\n`;
    }
    if (file !== "/proc/self/maps") return this.files.get(file)!;
    const hex = (address: number) => address.toString(16).padStart(8, "0");
    return [...this.#maps].map(([at, bytes]) => `${hex(at)}-${hex(at + bytes)} rw-p 00000000 00:00 0\n`).join("");
  }

  /** How many blocks are used, with those of files without a name. */
  get usedBlocks(): number {
    return [...this.#blocks.values()].reduce((sum, blocks) => sum + blocks, this.disk.used);
  }

  /** statfs(2). */
  #stat(at: number): void {
    const view = new DataView(this.#memory.buffer, at - BASE, 120);
    const free = this.disk.blocks - this.usedBlocks;
    const values = [4096, this.disk.blocks, free, Math.max(0, free - this.disk.reserved)];
    values.forEach((value, index) => view.setBigInt64(8 + 8 * index, BigInt(value), true));
  }

  /** adjtimex(2). */
  #adjust(timex: DataView): number {
    const modes = timex.getUint32(0, true);
    const [seconds, micros, tick, frequency] = [72, 80, 88, 16].map((at) => Number(timex.getBigInt64(at, true)));
    if ((modes & 0x100) !== 0) {
      const clockMs = this.clockMs + seconds * 1_000 + micros / 1_000;
      if (micros < 0 || micros >= 1e6 || clockMs < 0) return EINVAL;
      this.clockMs = clockMs;
    }
    if ((modes & 0x4000) !== 0) this.tempo.tick = tick;
    if ((modes & 2) !== 0) this.tempo.frequency = frequency;
    timex.setBigInt64(88, BigInt(this.tempo.tick), true);
    timex.setBigInt64(16, BigInt(this.tempo.frequency), true);
    return 0;
  }
}

/** A conversation with a guest, through a program of its own; each holder has one. */
export function talkTo(guest: FakeKernel): GuestCalls {
  const program = guestProgram("x86_64", "program");
  guest.load(program.file);
  return new GuestCalls(program.kernel({
    write: (bytes: Uint8Array) => guest.feed(bytes),
    read: (length: number) => Promise.resolve(guest.take(length)),
    readTo: (mark: Uint8Array) => Promise.resolve(guest.takeTo(mark)),
  }));
}

/**
 * Tables of system calls for a guest's kernel: {@link ./guest_program.ts} works them off, one after the other.
 *
 * So all that is done in a guest is written here, in TypeScript, and what is machine code there is a loop that never
 * changes. A call's result can become an argument of a later one (a file's descriptor, a length), can lead to another
 * call when it is too small, and is read back with the table. Numbers and structures are Linux's own
 * (`include/uapi`), of 64 bits and little-endian.
 */

import { FleetboxError } from "../core/errors.ts";
import type { Architecture } from "../vmm/contract.ts";

/** `asm/unistd_64.h` of x86, and `asm-generic/unistd.h`. */
const NUMBERS = {
  x86_64: {
    read: 0,
    write: 1,
    close: 3,
    lseek: 8,
    mmap: 9,
    munmap: 11,
    ioctl: 16,
    getpid: 39,
    ftruncate: 77,
    statfs: 137,
    fstatfs: 138,
    adjtimex: 159,
    sethostname: 170,
    futex: 202,
    clock_settime: 227,
    clock_gettime: 228,
    exit_group: 231,
    openat: 257,
    unlinkat: 263,
    fallocate: 285,
    dup3: 292,
  },
  aarch64: {
    read: 63,
    write: 64,
    close: 57,
    lseek: 62,
    mmap: 222,
    munmap: 215,
    ioctl: 29,
    futex: 98,
    getpid: 172,
    ftruncate: 46,
    statfs: 43,
    fstatfs: 44,
    adjtimex: 171,
    sethostname: 161,
    clock_settime: 112,
    clock_gettime: 113,
    exit_group: 94,
    openat: 56,
    unlinkat: 35,
    fallocate: 47,
    dup3: 24,
  },
} as const satisfies Record<Architecture, Record<string, number>>;

type CallName = keyof typeof NUMBERS.x86_64;

/** An argument of a call: the place of a number in memory. */
interface Field {
  call: Call;
  index: number;
}

/**
 * An argument: a number or an address, bytes that travel with the table (their address), another call's argument (its
 * address), the table itself (its address), and the length of what is read back.
 */
type Argument = number | Uint8Array | Field | "table" | "reply";

/** One system call. */
export interface Call {
  name: CallName;
  /** At most four. The fifth and the sixth are 0: no register that they would be in is ever set. */
  args: Argument[];
  /** An argument that becomes the result. */
  to?: Field;
  /** With a smaller result, `otherwise` is next. An error is a negative result. @default any result will do; 1 for `whole` */
  atLeast?: number;
  /** A call, or the address of one. */
  otherwise?: Call | number;
  /** For `read` and `write`: again, until all of the length is done. */
  whole?: boolean;
}

/** In memory: ten words of 32 bits. First the number and the four arguments. */
const CALL_BYTES = 40;
const ARGUMENTS = 4;
const TO = 20, AT_LEAST = 24, OTHERWISE = 28, WHOLE = 32, RESULT = 36;
const LEAST = -0x80000000;
const MOST = 0x7fffffff;
/** The result of a call that was not made. No call of ours returns it. */
export const NOT_MADE = MOST;

/** `fcntl.h`: a path is relative to the working directory. */
export const AT_FDCWD = -100;

/** The next call is `to`, always. */
export function jump(to: Call | number): Call {
  return { name: "getpid", args: [], atLeast: MOST, otherwise: to };
}

/** A table as it lies in memory. */
export interface Table {
  bytes: Uint8Array<ArrayBuffer>;
  /** How long the reply is: the table and what comes back with it. */
  replyBytes: number;
  /** Where a call is in memory. */
  address(call: Call): number;
  /** What a call gave, in a reply. */
  result(call: Call, reply: Uint8Array): number;
  /** What is in one of the pieces that come back, in a reply. */
  back(piece: Uint8Array, reply: Uint8Array): Uint8Array;
}

/**
 * A table of calls for an address, with the bytes that its calls point to behind it. Pure.
 * @param back pieces that are part of the reply.
 */
export function callTable(arch: Architecture, base: number, calls: readonly Call[], back: Uint8Array[] = []): Table {
  const pieces = [...back, ...calls.flatMap(({ args }) => args.filter((arg) => arg instanceof Uint8Array))];
  const offsets = new Map<Uint8Array, number>();
  let length = calls.length * CALL_BYTES;
  let replyBytes = length;
  for (const piece of pieces) {
    if (offsets.has(piece)) continue;
    offsets.set(piece, length);
    length += Math.ceil(piece.length / 8) * 8;
    if (back.includes(piece)) replyBytes = length;
  }
  const bytes = new Uint8Array(length);
  for (const [piece, offset] of offsets) bytes.set(piece, offset);

  const offsetOf = (call: Call) => {
    const index = calls.indexOf(call);
    if (index < 0) throw new Error(`${call.name} is not in its table`);
    return index * CALL_BYTES;
  };
  const field = ({ call, index }: Field) => base + offsetOf(call) + ARGUMENTS + 4 * index;
  const value = (arg: Argument) => {
    if (typeof arg === "number") return arg;
    if (arg === "table") return base;
    if (arg === "reply") return replyBytes;
    return arg instanceof Uint8Array ? base + offsets.get(arg)! : field(arg);
  };
  const view = new DataView(bytes.buffer);
  for (const call of calls) {
    const at = offsetOf(call);
    const word = (offset: number, number: number) => view.setInt32(at + offset, number, true);
    word(0, NUMBERS[arch][call.name]);
    call.args.forEach((arg, index) => word(ARGUMENTS + 4 * index, value(arg)));
    word(TO, call.to ? field(call.to) : base + at + RESULT);
    const { atLeast = call.whole ? 1 : LEAST, otherwise = 0 } = call;
    if (atLeast !== LEAST && otherwise === 0) {
      throw new Error(`${call.name} says nothing of a result that is too small`);
    }
    word(AT_LEAST, atLeast);
    word(OTHERWISE, typeof otherwise === "number" ? otherwise : base + offsetOf(otherwise));
    word(WHOLE, call.whole ? 1 : 0);
    word(RESULT, NOT_MADE);
  }
  return {
    bytes,
    replyBytes,
    address: (call) => base + offsetOf(call),
    result: (call, reply) => new DataView(reply.buffer, reply.byteOffset).getInt32(offsetOf(call) + RESULT, true),
    back: (piece, reply) => reply.subarray(offsets.get(piece)!, offsets.get(piece)! + piece.length),
  };
}

/** What calls gave. */
export interface Results {
  of(call: Call): number;
  /** One of the pieces that came back. */
  back(piece: Uint8Array): Uint8Array;
}

/** What is in a reply: the end of these bytes. @throws {FleetboxError} `protocol`: it is not whole */
export function results(table: Table, heard: Uint8Array): Results {
  if (heard.length < table.replyBytes) {
    throw new FleetboxError("protocol", `The guest's program says ${heard.length} bytes, expected ${table.replyBytes}`);
  }
  const reply = heard.slice(-table.replyBytes);
  return { of: (call) => table.result(call, reply), back: (piece) => table.back(piece, reply) };
}

/** A text that ends with a NUL, as the kernel wants paths. */
export function path(text: string): Uint8Array {
  return new TextEncoder().encode(text + "\0");
}

/** `struct timespec`. */
export function timespec(ms: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(16));
  const seconds = Math.floor(ms / 1_000);
  view.setBigInt64(0, BigInt(seconds), true);
  view.setBigInt64(8, BigInt(Math.round((ms - seconds * 1_000) * 1e6)), true);
  return new Uint8Array(view.buffer);
}

/** Milliseconds of a `struct timespec`. */
export function timespecMs(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return Number(view.getBigInt64(0, true)) * 1_000 + Number(view.getBigInt64(8, true)) / 1e6;
}

/** `errno.h`: those that our calls meet. */
const ERRORS: Record<number, string> = {
  1: "Operation not permitted",
  2: "No such file or directory",
  5: "Input/output error",
  12: "Cannot allocate memory",
  13: "Permission denied",
  20: "Not a directory",
  21: "Is a directory",
  22: "Invalid argument",
  25: "Inappropriate ioctl for device",
  26: "Text file busy",
  28: "No space left on device",
  30: "Read-only file system",
  38: "Function not implemented",
  95: "Operation not supported",
};

/** A negative result in words. */
export function errorWords(result: number): string {
  if (result === NOT_MADE) return "it was not tried";
  const words = ERRORS[-result];
  return words === undefined ? `error ${-result}` : `${words} (error ${-result})`;
}

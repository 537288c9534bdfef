/**
 * A program for a guest, as a file: a static ELF of some 700 bytes, made here, which works off tables of system calls
 * ({@link ./call_table.ts}).
 *
 * It begins with a table that it brings along, which makes it read others ({@link nextTable}). It needs no C
 * library, no interpreter and no program of the guest, and starts in a millisecond of an emulated processor, where Python
 * takes a tenth of a second.
 */

import { FleetboxError } from "../core/errors.ts";
import type { Architecture } from "../vmm/contract.ts";
import { AT_FDCWD, type Call, callTable, jump, path, type Results, type Table } from "./call_table.ts";

/**
 * The loop that works off tables. The register rbx (x19) is the address of the present call. The kernel keeps every
 * register but the result's, and on x86 rcx and r11.
 *
 *     x86_64                                              aarch64
 *     bb table            mov ebx, table                  52a00013    movz w19, table >> 16, lsl 16
 *                                                         72800013    movk w19, table & 0xffff
 *     8b 7b 04     next:  mov edi, [rbx+4]                29402668  next:  ldp w8, w9, [x19]
 *     8b 73 08            mov esi, [rbx+8]                29410a61    ldp w1, w2, [x19, 8]
 *     8b 53 0c            mov edx, [rbx+12]               29422a63    ldp w3, w10, [x19, 16]
 *     44 8b 53 10         mov r10d, [rbx+16]
 *     8b 03        again: mov eax, [rbx]                  2a0903e0  again: mov w0, w9
 *     0f 05               syscall                         d4000001    svc 0
 *     8b 4b 14            mov ecx, [rbx+20]  to
 *     89 01               mov [rcx], eax                  b9000140    str w0, [x10]
 *     89 43 24            mov [rbx+36], eax  result       b9002660    str w0, [x19, 36]
 *     3b 43 18            cmp eax, [rbx+24]  atLeast      2943326b    ldp w11, w12, [x19, 24]
 *                                                         6b0b001f    cmp w0, w11
 *     7c 12               jl other                        5400010b    b.lt other
 *     83 7b 20 00         cmp [rbx+32], 0    whole        b940226b    ldr w11, [x19, 32]
 *     74 06               je done                         3400008b    cbz w11, done
 *     01 c6               add esi, eax                    0b000021    add w1, w1, w0
 *     29 c2               sub edx, eax                    6b000042    subs w2, w2, w0
 *     75 e3               jne again                       54fffea1    b.ne again
 *     48 83 c3 28  done:  add rbx, 40                     9100a273  done:  add x19, x19, 40
 *     eb d0               jmp next                        17fffff0    b next
 *     8b 5b 1c     other: mov ebx, [rbx+28]  otherwise    2a0c03f3  other: mov w19, w12
 *     eb cb               jmp next                        17ffffee    b next
 */
const LOOP: Record<Architecture, { machine: number; code(table: number): Uint8Array }> = {
  x86_64: {
    machine: 62, // EM_X86_64
    code(table) {
      const code = Uint8Array.from(
        ("bb000000008b7b048b73088b530c448b53108b030f058b4b1489018943243b43187c12837b2000740601c629c275e3" +
          "4883c328ebd08b5b1cebcb").match(/../g)!,
        (byte) => parseInt(byte, 16),
      );
      new DataView(code.buffer).setUint32(1, table, true);
      return code;
    },
  },
  aarch64: {
    machine: 183, // EM_AARCH64
    // deno-fmt-ignore
    code: (table) => new Uint8Array(Uint32Array.of(
      0x52a00013 | (table >>> 16) << 5, 0x72800013 | (table & 0xffff) << 5,
      0x29402668, 0x29410a61, 0x29422a63, 0x2a0903e0, 0xd4000001, 0xb9000140, 0xb9002660, 0x2943326b, 0x6b0b001f,
      0x5400010b, 0xb940226b, 0x3400008b, 0x0b000021, 0x6b000042, 0x54fffea1, 0x9100a273, 0x17fffff0, 0x2a0c03f3,
      0x17ffffee,
    ).buffer),
  },
};

const CODE_AT = 0x400000;
const DATA_AT = 0x500000;
/** Memory for a file that is read, and for the tables that come later, of {@link ROOM} bytes each. */
const FILE_AT = 0x510000;
export const NEXT_AT = 0x520000;
export const ROOM = 0x10000;

const ELF_HEADER = 64;
const PROGRAM_HEADER = 56;
const EXECUTE = 1, WRITE = 2, READ = 4;

/** A program that begins with these calls, and its first table. */
export function programFile(
  arch: Architecture,
  calls: readonly Call[],
  back?: Uint8Array[],
): { file: Uint8Array<ArrayBuffer>; table: Table } {
  const { machine, code: codeFor } = LOOP[arch];
  const header = ELF_HEADER + 2 * PROGRAM_HEADER;
  const codeLength = codeFor(0).length;
  const dataOffset = Math.ceil((header + codeLength) / 8) * 8;
  const table = callTable(arch, DATA_AT + dataOffset, calls, back);
  const file = new Uint8Array(dataOffset + table.bytes.length);
  file.set(elfHeaders(machine, header + codeLength, dataOffset, table.bytes.length));
  file.set(codeFor(DATA_AT + dataOffset), header);
  file.set(table.bytes, dataOffset);
  return { file, table };
}

/** A table that comes later, for {@link NEXT_AT}. */
export function nextTable(arch: Architecture, calls: readonly Call[], back?: Uint8Array[]): Table {
  const table = callTable(arch, NEXT_AT, calls, back);
  if (table.bytes.length > ROOM) {
    throw new Error(`a table of ${table.bytes.length} bytes, expected ${ROOM} at most`);
  }
  return table;
}

/** The calls, then a reply: the table, as it is then, and what comes back with it. Goes on at `then`. */
export function replied(calls: readonly Call[], then: Call | number): Call[] {
  return [...calls, replyCall(then), jump(then)];
}

function replyCall(then: Call | number): Call {
  return { name: "write", args: [1, "table", "reply"], whole: true, otherwise: then };
}

/** Calls that reply, and what they say of a file that was read. */
export interface FileReply {
  calls: Call[];
  /**
   * The length of the file, whose content follows the reply; negative when it could not be read (`call_table.ts`,
   * errorWords).
   * @throws {FleetboxError} `protocol`: more than there is room for
   */
  bytes(reply: Results): number;
}

/** Reads a file (at most {@link ROOM} bytes), replies, says its content, and goes on at `then`. */
export function replyWithFile(file: string, then: Call | number): FileReply {
  const alone = replyCall(then); // without a content
  const content: Call = { name: "write", args: [1, FILE_AT, 0], whole: true, otherwise: then }; // also of an empty file
  const read: Call = {
    name: "read",
    args: [0, FILE_AT, ROOM],
    to: { call: content, index: 2 },
    atLeast: 0,
    otherwise: alone,
  };
  const open: Call = {
    name: "openat",
    args: [AT_FDCWD, path(file), 0],
    to: { call: read, index: 0 },
    atLeast: 0,
    otherwise: alone,
  };
  return {
    calls: [open, read, replyCall(then), content, jump(then), alone, jump(then)],
    bytes(reply) {
      const opened = reply.of(open);
      const length = opened < 0 ? opened : reply.of(read);
      if (length <= ROOM) return length;
      throw new FleetboxError("protocol", `The guest has read ${length} bytes of ${file}, expected ${ROOM} at most`);
    },
  };
}

/** The ELF header and two program headers (`elf.h`): code, and data with the memory behind it. */
function elfHeaders(machine: number, codeEnd: number, dataOffset: number, dataLength: number): Uint8Array {
  const bytes = new Uint8Array(ELF_HEADER + 2 * PROGRAM_HEADER);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]); // ELF, 64 bits, little-endian, version 1
  const view = new DataView(bytes.buffer);
  const half = (at: number, value: number) => view.setUint16(at, value, true);
  const word = (at: number, value: number) => view.setUint32(at, value, true);
  half(16, 2); // ET_EXEC
  half(18, machine);
  word(20, 1);
  word(24, CODE_AT + bytes.length); // entry
  word(32, ELF_HEADER); // program headers
  half(52, ELF_HEADER);
  half(54, PROGRAM_HEADER);
  half(56, 2);
  const segment = (at: number, flags: number, offset: number, address: number, length: number, memory: number) => {
    word(at, 1); // PT_LOAD
    word(at + 4, flags);
    word(at + 8, offset);
    word(at + 16, address);
    word(at + 24, address);
    word(at + 32, length);
    word(at + 40, memory);
    word(at + 48, 0x10000); // no page is larger
  };
  segment(ELF_HEADER, READ | EXECUTE, 0, CODE_AT, codeEnd, codeEnd);
  const end = NEXT_AT + ROOM;
  const dataAt = DATA_AT + dataOffset;
  segment(ELF_HEADER + PROGRAM_HEADER, READ | WRITE, dataOffset, dataAt, dataLength, end - dataAt);
  return bytes;
}

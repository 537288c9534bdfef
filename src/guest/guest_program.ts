/**
 * A program for a guest that has nothing of ours: a static ELF of some 700 bytes, made here, which works off tables of
 * system calls ({@link ./call_table.ts}).
 *
 * It begins with a table that it brings along, and then works off each table that comes on its standard input, behind
 * its length in four bytes, until the input ends. It needs no C library, no interpreter and no program of the guest, and
 * starts in a millisecond of an emulated processor, where Python takes a tenth of a second.
 *
 * A shell writes it (`printf` is built in, `chmod` is the one process) into a directory whose files can be executed; the
 * first of its calls removes it from there.
 */

import type { Architecture } from "../vmm/contract.ts";
import { quoted } from "../core/quoting.ts";
import { type Call, callTable, jump, path, type Table } from "./call_table.ts";

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
/** Memory for the file that is read, and for the tables that come later, of {@link ROOM} bytes each. */
const FILE_AT = 0x510000;
const NEXT_AT = 0x520000;
export const ROOM = 0x10000;

const ELF_HEADER = 64;
const PROGRAM_HEADER = 56;
const EXECUTE = 1, WRITE = 2, READ = 4;

const MARK_BYTES = 16;
/** `fcntl.h`: a path is relative to the working directory. */
export const AT_FDCWD = -100;

/** A program for a guest. */
export interface GuestProgram {
  /** The ELF file. */
  file: Uint8Array<ArrayBuffer>;
  /** How long its first reply is, which ends with {@link mark}. What comes before is not the program's. */
  replyBytes: number;
  /** 16 random bytes. */
  mark: Uint8Array;
  /**
   * The length of the file that was read, whose content follows the first reply; negative when it could not be read
   * (`call_table.ts`, errorWords).
   */
  fileBytes(reply: Uint8Array): number;
  /** A further table, and how it is sent. The program makes its calls, replies, and waits for the next one. */
  next(calls: readonly Call[], back?: Uint8Array[]): { table: Table; message: Uint8Array<ArrayBuffer> };
}

/**
 * Makes a program.
 * @param name the name of its own file, in its working directory.
 * @param reads a file that it reads at the start: at most {@link ROOM} bytes.
 */
export function guestProgram(arch: Architecture, name: string, reads?: string): GuestProgram {
  const mark = crypto.getRandomValues(new Uint8Array(MARK_BYTES));
  const exit: Call = { name: "exit_group", args: [0] };
  const reply: Call = { name: "write", args: [1, "table", "reply"], whole: true, otherwise: exit };
  const content: Call = { name: "write", args: [1, FILE_AT, 0], whole: true };
  const alone: Call = { ...reply }; // without a content
  const table: Call = { name: "read", args: [0, NEXT_AT, 0], whole: true, otherwise: exit };
  const length: Call = { name: "read", args: [0, { call: table, index: 2 }, 4], whole: true, otherwise: exit };
  const read: Call = {
    name: "read",
    args: [0, FILE_AT, ROOM],
    to: { call: content, index: 2 },
    atLeast: 0,
    otherwise: alone,
  };
  const open: Call = {
    name: "openat",
    args: [AT_FDCWD, path(reads ?? ""), 0],
    to: { call: read, index: 0 },
    atLeast: 0,
    otherwise: alone,
  };
  content.otherwise = length; // of an empty file
  const calls = [
    { name: "unlinkat", args: [AT_FDCWD, path(name), 0] } satisfies Call,
    ...(reads === undefined ? [] : [open, read]),
    reply,
    ...(reads === undefined ? [] : [content]),
    length,
    table,
    jump(NEXT_AT),
    exit,
    alone,
    jump(length),
  ];
  const { machine, code: codeFor } = LOOP[arch];
  const header = ELF_HEADER + 2 * PROGRAM_HEADER;
  const codeLength = codeFor(0).length;
  const dataOffset = Math.ceil((header + codeLength) / 8) * 8;
  const first = callTable(arch, DATA_AT + dataOffset, calls, [mark]);
  const file = new Uint8Array(dataOffset + first.bytes.length);
  file.set(elfHeaders(machine, header + codeLength, dataOffset, first.bytes.length));
  file.set(codeFor(DATA_AT + dataOffset), header);
  file.set(first.bytes, dataOffset);
  return {
    file,
    replyBytes: first.replyBytes,
    mark,
    fileBytes: (reply) => {
      const opened = first.result(open, reply);
      return opened < 0 ? opened : first.result(read, reply);
    },
    next(calls, back) {
      const wait = first.address(length);
      const table = callTable(arch, NEXT_AT, [
        ...calls,
        { name: "write", args: [1, "table", "reply"], whole: true, otherwise: wait },
        jump(wait),
      ], back);
      if (table.bytes.length > ROOM) {
        throw new Error(`a table of ${table.bytes.length} bytes, expected ${ROOM} at most`);
      }
      const message = new Uint8Array(4 + table.bytes.length);
      new DataView(message.buffer).setUint32(0, table.bytes.length, true);
      message.set(table.bytes, 4);
      return { table, message };
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

/**
 * The script that writes a program into the guest and runs it as root, for the user's shell; its standard input is the
 * program's. Exit code 126: no directory was fit for that.
 */
export function guestScript(program: Uint8Array, name: string, options: { sudo: boolean }): string {
  const run = options.sudo ? `sudo -n ./${name}` : `./${name}`;
  return [
    "set -C; umask 077",
    'for at in /dev/shm /tmp /run /var/tmp "$HOME"; do',
    `cd "$at" 2>/dev/null && printf ${quoted(printfFormat(program))} >${name} || continue`,
    `chmod 700 ${name} && ${run}; status=$?`,
    // It is still there, so it never began. Files of this directory cannot be executed (the mount option noexec), which the
    // shell says by 126 and sudo by words alone; else it is sudo that refused.
    `[ -e ${name} ] || exit $status`,
    `./${name} </dev/null >/dev/null 2>&1; [ $? = 126 ] || exit $status`,
    `rm -f ${name}`,
    "done",
    "exit 126",
  ].join("\n");
}

/** Bytes as a format of printf(1), which POSIX shells print as these. Pure. */
export function printfFormat(bytes: Uint8Array): string {
  return Array.from(bytes, (byte, index) => {
    const isPlain = byte > 0x20 && byte < 0x7f && !"%\\'".includes(String.fromCharCode(byte));
    if (isPlain) return String.fromCharCode(byte);
    const next = bytes[index + 1];
    const octal = byte.toString(8);
    // A digit behind it would be taken for its own.
    return "\\" + (next >= 0x30 && next <= 0x37 ? octal.padStart(3, "0") : octal);
  }).join("");
}

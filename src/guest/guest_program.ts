/**
 * A program for a guest that has nothing of ours ({@link ./program_file.ts}): it works off each table that comes on its
 * standard input, behind its length in four bytes, until the input ends.
 *
 * A shell writes it (`printf` is built in, `chmod` is the one process) into a directory whose files can be executed; the
 * first of its calls removes it from there.
 */

import type { Architecture } from "../vmm/contract.ts";
import { quoted } from "../core/quoting.ts";
import { AT_FDCWD, type Call, jump, path, type Results, results } from "./call_table.ts";
import { NEXT_AT, nextTable, programFile, replied, replyWithFile } from "./program_file.ts";
import type { GuestKernel } from "./renewal.ts";

const MARK_BYTES = 16;

/** A program for a guest. */
export interface GuestProgram {
  /** The ELF file. */
  file: Uint8Array<ArrayBuffer>;
  /** What it does, once it runs, by its standard input and output. */
  kernel(channel: Channel): GuestKernel;
}

/** The program's standard input and output. */
export interface Channel {
  write(bytes: Uint8Array<ArrayBuffer>): void;
  /** The next bytes of its output. @throws what ended it */
  read(length: number): Promise<Uint8Array>;
  /** Its output up to the end of these bytes. @throws what ended it */
  readTo(mark: Uint8Array): Promise<Uint8Array>;
}

/**
 * Makes a program.
 * @param name the name of its own file, in its working directory.
 * @param reads the file that {@link GuestKernel.file} gives, which it reads at its start.
 */
export function guestProgram(arch: Architecture, name: string, reads?: string): GuestProgram {
  // What comes before it is not the program's: the guest's shell may say something, too.
  const mark = crypto.getRandomValues(new Uint8Array(MARK_BYTES));
  const exit: Call = { name: "exit_group", args: [0] };
  const table: Call = { name: "read", args: [0, NEXT_AT, 0], whole: true, otherwise: exit };
  const length: Call = { name: "read", args: [0, { call: table, index: 2 }, 4], whole: true, otherwise: exit };
  const withFile = reads === undefined ? undefined : replyWithFile(reads, length);
  const { file, table: first } = programFile(arch, [
    { name: "unlinkat", args: [AT_FDCWD, path(name), 0] },
    ...(withFile?.calls ?? replied([], length)),
    length,
    table,
    jump(NEXT_AT),
    exit,
  ], [mark]);

  const kernel = (channel: Channel): GuestKernel => {
    let beginning: Promise<Results> | undefined;
    const begin = () => beginning ??= channel.readTo(mark).then((heard) => results(first, heard));
    return {
      ready: async () => void await begin(),
      async file() {
        const length = withFile!.bytes(await begin());
        return length < 0 ? length : await channel.read(length);
      },
      async call(calls, back) {
        await begin();
        const table = nextTable(arch, replied(calls, first.address(length)), back);
        const message = new Uint8Array(4 + table.bytes.length);
        new DataView(message.buffer).setUint32(0, table.bytes.length, true);
        message.set(table.bytes, 4);
        channel.write(message);
        return results(table, await channel.read(table.replyBytes));
      },
    };
  };
  return { file, kernel };
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

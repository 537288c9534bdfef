/**
 * The agent of an image of ours: a program ({@link ./program_file.ts}) that its init starts, and which works off tables that
 * come on the guest's second serial port. The image has it as a file; `images/micro/lib/agent.hex` is what this makes.
 *
 * The port may carry anything: half a message of a holder that was killed, then the next one's. So a message begins with a
 * mark, for which the agent looks, and a header between two words that are always the same; and a table is worked off only
 * when a random number follows it that is in its header, too. Else the agent looks for the next mark.
 *
 * The addresses in a message are those of one version of this program: whatever changes its file changes
 * {@link AGENT_VERSION}, and the mark.
 */

import type { Architecture } from "../vmm/contract.ts";
import { AT_FDCWD, type Call, jump, path, type Table } from "./call_table.ts";
import { NEXT_AT, nextTable, programFile } from "./program_file.ts";

/** What images say of their agent (`image.json`). */
export const AGENT_VERSION = 1;
/** The file that is `/usr/lib/fleetbox/agent` in them, and the port. */
const PORT = "/dev/ttyS1";

/** One byte that is looked for, and the words around the header. */
const MARK = 0xf1;
const BEGIN = 0xb0f1ee70 + AGENT_VERSION;
const END = ~BEGIN;
/** Mark, begin, the length of the table and the number behind it, where in memory that number is, the number, end. */
const HEADER_BYTES = 1 + 5 * 4;

/** `fcntl.h` */
const O_RDWR = 2;
const O_NOCTTY = 0o400;
/** `asm-generic/ioctls.h`, `asm-generic/termbits.h` */
const TCSETS = 0x5402;
const IGNBRK = 1;
const CS8 = 0o60, CREAD = 0o200, CLOCAL = 0o4000, B115200 = 0o10002;
const VMIN = 6;
/** `linux/futex.h`: compares a word in memory, and waits while it is equal; here for no time at all. */
const FUTEX_WAIT_PRIVATE = 128;
/** Its result is -ETIMEDOUT (110) when the word is equal, and -EAGAIN (11), -EFAULT or -EINVAL when it is not. */
const EQUAL_BELOW = -50;

interface Agent {
  file: Uint8Array<ArrayBuffer>;
  /** The address of what it does next when a table is done. */
  wait: number;
}

const agents = new Map<Architecture, Agent>();

/** The program. Always the same. */
export function agentProgram(arch: Architecture): Agent {
  let agent = agents.get(arch);
  if (!agent) agents.set(arch, agent = makeAgent(arch));
  return agent;
}

function makeAgent(arch: Architecture): Agent {
  const exit: Call = { name: "exit_group", args: [1] };
  const input: Call = { name: "dup3", args: [0, 0, 0] };
  const open: Call = {
    name: "openat",
    args: [AT_FDCWD, path(PORT), O_RDWR | O_NOCTTY],
    to: { call: input, index: 0 },
    atLeast: 0,
    otherwise: exit,
  };
  const byte = new Uint8Array(4), first = new Uint8Array(4), last = new Uint8Array(4), noTime = new Uint8Array(16);
  const look: Call = { name: "read", args: [0, byte, 1], whole: true, otherwise: exit };
  const read = (...args: Call["args"]): Call => ({ name: "read", args: [0, ...args], whole: true, otherwise: look });
  const ifEqual = (place: Call["args"][0], value: number, next: Call | number): Call => ({
    name: "futex",
    args: [place, FUTEX_WAIT_PRIVATE, value, noTime],
    atLeast: EQUAL_BELOW,
    otherwise: next,
  });
  const check = ifEqual(0, 0, NEXT_AT);
  const table = read(NEXT_AT, 0);
  const length = read({ call: table, index: 2 }, 4);
  const begin = read(first, 4), end = read(last, 4);
  const { file, table: own } = programFile(arch, [
    ...[open, input, { name: "dup3", args: [0, 1, 0] } satisfies Call],
    { name: "ioctl", args: [0, TCSETS, termios()], atLeast: 0, otherwise: exit },
    ...[look, ifEqual(byte, MARK, begin), jump(look)],
    ...[begin, ifEqual(first, BEGIN, length), jump(look)],
    ...[length, read({ call: check, index: 0 }, 4), read({ call: check, index: 2 }, 4)],
    ...[end, ifEqual(last, END, table), jump(look)],
    ...[table, check, jump(look)],
    exit,
  ]);
  return { file, wait: own.address(look) };
}

/** A port that carries bytes as they are (`struct termios`). A read waits for one byte. */
function termios(): Uint8Array {
  const bytes = new Uint8Array(36);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, IGNBRK, true);
  view.setUint32(8, CS8 | CREAD | CLOCAL | B115200, true);
  bytes[17 + VMIN] = 1;
  return bytes;
}

/** A message: a table, and how it is sent. @param calls such as end with going on at `wait` */
export function agentMessage(
  arch: Architecture,
  calls: readonly Call[],
  back?: Uint8Array[],
): { table: Table; message: Uint8Array<ArrayBuffer> } {
  const table = nextTable(arch, calls, back);
  const { length } = table.bytes;
  const message = new Uint8Array(HEADER_BYTES + length + 4);
  const view = new DataView(message.buffer);
  // Without the mark in it, so that a message that lacks its end is not completed by the beginning of the next one.
  const bytes = crypto.getRandomValues(new Uint8Array(4)).map((byte) => byte === MARK ? 0 : byte);
  const number = new DataView(bytes.buffer).getUint32(0, true);
  message[0] = MARK;
  [BEGIN, length + 4, NEXT_AT + length, number, END].forEach((word, at) => view.setUint32(1 + 4 * at, word, true));
  message.set(table.bytes, HEADER_BYTES);
  view.setUint32(HEADER_BYTES + length, number, true);
  return { table, message };
}

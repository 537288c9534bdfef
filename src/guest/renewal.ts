/**
 * What makes a restored guest one of its own: the time, new random numbers, its host name. This is the conversation with
 * a program in the guest that runs as root (`guest_program.ts`, `agent_program.ts`); `after_restore.ts` reaches it.
 *
 * The clock comes first: until then everything in the guest lives in the past. The kernel mixes 256 random bytes in and
 * counts them (RNDADDENTROPY), and takes them into use at once (RNDRESEEDCRNG); until then two guests of one snapshot
 * make the same random numbers. See random(4).
 */

import { FleetboxError } from "../core/errors.ts";
import { checkName } from "../core/names.ts";
import { AT_FDCWD, type Call, errorWords, path, type Results, timespec, timespecMs } from "./call_table.ts";
import { ROOM } from "./program_file.ts";
import { renameHost } from "./hosts_file.ts";

/** What a restored guest gets. */
export interface RenewalOptions {
  /** Whether its clock is set to this host's. */
  clock: "set" | "keep";
  /** Its host name from now on. @default as it was */
  hostName?: string;
  /** The host name that it was saved with, which /etc/hosts has. */
  oldHostName?: string;
  /** Called with what could not be done, where the guest is of use without it. */
  onNote?: (message: string) => void;
}

/** A guest's kernel, through a program that runs there as root and works off tables of calls. */
export interface GuestKernel {
  /** Resolves when the program answers. */
  ready(): Promise<void>;
  /**
   * The content of {@link HOSTS}; a negative number when it cannot be read (errorWords). Its first bytes, when it is longer
   * than the program has {@link ROOM} for.
   */
  file(): Promise<Uint8Array | number>;
  /** Makes calls, one after the other. @param back the pieces that come back */
  call(calls: readonly Call[], back?: Uint8Array[]): Promise<Results>;
}

/** The guest's clock may differ by less than this. */
const MAX_CLOCK_ERROR_MS = 500;
/** How often the clock is set, when the answer comes so late that it could differ by more. */
const CLOCK_TRIES = 3;

const RANDOM_BYTES = 256;
/** `linux/random.h` */
const RNDADDENTROPY = 0x40085203;
const RNDRESEEDCRNG = 0x5207;
/** `linux/time.h` */
const CLOCK_REALTIME = 0;
/** `fcntl.h` */
const O_WRONLY = 1;
const O_CREAT = 0o100;

export const HOSTS = "/etc/hosts";
const HOST_NAME = "/etc/hostname";

/** Calls that belong together. */
interface Step {
  /** Completes "Cannot … of the restored guest". */
  what: string;
  calls: Call[];
  /** Without it the guest is of use. */
  isOptional?: boolean;
}

/** Whether the guest gets another host name than it has. */
export function changesName({ hostName, oldHostName }: RenewalOptions): boolean {
  return hostName !== undefined && hostName !== oldHostName;
}

/**
 * Does all of it.
 * @throws {FleetboxError} `failed`: what could not be done, and why; what ended the conversation
 */
export async function renew(kernel: GuestKernel, options: RenewalOptions): Promise<void> {
  const { clock, onNote } = options;
  const named = changesName(options) ? nameSteps(await kernel.file(), options) : [];
  await kernel.ready();
  const steps = [randomStep(), ...named];
  const guestTime = new Uint8Array(16);
  const look: Step = { what: "read the clock", calls: [{ name: "clock_gettime", args: [CLOCK_REALTIME, guestTime] }] };
  for (let tries = 1;; tries++) {
    const sentMs = Date.now(), sentAt = performance.now();
    const set: Step = {
      what: "set the clock",
      calls: [{ name: "clock_settime", args: [CLOCK_REALTIME, timespec(sentMs)] }],
    };
    const all = [...(clock === "set" ? [set] : []), ...(tries === 1 ? steps : []), look];
    const results = await kernel.call(all.flatMap((step) => step.calls), [guestTime]);
    for (const step of all) check(step, results, onNote);
    if (clock === "keep") return;
    const behindMs = sentMs + (performance.now() - sentAt) - timespecMs(results.back(guestTime));
    if (isRight(behindMs)) return;
    if (tries === CLOCK_TRIES) throw wrongClock(behindMs);
  }
}

/**
 * Whether the clock is right: `behindMs` is how far it was behind this host's when the answer was here. It was read before,
 * and set at the earliest when it was sent, so it is behind by no more than that.
 */
function isRight(behindMs: number): boolean {
  return Math.abs(behindMs) < MAX_CLOCK_ERROR_MS;
}

function wrongClock(behindMs: number): FleetboxError {
  const [ms, where] = [Math.round(Math.abs(behindMs)), behindMs > 0 ? "behind" : "ahead of"];
  return new FleetboxError(
    "failed",
    `The clock of the restored guest may be ${ms} ms ${where} this host's after it was set ${CLOCK_TRIES} times, ` +
      `expected less than ${MAX_CLOCK_ERROR_MS} ms: the guest's answers take too long`,
    { hint: "This host is too busy: start fewer machines at once, and try again." },
  );
}

/** @throws {FleetboxError} `failed`: a call of the step failed */
function check({ what, calls, isOptional }: Step, results: Results, onNote?: (note: string) => void): void {
  const failed = calls.map(results.of).find((value) => value < 0);
  if (failed === undefined) return;
  const message = `Cannot ${what} of the restored guest: ${errorWords(failed)}`;
  if (!isOptional) throw new FleetboxError("failed", message);
  onNote?.(message);
}

/** `struct rand_pool_info`: how many bits of entropy there are in how many bytes, and the bytes. */
function randomStep(): Step {
  const pool = new Uint8Array(8 + RANDOM_BYTES);
  const view = new DataView(pool.buffer);
  view.setInt32(0, 8 * RANDOM_BYTES, true);
  view.setInt32(4, RANDOM_BYTES, true);
  crypto.getRandomValues(pool.subarray(8));
  const [open, file] = opened("/dev/urandom", 20);
  return {
    what: "renew the random numbers",
    calls: [
      ...open,
      { name: "ioctl", args: [file, RNDADDENTROPY, pool] },
      { name: "ioctl", args: [file, RNDRESEEDCRNG, 0] },
    ],
  };
}

function nameSteps(file: Uint8Array | number, { hostName, oldHostName, onNote }: RenewalOptions): Step[] {
  const name = checkName(hostName);
  if (typeof file === "number") onNote?.(`Cannot read ${HOSTS} of the restored guest: ${errorWords(file)}`);
  const hosts = typeof file === "number" ? "" : Array.from(file, (byte) => String.fromCharCode(byte)).join("");
  const { length } = hosts;
  if (length >= ROOM) onNote?.(`${HOSTS} of the restored guest has the old host name: it is longer than ${ROOM} bytes`);
  const renamed = oldHostName === undefined || length >= ROOM ? hosts : renameHost(hosts, oldHostName, name);
  return [
    { what: "set the host name", calls: [{ name: "sethostname", args: [bytes(name), name.length] }] },
    { what: `write ${HOST_NAME}`, calls: overwritten(HOST_NAME, 21, name + "\n"), isOptional: true },
    ...(renamed === hosts
      ? []
      : [{ what: `write ${HOSTS}`, calls: overwritten(HOSTS, 22, renamed), isOptional: true } satisfies Step]),
  ];
}

/** Opens a file for writing under a number that no other file has: several calls can name it. */
function opened(file: string, number: number, flags = 0): [calls: Call[], number: number] {
  const name: Call = { name: "dup3", args: [0, number, 0] };
  return [[
    { name: "openat", args: [AT_FDCWD, path(file), O_WRONLY | flags, 0o644], to: { call: name, index: 0 } },
    name,
  ], number];
}

/** Written over and then cut, so that it keeps its mode, and a full disk cannot leave it empty. */
function overwritten(file: string, number: number, text: string): Call[] {
  const end: Call = { name: "getpid", args: [] };
  const cut: Call = { name: "ftruncate", args: [number, text.length] };
  const write: Call = { name: "write", args: [number, bytes(text), text.length], whole: true, otherwise: end };
  return [...opened(file, number, O_CREAT)[0], write, cut, end];
}

/** A text of bytes. */
function bytes(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

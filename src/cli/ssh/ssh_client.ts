/**
 * Runs the system's OpenSSH programs on our own standard input, output and error.
 *
 * A machine that ends closes no connection: its packets only stop coming. So the member is watched meanwhile, and the
 * program is ended with its machine. A guest or a hypervisor that hangs causes no event; the program's own keep-alive
 * notices it (`arguments/ssh_arguments.ts`), without a message, so the reason is found here.
 */

import { untilMachineEnds } from "../../control/machine_end.ts";
import { startLimit, within } from "../../core/deadline.ts";
import { EXIT_CODES, FleetboxError, isNotFound } from "../../core/errors.ts";
import { lazyModule } from "../../core/lazy_modules.ts";
import type { Store } from "../../store.ts";
import { errorWidth, warn } from "../terminal/output.ts";

/** What is needed when a connection breaks, and a fifth of what `exec` would load. */
const failing = () => lazyModule<typeof import("./why_broken.ts")>("src/cli/ssh/why_broken.ts");
const telling = () => lazyModule<typeof import("../error_text.ts")>("src/cli/error_text.ts");

/** The exit code of OpenSSH's programs when the connection failed, and ours when it ended. */
export const BROKEN = 255;
/** Ours, when Ctrl-C has ended the client. */
export const INTERRUPTED = EXIT_CODES.interrupted;
/** How much later than a client's end the Ctrl-C may be heard that has ended it. */
const HEARD_MS = 100;
/** How long a program may take to end by itself after the machine: the command's last output may still arrive. */
const LAST_WORDS_MS = 500;
/** How long a program may take to end when it is told to. */
const TERM_MS = 500;
/** How much of a program's errors is kept, in characters: its last ones. */
const MAX_COMPLAINTS = 65_536;

export interface ClientWishes {
  /** What failed, said first when something does; the client's own errors come after it then, and not at once. */
  failure?: string;
  /** Takes what the client writes, piece by piece; it has no input then. @default our own standard input, output and error */
  output?: Record<"stdout" | "stderr", (piece: string) => void>;
}

/**
 * Runs a client on members until it ends, or until the machine of one of them does.
 * @returns the client's exit code; {@link BROKEN} when the connection ended, with the reason on standard error; {@link INTERRUPTED} when
 * Ctrl-C, which the running client gets, too, has ended it. Signals that end us end it.
 */
export async function runClient(
  program: "ssh" | "scp",
  args: string[],
  store: Store,
  names: readonly string[],
  { failure, output }: ClientWishes = {},
): Promise<number> {
  let isInterrupted = false;
  const interrupt = Promise.withResolvers<void>();
  const interrupted = () => {
    isInterrupted = true;
    interrupt.resolve();
  };
  const pass = (signal: Deno.Signal) => () => kill(child, signal);
  // Before there is a client: a signal in between would end us, and leave it running.
  Deno.addSignalListener("SIGINT", interrupted);
  Deno.addSignalListener("SIGTERM", pass("SIGTERM"));
  Deno.addSignalListener("SIGHUP", pass("SIGHUP"));
  const child = spawnClient(program, args, {
    stdin: output ? "null" : "inherit",
    stdout: output ? "piped" : "inherit",
    stderr: output || failure !== undefined ? "piped" : "inherit",
  });
  const passed = output && Promise.all([hand(child.stdout, output.stdout), hand(child.stderr, output.stderr)]);
  const complaints = failure === undefined ? undefined : collect(child.stderr);

  const over = new AbortController();
  let end: FleetboxError | undefined;
  let isCut = false;
  let endLimit = () => {};
  const cut = (why: FleetboxError) => {
    end = why;
    endLimit = startLimit(LAST_WORDS_MS, () => {
      isCut = true;
      kill(child, "SIGTERM");
      endLimit = startLimit(TERM_MS, () => kill(child, "SIGKILL"));
    });
  };
  const firstEnd = Promise.race(names.map(async (name) => {
    const found = await untilMachineEnds(store, name, over.signal);
    if (!found) return;
    const { isOver } = await failing();
    if (!end) cut(isOver(name, found.why, `Boot it: fleetbox up ${name}`, found.cause));
  }));
  const { code } = await child.status;
  if (passed) await within(LAST_WORDS_MS, passed); // a process that the client has started may keep them open
  const isBroken = isCut || code === BROKEN;
  let why = isBroken ? end : undefined;
  if (isBroken && !why && !isInterrupted) {
    why = await (await failing()).whyBroken(store, names);
    // It may have ended before the report of its machine's end has come, which says more.
    if (why && !end) await within(LAST_WORDS_MS, firstEnd);
    why = end ?? why;
  }
  over.abort();
  endLimit();
  const ofInterrupt = program === "scp" ? code !== 0 : code === BROKEN; // a command in the guest has codes of its own
  if (ofInterrupt && !end) await within(HEARD_MS, interrupt.promise);
  if (isInterrupted && ofInterrupt && !end) return INTERRUPTED;
  const tell = async (error: FleetboxError) => warn((await telling()).errorText(error, errorWidth()));
  if (why && !failure) await tell(why);
  if (complaints) {
    if (isBroken || code !== 0) await tell(new FleetboxError("failed", failure!, { cause: why }));
    const text = (await complaints()).trimEnd();
    if (text !== "") warn(text);
  }
  return isBroken ? BROKEN : code;
}

/** Reads a stream to its end. Returns the function that gives its text, also when a grandchild keeps it open. */
function collect(stream: ReadableStream<Uint8Array>): () => Promise<string> {
  let text = "";
  const whole = hand(stream, (piece) => text = (text + piece).slice(-MAX_COMPLAINTS));
  return async () => {
    await within(LAST_WORDS_MS, whole);
    return text;
  };
}

/** Gives each piece of a stream, to its end. */
async function hand(stream: ReadableStream<Uint8Array>, take: (piece: string) => void): Promise<void> {
  for await (const piece of stream.pipeThrough(new TextDecoderStream())) take(piece);
}

type Stdio = Record<"stdin" | "stdout" | "stderr", "inherit" | "piped" | "null">;

function spawnClient(program: "ssh" | "scp", args: string[], stdio: Stdio): Deno.ChildProcess {
  try {
    return new Deno.Command(program, { args, ...stdio }).spawn();
  } catch (cause) {
    if (!isNotFound(cause)) throw new FleetboxError("failed", `Cannot start ${program}`, { cause });
    throw new FleetboxError("unavailable", `The program ${program} is not installed, or not on PATH`, {
      cause,
      hint: "Install OpenSSH's client: apt install openssh-client",
    });
  }
}

function kill(child: Deno.ChildProcess, signal: Deno.Signal): void {
  try {
    child.kill(signal);
  } catch { /* it has ended, and we end in a moment */ }
}

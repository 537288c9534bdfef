/**
 * The few error classes of fleetbox, and how an error crosses a socket.
 *
 * Every room may import this file; it imports nothing. An error says what failed, what was found, what was expected
 * and, in `hint`, what to do next. Over the wire an error is `{code, message, causes, hint?}` and becomes a chain of
 * `cause` again on the other side, so that the chain is printed once, by `start.ts`, which also picks the exit code.
 */

/**
 * What kind of failure it was; decides the exit code, and lets callers branch without reading sentences.
 *
 * @example
 * ```ts
 * import { type ErrorCode, FleetboxError, start } from "fleetbox";
 *
 * const transient: ErrorCode[] = ["timeout", "no-space"];
 * try {
 *   await using vm = await start("web");
 * } catch (thrown) {
 *   if (!(thrown instanceof FleetboxError && transient.includes(thrown.code))) throw thrown;
 * }
 * ```
 */
export type ErrorCode =
  | "misuse" // the request itself is wrong: a bad name, flag, size, option
  | "not-found" // a member, image, file or program does not exist
  | "timeout" // a limit given in milliseconds passed
  | "interrupted" // the user, or an AbortSignal, ended it
  | "conflict" // the present state forbids it: running elsewhere, two groups, in use
  | "unavailable" // a program or feature that the host lacks
  | "no-space" // a disk, or the host's memory, is too small
  | "damaged" // something on disk cannot be read as what it should be
  | "denied" // permissions
  | "protocol" // the other side broke the protocol
  | "failed"; // everything else

/** The exit code of the command line for each kind of failure. 0 is success. */
export const EXIT_CODES: Record<ErrorCode, number> = {
  "misuse": 2,
  "not-found": 3,
  "timeout": 4,
  "interrupted": 130,
  "conflict": 1,
  "unavailable": 1,
  "no-space": 1,
  "damaged": 1,
  "denied": 1,
  "protocol": 1,
  "failed": 1,
};

/** An error as it crosses a socket: one JSON object. `causes` are the messages of the chain below, nearest first. */
export interface WireError {
  code: ErrorCode;
  message: string;
  causes: string[];
  hint?: string;
}

/** The same of a request that is refused. */
export interface WireRefusal extends WireError {
  /** The option that is not known, or cannot be done: whoever refuses it is of an earlier version. */
  unknown_option?: string;
}

/** How a program reports errors: the command line prints them itself, the library leaves that to the test runner. */
interface Speaker {
  /** A hint in the program's own words. */
  hint(hint: string): string;
  /** Whether the message also ends with the hint, for programs that print only the message. */
  isInMessage: boolean;
}

let speaker: Speaker = { hint: (hint) => hint, isInMessage: false };

/** The messages without their hints, where those are in them. */
const SENTENCES = new WeakMap<Error, string>();

/** Sets how this process reports errors, for the library. Returns the previous setting. */
export function speakFor(next: Speaker): Speaker {
  const before = speaker;
  speaker = next;
  return before;
}

/**
 * The one error that fleetbox throws on purpose. Where it comes from the library, its message ends with the hint, on a
 * line of its own: test runners print little more than the message.
 *
 * @example
 * ```ts
 * import { FleetboxError, start } from "fleetbox";
 *
 * try {
 *   await using vm = await start("web", { bootTimeoutMs: 30_000 });
 * } catch (thrown) {
 *   if (!(thrown instanceof FleetboxError)) throw thrown;
 *   console.error(thrown.code, thrown.message, thrown.hint, thrown.cause);
 * }
 * ```
 */
export class FleetboxError extends Error {
  /** Always the same, for code where `instanceof` does not work. */
  override readonly name = "FleetboxError";
  /** What kind of failure it was. */
  readonly code: ErrorCode;
  /** The user's next step, a sentence: the error's own hint, else that of its nearest cause. */
  readonly hint?: string;

  /** Takes the kind, a sentence, the cause, and what the user can do. */
  constructor(code: ErrorCode, message: string, options: { cause?: unknown; hint?: string } = {}) {
    const { cause } = options;
    const hint = options.hint === undefined ? hintOf(cause) : speaker.hint(options.hint);
    const isPrinted = speaker.isInMessage && hint !== undefined;
    super(isPrinted ? `${message}\n  ${hintLine(hint)}` : message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.hint = hint;
    if (!isPrinted) return;
    SENTENCES.set(this, message);
    if (options.hint === undefined) leaveHintTo(this);
  }
}

/** An option that the program does not know, or cannot do what it asks for. */
export class UnknownOption extends FleetboxError {
  constructor(readonly option: string, message: string) {
    super("misuse", message);
  }
}

/** Makes an error say all that another one says, with a stack of its own. */
export function sayAs(error: FleetboxError, said: FleetboxError, frames: readonly string[]): FleetboxError {
  const { code, hint, message, name, cause } = said;
  Object.assign(error, { code, hint, message, stack: [`${name}: ${message}`, ...frames].join("\n") });
  if (cause !== undefined) Object.defineProperty(error, "cause", { value: cause, writable: true, configurable: true });
  const sentence = SENTENCES.get(said);
  if (sentence !== undefined) SENTENCES.set(error, sentence);
  return error;
}

/** Takes an inherited hint out of the messages of the causes: a test runner prints these, too. */
function leaveHintTo(outer: FleetboxError): void {
  for (const at of chain(outer.cause)) {
    const sentence = at instanceof FleetboxError && at.hint === outer.hint ? SENTENCES.get(at) : undefined;
    if (sentence === undefined) continue;
    const cause = at as FleetboxError;
    cause.stack = cause.stack?.replace(cause.message, () => sentence);
    cause.message = sentence;
  }
}

/** A hint as it is printed: a next step starts with `try:`; a question or a list stands alone. */
export function hintLine(hint: string): string {
  return /^(Did you mean|There (is|are)\b)/.test(hint) ? hint : `try: ${hint}`;
}

/** The message of anything that was thrown, without its hint. */
export function messageOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  return SENTENCES.get(thrown) ?? thrown.message;
}

/** An error and its causes, nearest first: at most 16, so that a cyclic chain ends. */
function* chain(thrown: unknown): Generator<unknown> {
  let at = thrown;
  for (let depth = 0; at !== undefined && depth < 16; depth++) {
    yield at;
    at = at instanceof Error ? at.cause : undefined;
  }
}

/** The messages below an error, nearest first, each once. */
export function causesOf(thrown: unknown): string[] {
  const [, ...below] = chain(thrown);
  return [...new Set(below.map(messageOf))];
}

/**
 * The causes that say more than the messages above them, nearest first, each once.
 *
 * The message often already says in words what the system's error says: there is no such file, or no space.
 */
export function newCauses(thrown: unknown): string[] {
  const causes: string[] = [];
  let told = messageOf(thrown);
  for (const cause of causesOf(thrown)) {
    // A cause often repeats the message at its beginning.
    const fresh = cause.startsWith(`${messageOf(thrown)}: `) ? cause.slice(messageOf(thrown).length + 2) : cause;
    if (isSaid(fresh, told)) continue;
    told += `\n${fresh}`;
    causes.push(fresh);
  }
  return causes;
}

/** Errors of the system, each with the words by which a message already says the same. */
const SAID: [cause: RegExp, said: RegExp][] = [
  [
    /^No such file or directory\b|\(os error 2\)/,
    /there (is|are) no\b|does not exist|not found|not installed|is missing|no such/i,
  ],
  [/^No space left on device\b|\(os error 28\)/, /\bno (more )?(space|room)\b|\bis full\b|disk full/i],
  [/^Permission denied\b|\(os error 13\)/, /\bpermission\b|\bmay not\b|not allowed/i],
  [/^File exists\b|\(os error 17\)/, /\bexists\b|is there already/i],
  [/^Connection refused\b|\(os error 111\)/, /connection refused|does not answer|nobody (answers|listens)/i],
];

function isSaid(cause: string, told: string): boolean {
  const plain = (text: string) => text.replace(/\s*\(os error \d+\)/g, "").replace(/[.\s]+$/, "").toLowerCase();
  return plain(told).includes(plain(cause)) || SAID.some(([system, said]) => system.test(cause) && said.test(told));
}

/** The first hint in the chain, nearest first. */
export function hintOf(thrown: unknown): string | undefined {
  for (const at of chain(thrown)) {
    if (at instanceof FleetboxError && at.hint) return at.hint;
  }
  return undefined;
}

/** The first code in the chain other than `failed`, nearest first; `failed` when there is none. */
export function codeOf(thrown: unknown): ErrorCode {
  for (const at of chain(thrown)) {
    if (at instanceof FleetboxError && at.code !== "failed") return at.code;
    if (at instanceof Deno.errors.PermissionDenied) return "denied";
  }
  return "failed";
}

export function toWireError(thrown: unknown): WireRefusal {
  const hint = hintOf(thrown);
  return {
    code: codeOf(thrown),
    message: messageOf(thrown),
    causes: causesOf(thrown),
    ...(hint === undefined ? {} : { hint }),
    ...(thrown instanceof UnknownOption ? { unknown_option: thrown.option } : {}),
  };
}

/** The longest chain of causes that is accepted. */
const MAX_CAUSES = 16;

/**
 * The chain that {@link toWireError} flattened, as errors again. It came from another process: unknown codes become
 * `failed`, and values that are no text are left out.
 */
export function fromWireError(wire: { [key in keyof WireError]?: unknown }): FleetboxError {
  const { code, message, causes, hint } = wire;
  const texts = Array.isArray(causes) ? causes.filter((cause) => typeof cause === "string").slice(0, MAX_CAUSES) : [];
  const cause = texts.reduceRight<Error | undefined>(
    (below, message) => new Error(message, below ? { cause: below } : undefined),
    undefined,
  );
  return new FleetboxError(
    typeof code === "string" && Object.hasOwn(EXIT_CODES, code) ? code as ErrorCode : "failed",
    typeof message === "string" ? message : "it failed without a message",
    { cause, hint: typeof hint === "string" ? hint : undefined },
  );
}

/** Whether a thrown value says that a file, directory or program does not exist. */
export function isNotFound(thrown: unknown): boolean {
  return thrown instanceof Deno.errors.NotFound || (thrown instanceof FleetboxError && thrown.code === "not-found");
}

/** Whether a thrown value says that a file system or quota is full (ENOSPC, EDQUOT). */
export function isNoSpace(thrown: unknown): boolean {
  return /no space left on device|disk quota exceeded|\(os error (28|122)\)|ENOSPC|EDQUOT/i.test(
    `${messageOf(thrown)} ${causesOf(thrown).join(" ")}`,
  );
}

/**
 * `waitFor` of a condition: a test's function, called again and again until it returns something that is true.
 *
 * What it throws means "not yet", for a cluster that comes up fails in many ways. Final are its mistakes in calling the
 * library, and names that do not exist. The error begins in the test's line, which a stack made at the limit would not have.
 */

import { clip } from "../../core/bytes.ts";
import { codeOf, FleetboxError, messageOf } from "../../core/errors.ts";
import { checked } from "../check.ts";
import "../hints.ts";
import { DEFAULT_INTERVAL_MS, DEFAULT_LIMIT_MS, poll, TimeOver } from "../poll.ts";
import { begin, begunAt } from "../trace/call_site.ts";
import type { Condition, Held, WaitOptions } from "../types/wait.ts";

/** How much of a condition's source is in an error. */
const SOURCE_CHARACTERS = 100;

/**
 * Waits until a condition holds, and returns what it returned then. `vm.waitFor()` and `cluster.waitFor()` do the same, and know
 * when waiting is useless.
 *
 * @param condition Called again and again, one call at a time, until what it returns is true. What it throws means "not yet".
 * @throws {FleetboxError} `timeout`: with what it returned last, or threw last as its cause; `interrupted`: by the signal; `misuse`, at
 * once: the condition calls the library wrongly.
 *
 * @example
 * ```ts
 * import { startCluster, waitFor } from "fleetbox";
 *
 * await using cluster = await startCluster(["a", "b", "c"]);
 * const leader = await waitFor(async () => {
 *   const said = await cluster.each((vm) => vm.readTextFile("leader"));
 *   return said.every((one) => one === said[0]) && said[0];
 * }, { timeoutMs: 30_000, message: "no leader was elected" });
 * console.log(leader);
 * ```
 */
export async function waitFor<T>(condition: Condition<T>, options?: WaitOptions): Promise<Held<T>> {
  return await untilHolds(condition, options, { call: "waitFor()", begun: begin(waitFor) });
}

/** Where a wait belongs. */
interface Waiting {
  /** In the words of an error: `waitFor() on "a"`. */
  call: string;
  /** Made where the wait began. */
  begun: FleetboxError;
  /** What is known at the limit, for the end of the error's sentence: ` on "a"`. */
  seen?: () => Promise<string>;
  /** Why waiting is useless, after a failure. */
  whyNot?: () => Promise<FleetboxError | undefined>;
}

/** Waiting is useless. */
class Hopeless extends Error {}

/** What it returned is not true; the message is the end of a sentence. */
class NotYet extends Error {}

/** {@link waitFor}, for all who have one. */
export async function untilHolds<T>(
  condition: Condition<T>,
  options: WaitOptions | undefined,
  { call, begun, seen = () => Promise.resolve(""), whyNot = () => Promise.resolve(undefined) }: Waiting,
): Promise<Held<T>> {
  const { timeoutMs = DEFAULT_LIMIT_MS, intervalMs = DEFAULT_INTERVAL_MS, message, signal } = checked(
    "wait",
    call,
    options,
  );
  if (typeof condition !== "function") throw begunAt(begun, notACondition(call, condition));
  const asked = new Asked(condition);
  try {
    return await poll({ limitMs: timeoutMs, intervalMs, signal, isFinal }, async (ended) => {
      try {
        return await asked.once(ended);
      } catch (thrown) {
        const why = ended.aborted || isFinal(thrown) ? undefined : await whyNot();
        throw why ? new Hopeless("", { cause: why }) : thrown;
      }
    });
  } catch (thrown) {
    const what = message ?? `The condition ${asked.source} did not hold`;
    if (thrown instanceof TimeOver) {
      const { cause } = thrown;
      const last = cause instanceof NotYet ? cause.message : "";
      const limit = `${what} within ${timeoutMs / 1000} s${last}${asked.hangs(timeoutMs)}${await seen()}`;
      const hint = asked.hint();
      throw begunAt(begun, new FleetboxError("timeout", limit, cause instanceof NotYet ? { hint } : { cause, hint }));
    }
    if (thrown instanceof Hopeless) {
      const cause = thrown.cause as FleetboxError;
      throw begunAt(begun, new FleetboxError(codeOf(cause), `${what}: ${messageOf(cause)}`, { cause }));
    }
    if (!signal?.aborted) throw thrown;
    const interrupted = `Waiting was interrupted: ${what}`;
    throw begunAt(begun, new FleetboxError("interrupted", interrupted, { cause: signal.reason }));
  }
}

/** A condition, and what has come of its calls. */
class Asked<T> {
  #count = 0;
  /** When the call that is under way began. */
  #since: number | undefined;
  /** Whether all that it returned was undefined. Undefined: it has returned nothing. */
  #isEmpty: boolean | undefined;

  constructor(private readonly condition: Condition<T>) {}

  /** @throws what it throws, or what it returned instead of something that is true */
  async once(signal: AbortSignal): Promise<Held<T>> {
    this.#count++;
    this.#since = performance.now();
    try {
      const value = await this.condition(signal);
      if (value) return value as Held<T>;
      this.#isEmpty = this.#isEmpty !== false && value === undefined;
      throw new NotYet(`: call ${this.#count} returned ${value === "" ? '""' : value}`);
    } finally {
      this.#since = undefined;
    }
  }

  /** That its last call hangs, at the limit. Most conditions are asked at that moment. */
  hangs(limitMs: number): string {
    if (this.#since === undefined) return "";
    const sinceMs = performance.now() - this.#since;
    return sinceMs < limitMs / 4
      ? ""
      : `, and call ${this.#count} has not ended after ${(sinceMs / 1000).toFixed(1)} s`;
  }

  /** Its text, without what every arrow function has. */
  get source(): string {
    const text = this.condition.toString().replace(/\s+/g, " ").replace(/^async /, "").replace(/^\(\w*\) ?=> ?/, "");
    return `"${clip(text, SOURCE_CHARACTERS)}"`;
  }

  hint(): string {
    return this.#isEmpty ? "Return true when it holds: undefined means not yet." : "Give it longer with timeoutMs.";
  }
}

/** What no later call can mend. */
function isFinal(thrown: unknown): boolean {
  if (thrown instanceof Hopeless || thrown instanceof ReferenceError) return true;
  return thrown instanceof FleetboxError && thrown.code === "misuse";
}

function notACondition(call: string, found: unknown): FleetboxError {
  const isTarget = typeof found === "object" && found !== null;
  return new FleetboxError(
    "misuse",
    `Cannot wait: ${call} got ${clip(JSON.stringify(found) ?? String(found), 80)}, expected a function`,
    isTarget ? { hint: "For a port, a file, a line or a command of a machine: vm.waitFor({ port: 80 })" } : {},
  );
}

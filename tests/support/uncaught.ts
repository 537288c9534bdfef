/**
 * Errors that no code awaits, while a sandbox is open. Without this, one of them ends the test runner at once, and processes,
 * mounts and files of every sandbox stay behind. With it, the sandbox that was opened last fails its test with them.
 */

interface Seen {
  error: unknown;
  promise?: Promise<unknown>;
}

const open: Uncaught[] = [];

/** Gathers what is uncaught from now on, until it is disposed of. */
export class Uncaught implements Disposable {
  #seen: Seen[] = [];

  constructor() {
    open.push(this);
  }

  /** What was seen so far, and was not awaited afterwards either. */
  get errors(): string[] {
    return this.#seen.map(({ error }) => `an error that no code awaited: ${stackOf(error)}`);
  }

  see(seen: Seen): void {
    this.#seen.push(seen);
  }

  /** The promise is awaited after all. */
  forget(promise: Promise<unknown>): void {
    this.#seen = this.#seen.filter((seen) => seen.promise !== promise);
  }

  [Symbol.dispose](): void {
    if (open.includes(this)) open.splice(open.indexOf(this), 1);
  }
}

function hold(event: Event, seen: Seen): void {
  const last = open.at(-1);
  if (last === undefined) return;
  event.preventDefault();
  last.see(seen);
}

globalThis.addEventListener("unhandledrejection", (event) => {
  hold(event, { error: event.reason, promise: event.promise });
});
globalThis.addEventListener("error", (event) => hold(event, { error: event.error }));
globalThis.addEventListener("rejectionhandled", (event) => {
  for (const one of open) one.forget((event as PromiseRejectionEvent).promise);
});

/** All that an error has to tell: when a test and its end both failed, both, the test's own first. */
export function stackOf(thrown: unknown): string {
  if (!(thrown instanceof SuppressedError)) {
    return thrown instanceof Error ? thrown.stack ?? thrown.message : `${thrown}`;
  }
  return `${stackOf(thrown.suppressed)}\n\nand at its end:\n${stackOf(thrown.error)}`;
}

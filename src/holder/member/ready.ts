/**
 * When a guest is up: its SSH server answers on the port that leads to it.
 *
 * Nobody tells the host when a server in a guest begins to listen, but a guest that comes up is heard: its first frame,
 * an address that it announces, a line on its console. Each of these is a hint, and on a hint we probe. The timer
 * between probes is for guests that say nothing; it is never the first to know of one that speaks.
 */

import { answersSsh } from "../../guest/ssh_probe.ts";

/** The longest wait for a first hint before probing anyway. */
const QUIET_MS = 3_000;
/** The waits between probes that failed. A hint starts them anew. */
const AGAIN_MS = [50, 100, 200, 400, 800, 1_000];
const PROBE_LIMIT_MS = 5_000;
/** A probe may hang until its limit while the guest is half up; a hint probes again beside it, up to so many. */
const MAX_PROBES = 3;

export interface ReadyOptions {
  /** Ends the wait: the boot's limit, a stop, the machine's end. */
  signal: AbortSignal;
  /** Registers the function to call on a sign of life; returns how to take it back. */
  onHint: (hint: () => void) => () => void;
}

/** Resolves when an SSH server answers. @throws the signal's reason when that fires first. */
export async function untilSsh(endpoint: { host: string; port: number }, options: ReadyOptions): Promise<void> {
  const { signal, onHint } = options;
  signal.throwIfAborted();
  const answered = Promise.withResolvers<void>();
  const over = new AbortController();
  const anyEnd = AbortSignal.any([signal, over.signal]);
  let probes = 0, failures = 0;
  let timer = setTimeout(() => void probe(), QUIET_MS);

  const probe = async () => {
    if (probes >= MAX_PROBES) return;
    probes++;
    clearTimeout(timer);
    const isThere = await answersSsh(endpoint, anyEnd, PROBE_LIMIT_MS);
    probes--;
    if (anyEnd.aborted) return;
    if (isThere) answered.resolve();
    else if (probes === 0) timer = setTimeout(() => void probe(), AGAIN_MS[Math.min(failures++, AGAIN_MS.length - 1)]);
  };
  const off = onHint(() => {
    failures = 0;
    void probe();
  });
  const abort = () => answered.reject(signal.reason);
  signal.addEventListener("abort", abort);
  try {
    await answered.promise;
  } finally {
    off();
    over.abort();
    clearTimeout(timer);
    signal.removeEventListener("abort", abort);
  }
}

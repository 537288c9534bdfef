/**
 * When a guest is up: its SSH server answers on the port that leads to it.
 *
 * The host gets no event when a server in a guest begins to listen, but a booting guest gives signs: its first frame,
 * an address that it announces, a line on its console. Each of these is a hint, and a hint causes a probe, which waits while the one before
 * may still be answered. The timer between probes is for silent guests.
 */

import { answersSsh } from "../../guest/ssh_probe.ts";

/** The longest wait for a first hint before probing anyway. */
const QUIET_MS = 3_000;
/** The waits between failed probes. A hint starts them again. */
const AGAIN_MS = [50, 100, 200, 400, 800, 1_000];
const PROBE_LIMIT_MS = 5_000;
/**
 * How long a probe is left alone. Each one that reaches the server is a process that the guest starts, and the sign that
 * follows it is often the guest's reply to it. The gateway keeps a packet for a guest whose address it does not know yet for as long
 * (libslirp, `if_start`), and so nothing is lost before.
 */
const PATIENCE_MS = 1_000;
/** How many probes may run at once: one may hang until its limit while the guest is half up. */
const MAX_PROBES = 3;

interface ReadyOptions {
  /** Ends the wait: the boot's limit, a stop, the machine's end. */
  signal: AbortSignal;
  /** Registers the function to call on a hint; returns the function that unregisters it. */
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
  let latest = -Infinity;
  let isHinted = false; // since the latest probe began
  let timer = setTimeout(() => void probe(), QUIET_MS);

  const after = (ms: number) => {
    clearTimeout(timer);
    timer = setTimeout(() => void probe(), ms);
  };
  const probe = async () => {
    if (probes >= MAX_PROBES) return;
    probes++;
    latest = performance.now();
    isHinted = false;
    clearTimeout(timer);
    const isThere = await answersSsh(endpoint, anyEnd, PROBE_LIMIT_MS);
    probes--;
    if (anyEnd.aborted) return;
    if (isThere) answered.resolve();
    else if (isHinted) void probe();
    else if (probes === 0) after(AGAIN_MS[Math.min(failures++, AGAIN_MS.length - 1)]);
  };
  const off = onHint(() => {
    failures = 0;
    isHinted = true;
    const age = performance.now() - latest;
    if (probes === 0 || age >= PATIENCE_MS) void probe();
    else after(PATIENCE_MS - age);
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

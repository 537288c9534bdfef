/**
 * A process that runs only part of the time: it is stopped and continued again and again, by signals.
 *
 * That needs nothing in the guest, and the guest's clock goes on meanwhile, as on a host that is short of processors. Our timers
 * are late on a busy host, so each half of a period is as long as it must be for the sum to be right. What waits for the process to
 * answer lets it run ({@link Throttle.hold}): that time is taken off again afterwards.
 */

/** How long both halves of a period take together. */
const PERIOD_MS = 20;
/** The shorter half takes at least as long; our timers are not finer. */
const LEAST_MS = 2;
/** How much longer or shorter than planned a half may be, to make good what went wrong before. */
const MOST_TIMES = 4;
/** What went wrong before that is forgotten: a host that slept, a process that was needed for long. */
const MAX_ERROR_MS = 500;

export class Throttle {
  #share: number | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isStopped = false;
  /** When the present half began. */
  #sinceMs = 0;
  /** How much longer it has run than it should have. */
  #errorMs = 0;
  #stoppedMs = 0;
  #holds = 0;

  /** @param signal false: the process is gone, and nothing was sent */
  constructor(private readonly signal: (name: "SIGSTOP" | "SIGCONT") => boolean) {}

  /** How long it has been stopped, in all. */
  get stoppedMs(): number {
    return this.#stoppedMs + (this.#isStopped ? performance.now() - this.#sinceMs : 0);
  }

  /** From here on it runs this part of the time, more than 0 and less than 1; undefined: all of it, at once. */
  set(share: number | undefined): void {
    if (share === this.#share) return;
    clearTimeout(this.#timer);
    this.#run();
    this.#share = share;
    this.#errorMs = 0;
    if (share !== undefined) this.#plan();
  }

  /** It runs until the returned function is called. */
  hold(): () => void {
    if (this.#holds++ === 0 && this.#share !== undefined) {
      clearTimeout(this.#timer);
      this.#run();
    }
    return () => {
      if (--this.#holds === 0 && this.#share !== undefined) this.#turn();
    };
  }

  /** The other half begins. */
  #turn(): void {
    if (this.#isStopped) this.#run();
    else this.#stop();
    this.#plan();
  }

  #plan(): void {
    if (this.#share === undefined || this.#holds > 0) return;
    this.#timer = setTimeout(() => this.#turn(), halfMs(this.#share, this.#isStopped, this.#errorMs));
  }

  #stop(): void {
    this.#count();
    this.#isStopped = this.signal("SIGSTOP");
  }

  #run(): void {
    this.#count();
    if (this.#isStopped) this.signal("SIGCONT");
    this.#isStopped = false;
  }

  #count(): void {
    const now = performance.now();
    const took = now - this.#sinceMs;
    this.#sinceMs = now;
    if (this.#isStopped) this.#stoppedMs += took;
    if (this.#share === undefined) return;
    const error = this.#errorMs + (this.#isStopped ? 0 : took) - this.#share * took;
    this.#errorMs = Math.max(-MAX_ERROR_MS, Math.min(MAX_ERROR_MS, error));
  }
}

/** @internal How long the half that begins is to take, so that the error is 0 after the next stop. */
export function halfMs(share: number, isStopped: boolean, errorMs: number): number {
  const period = Math.max(PERIOD_MS, LEAST_MS / Math.min(share, 1 - share));
  const planned = isStopped ? (1 - share) * period : share * period;
  const wanted = isStopped ? errorMs / share : planned - errorMs / (1 - share);
  return Math.max(planned / MOST_TIMES, Math.min(planned * MOST_TIMES, wanted));
}

/**
 * A cheap rate limit: so many events a second, and as many at once after a quiet second.
 *
 * The switch has one for a guest's DNS questions, one for its announcements, and a trace has one for its frames. The caller passes the time, because the
 * switch reads the clock once a chunk; a clock that jumps forward fills the bucket.
 */

export class TokenBucket {
  #tokens: number;
  #atMs = 0;

  constructor(private readonly perSecond: number) {
    this.#tokens = perSecond;
  }

  /** Whether there is a token. */
  has(nowMs: number): boolean {
    const earned = Math.max(0, nowMs - this.#atMs) * this.perSecond / 1000;
    this.#tokens = Math.min(this.perSecond, this.#tokens + earned);
    this.#atMs = nowMs;
    return this.#tokens >= 1;
  }

  /** Takes one token; false when there is none. */
  take(nowMs: number): boolean {
    if (!this.has(nowMs)) return false;
    this.#tokens--;
    return true;
  }

  /** Takes so many, also those that are not there: they are owed, for at most a second. */
  spend(count: number): void {
    this.#tokens = Math.max(-this.perSecond, this.#tokens - count);
  }
}

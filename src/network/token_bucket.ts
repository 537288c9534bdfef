/**
 * A cheap rate limit: so many events a second, and as many at once after a quiet second.
 *
 * The switch has one for a guest's DNS questions and one for its announcements. The caller passes the time, because the
 * switch reads the clock once a chunk; a clock that jumps forward fills the bucket.
 */

export class TokenBucket {
  #tokens: number;
  #atMs = 0;

  constructor(private readonly perSecond: number) {
    this.#tokens = perSecond;
  }

  /** Takes one token; false when there is none. */
  take(nowMs: number): boolean {
    const earned = Math.max(0, nowMs - this.#atMs) * this.perSecond / 1000;
    this.#tokens = Math.min(this.perSecond, this.#tokens + earned);
    this.#atMs = nowMs;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}

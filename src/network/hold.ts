/**
 * A hold of a switch: while there is one, no port passes a frame on, neither from its connection nor to it.
 *
 * A held port waits with what it has read, at most one buffer, and reads no more: its hypervisor waits with the rest.
 * Nothing is lost or put into another order. Holds count, so two of them at once do not end each other. Knows nothing of
 * frames.
 */

export class Hold<Waiter> {
  /** Whether something holds. */
  isOn = false;
  #holds = 0;
  readonly #waiting = new Map<Waiter, PromiseWithResolvers<void>>();

  /** Holds until the returned function is called; calling it again does nothing. */
  begin(): () => void {
    let isOurs = true;
    this.#holds++;
    this.isOn = true;
    return () => {
      if (!isOurs) return;
      isOurs = false;
      if (--this.#holds > 0) return;
      this.isOn = false;
      for (const waiter of [...this.#waiting.keys()]) this.letGo(waiter);
    };
  }

  /** Resolves when nothing holds any more, or the waiter is let go. By then there may be another hold. */
  wait(waiter: Waiter): Promise<void> {
    const waiting = this.#waiting.get(waiter) ?? Promise.withResolvers<void>();
    this.#waiting.set(waiter, waiting);
    return waiting.promise;
  }

  /** Ends the waiting of one that has no further business here. */
  letGo(waiter: Waiter): void {
    this.#waiting.get(waiter)?.resolve();
    this.#waiting.delete(waiter);
  }
}
